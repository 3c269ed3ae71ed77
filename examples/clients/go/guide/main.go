// The listing of the guide to Vault's interface, as it stands there but for the names of hosts, and
// with what it takes for granted: an import of fmt, and somebody who calls it. VAULT_ADDR,
// VAULT_TOKEN and VAULT_CACERT say where the daemon's TLS listener is; ../main.go does the same on
// its socket, and changes to another account in time.
package main

import (
	"database/sql"
	"fmt"
	"log"

	vault "github.com/hashicorp/vault/api"
	_ "github.com/lib/pq"
)

func getDbCredentials(client *vault.Client) (*sql.DB, error) {
	// Read dynamic credentials
	secret, err := client.Logical().Read("database/creds/app-readonly")
	if err != nil {
		return nil, err
	}

	username := secret.Data["username"].(string)
	password := secret.Data["password"].(string)

	// Connect to database
	connStr := fmt.Sprintf(
		"host=localhost user=%s password=%s dbname=mydb sslmode=require",
		username, password,
	)

	db, err := sql.Open("postgres", connStr)
	if err != nil {
		return nil, err
	}

	// Start renewal goroutine
	go func() {
		renewer, _ := client.NewLifetimeWatcher(&vault.LifetimeWatcherInput{
			Secret: secret,
		})
		go renewer.Start()
		defer renewer.Stop()

		for {
			select {
			case <-renewer.DoneCh():
				// Lease expired, get new credentials
				return
			case <-renewer.RenewCh():
				// Renewed successfully
			}
		}
	}()

	return db, nil
}

func main() {
	client, err := vault.NewClient(vault.DefaultConfig())
	if err != nil {
		log.Fatal(err)
	}
	db, err := getDbCredentials(client)
	if err != nil {
		log.Fatal(err)
	}
	var me string
	if err := db.QueryRow("SELECT current_user").Scan(&me); err != nil {
		log.Fatal(err)
	}
	fmt.Println("a query as", me)
}
