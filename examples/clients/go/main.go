// An application that has a database account from leasehold while it runs, with Vault's Go client.
//
//	go run . [seconds]    a query a second, for that long or until Ctrl-C
//
// VAULT_ADDR is the daemon's socket, as in unix:///run/leasehold/leasehold.sock; the database is
// found by PGHOST, PGPORT, PGDATABASE and PGSSLMODE.
package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"time"

	vault "github.com/hashicorp/vault/api"
	_ "github.com/lib/pq"
)

// connection is a pool of sessions that live as long as one lease.
type connection struct {
	db      *sql.DB
	leaseID string
	renewer *vault.LifetimeWatcher
}

func getDbCredentials(client *vault.Client, path string) (*connection, error) {
	// Read dynamic credentials
	secret, err := client.Logical().Read(path)
	if err != nil {
		return nil, err
	}
	if secret == nil {
		return nil, fmt.Errorf("%s: there is nothing at this path", path)
	}
	username := secret.Data["username"].(string)
	password := secret.Data["password"].(string)

	// Connect to database
	db, err := sql.Open("postgres", fmt.Sprintf("user=%s password=%s", username, password))
	if err != nil {
		return nil, err
	}

	// Start renewal goroutine
	renewer, err := client.NewLifetimeWatcher(&vault.LifetimeWatcherInput{Secret: secret})
	if err != nil {
		return nil, err
	}
	go renewer.Start()
	return &connection{db, secret.LeaseID, renewer}, nil
}

// end closes the sessions and gives the lease up; what is over is revoked as well.
func (c *connection) end(client *vault.Client) error {
	c.renewer.Stop()
	if err := c.db.Close(); err != nil {
		return err
	}
	return client.Sys().Revoke(c.leaseID)
}

func run(ctx context.Context, client *vault.Client, path string) (err error) {
	current, err := getDbCredentials(client, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, current.end(client)) }()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case reason := <-current.renewer.DoneCh():
			// Lease expires, get new credentials, and give up the old ones
			log.Printf("the lease is not renewed further (%v)", reason)
			next, err := getDbCredentials(client, path)
			if err != nil {
				return err
			}
			old := current
			current = next
			if err := old.end(client); err != nil {
				return err
			}
		case renewal := <-current.renewer.RenewCh():
			log.Printf("renewed for %d s", renewal.Secret.LeaseDuration)
		case <-second.C:
			var me string
			if err := current.db.QueryRow("SELECT current_user").Scan(&me); err != nil {
				return err
			}
			fmt.Println("a query as", me)
		}
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) > 1 {
		seconds, err := strconv.Atoi(os.Args[1])
		if err != nil {
			log.Fatal(err)
		}
		ctx, stop = context.WithTimeout(ctx, time.Duration(seconds)*time.Second)
		defer stop()
	}
	// There is no token: the daemon knows the caller by its user.
	client, err := vault.NewClient(vault.DefaultConfig())
	if err != nil {
		log.Fatal(err)
	}
	path := cmp.Or(os.Getenv("LEASEHOLD_PATH"), "database/creds/app-readonly")
	if err := run(ctx, client, path); err != nil {
		log.Fatal(err)
	}
}
