//go:build tools

// Package tools names the program to build: FerretDB, as it is released.
package tools

import _ "github.com/FerretDB/FerretDB/cmd/ferretdb"
