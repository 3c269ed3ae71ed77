// What Vault's Go client is promised, over the socket that VAULT_ADDR names, or by TLS.
package client

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	vault "github.com/hashicorp/vault/api"
	_ "github.com/lib/pq"
)

const role = "database/creds/app-readonly"

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newClient(t *testing.T) *vault.Client {
	t.Helper()
	client, err := vault.NewClient(vault.DefaultConfig())
	must(t, err)
	return client
}

func read(t *testing.T, path string) *vault.Secret {
	t.Helper()
	secret, err := newClient(t).Logical().Read(path)
	must(t, err)
	return secret
}

// logsIn says whether PostgreSQL takes the credential; where it is, PGHOST and the others say.
func logsIn(t *testing.T, data map[string]any) bool {
	t.Helper()
	db, err := sql.Open("postgres", fmt.Sprintf("user=%s password=%s", data["username"], data["password"]))
	must(t, err)
	defer db.Close()
	return db.Ping() == nil
}

func TestACredentialLogsInUntilItsLeaseIsRevoked(t *testing.T) {
	secret := read(t, role)
	if secret.LeaseDuration != 3600 || !secret.Renewable || !logsIn(t, secret.Data) {
		t.Fatalf("%+v", secret)
	}
	must(t, newClient(t).Sys().Revoke(secret.LeaseID))
	if logsIn(t, secret.Data) {
		t.Fatal("it still logs in")
	}
}

func TestAnIncrementMovesTheEndOfALease(t *testing.T) {
	id := read(t, role).LeaseID
	renewed, err := newClient(t).Sys().Renew(id, 600)
	if err != nil || renewed.LeaseID != id || renewed.LeaseDuration != 600 {
		t.Fatalf("%+v, %v", renewed, err)
	}
}

func TestAWriteMayHaveNoFields(t *testing.T) {
	id := read(t, role).LeaseID
	renewed, err := newClient(t).Logical().Write("sys/leases/renew/"+id, nil)
	if err != nil || renewed.LeaseID != id {
		t.Fatalf("%+v, %v", renewed, err)
	}
}

func TestALeaseIsLookedUp(t *testing.T) {
	id := read(t, role).LeaseID
	found, err := newClient(t).Sys().Lookup(id)
	must(t, err)
	left, err := found.Data["ttl"].(json.Number).Int64()
	if err != nil || found.Data["id"] != id || left < 3595 || left > 3600 {
		t.Fatalf("%+v, %v", found.Data, err)
	}
}

func TestLeasesAreListed(t *testing.T) {
	id := read(t, role).LeaseID
	found, err := newClient(t).Logical().List("sys/leases/lookup/" + role)
	must(t, err)
	if !slices.Contains(found.Data["keys"].([]any), any(strings.TrimPrefix(id, role+"/"))) {
		t.Fatalf("%+v", found.Data)
	}
}

func TestNothingToListIsNoError(t *testing.T) {
	found, err := newClient(t).Logical().List("sys/leases/lookup/database/creds/nobody-has-this")
	if found != nil || err != nil {
		t.Fatalf("%+v, %v", found, err)
	}
}

func TestHealthSaysThatTheDaemonServes(t *testing.T) {
	health, err := newClient(t).Sys().Health()
	if err != nil || !health.Initialized || health.Sealed || health.Standby {
		t.Fatalf("%+v, %v", health, err)
	}
}

func TestWhatIsLookedAtBeforeAnythingIsDone(t *testing.T) {
	sys := newClient(t).Sys()
	initialized, err := sys.InitStatus()
	must(t, err)
	seal, err := sys.SealStatus()
	must(t, err)
	leader, err := sys.Leader()
	must(t, err)
	if !initialized || seal.Sealed || leader.HAEnabled {
		t.Errorf("%v, %+v, %+v", initialized, seal, leader)
	}
	mounts, err := sys.ListMounts()
	must(t, err)
	may, err := sys.CapabilitiesSelf(role)
	must(t, err)
	if mounts["database/"] == nil || !slices.Contains(may, "read") {
		t.Errorf("%+v, %v", mounts, may)
	}
}

func TestARefusalHasItsStatusAndItsReason(t *testing.T) {
	client := newClient(t)
	_, denied := client.Logical().Read("database/creds/closed")
	_, unknown := client.Sys().Lookup(role + "/never")
	for _, expected := range []struct {
		err    error
		status int
		text   string
	}{{denied, 403, "permission denied"}, {unknown, 400, "invalid lease"}} {
		var refusal *vault.ResponseError
		if !errors.As(expected.err, &refusal) || refusal.StatusCode != expected.status ||
			len(refusal.Errors) != 1 || !strings.Contains(refusal.Errors[0], expected.text) {
			t.Errorf("found %v, expected %d %s", expected.err, expected.status, expected.text)
		}
	}
}
