package client

import (
	"bufio"
	"fmt"
	"strings"
	"testing"
	"time"

	vault "github.com/hashicorp/vault/api"
	bao "github.com/openbao/openbao/api/v2"
)

// lifetimeWatcher is what the watchers of both clients have; R is a renewal.
type lifetimeWatcher[R any] interface {
	Start()
	Stop()
	DoneCh() <-chan error
	RenewCh() <-chan R
}

// watch counts renewals until there are enough, when it stops the watcher, or it ends by itself.
func watch[R any](watcher lifetimeWatcher[R], enough int) (renewals int, reason error) {
	go watcher.Start()
	for renewals < enough {
		select {
		case <-watcher.RenewCh():
			renewals++
		case reason = <-watcher.DoneCh():
			return renewals, reason
		}
	}
	watcher.Stop()
	return renewals, <-watcher.DoneCh()
}

// held is a lease with the watcher that its client has made for it.
type held struct {
	data   map[string]any
	revoke func() error
	watch  func(enough int) (renewals int, reason error)
}

type holder func(t *testing.T, path, ttl string) held

func ofVault(t *testing.T, path, ttl string) held {
	client := newClient(t)
	secret, err := client.Logical().ReadWithData(path, map[string][]string{"ttl": {ttl}})
	must(t, err)
	watcher, err := client.NewLifetimeWatcher(&vault.LifetimeWatcherInput{Secret: secret})
	must(t, err)
	return held{
		secret.Data,
		func() error { return client.Sys().Revoke(secret.LeaseID) },
		func(enough int) (int, error) { return watch(watcher, enough) },
	}
}

// Of OpenBao's client this is a release that does not pause between renewals that fail.
func ofOpenBao(t *testing.T, path, ttl string) held {
	client, err := bao.NewClient(bao.DefaultConfig())
	must(t, err)
	secret, err := client.Logical().ReadWithData(path, map[string][]string{"ttl": {ttl}})
	must(t, err)
	watcher, err := client.NewLifetimeWatcher(&bao.LifetimeWatcherInput{Secret: secret})
	must(t, err)
	return held{
		secret.Data,
		func() error { return client.Sys().Revoke(secret.LeaseID) },
		func(enough int) (int, error) { return watch(watcher, enough) },
	}
}

// withBoth runs a claim with both clients, side by side.
func withBoth(t *testing.T, claim func(t *testing.T, of holder)) {
	for name, of := range map[string]holder{"vault": ofVault, "openbao": ofOpenBao} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claim(t, of)
		})
	}
}

func TestAWatcher(t *testing.T) {
	t.Run("keeps its lease for twenty renewals", keepsItsLeaseForTwentyRenewals)
	t.Run("ends quietly at the maximum of its lease", endsQuietlyAtTheMaximumOfItsLease)
	t.Run("ends without spinning when its lease is revoked", endsWithoutSpinningWhenItsLeaseIsRevoked)
}

func keepsItsLeaseForTwentyRenewals(t *testing.T) {
	t.Parallel()
	withBoth(t, func(t *testing.T, of holder) {
		lease := of(t, "database/creds/brief", "2s")
		if renewals, reason := lease.watch(20); renewals != 20 || reason != nil {
			t.Errorf("%d renewals, then %v", renewals, reason)
		}
		if !logsIn(t, lease.data) {
			t.Error("the lease is over")
		}
	})
}

func endsQuietlyAtTheMaximumOfItsLease(t *testing.T) {
	t.Parallel()
	withBoth(t, func(t *testing.T, of holder) {
		lease := of(t, "database/creds/ending", "10s")
		if renewals, reason := lease.watch(20); renewals != 2 || reason != nil {
			t.Errorf("%d renewals, then %v", renewals, reason)
		}
		if !logsIn(t, lease.data) {
			t.Error("no time was left to change to another lease")
		}
	})
}

func endsWithoutSpinningWhenItsLeaseIsRevoked(t *testing.T) {
	t.Parallel()
	before := refusedRenewals(t)
	t.Run("clients", func(t *testing.T) {
		withBoth(t, func(t *testing.T, of holder) {
			lease := of(t, role, "6s")
			must(t, lease.revoke())
			began := time.Now()
			renewals, reason := lease.watch(1)
			if took := time.Since(began); renewals != 0 || took > 10*time.Second {
				t.Errorf("%d renewals in %v, then %v", renewals, took, reason)
			}
		})
	})
	refused := refusedRenewals(t) - before
	t.Logf("the daemon refused %g renewals", refused)
	if refused < 2 || refused > 40 {
		t.Fail()
	}
}

// refusedRenewals is how many the daemon has seen, of all clients.
func refusedRenewals(t *testing.T) (sum float64) {
	t.Helper()
	response, err := newClient(t).Logical().ReadRaw("sys/metrics")
	must(t, err)
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		labels, count, _ := strings.Cut(lines.Text(), "} ")
		if strings.HasPrefix(labels, "leasehold_request_duration_seconds_count{") &&
			strings.Contains(labels, `route="sys/leases/renew"`) &&
			!strings.Contains(labels, `status="200"`) {
			var seen float64
			_, err := fmt.Sscan(count, &seen)
			must(t, err)
			sum += seen
		}
	}
	return sum
}
