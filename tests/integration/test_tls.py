"""Unmodified clients of Vault, and curl, over TLS, known by their certificates."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

import hvac
import hvac.exceptions
import pytest
from cryptography import x509

from servers.certificates import Authority, Pair, new_key, write_key
from servers.daemon import Daemon, eventually, policy_for
from servers.postgres import PostgresServer, free_port

pytestmark = pytest.mark.servers

NAME = "dns:billing.internal"
IDENTITIES = """\
identities:
  billing:
    owner: team-payments
    tenant: payments
    match:
      - tls: {{san: "{name}", issuer: "{issuer}"}}
  reports: {{owner: team-r, tenant: r, match: [{{tls: {{san: "dns:reports.internal"}}}}]}}
"""
RULE = """\
  - identities: [billing, reports]
    paths: [database/creds/reader]
    verbs: [issue, renew, revoke]
"""


class OverTls:
    """A daemon that listens on TLS, and certificates of two who may ask it."""

    def __init__(self, daemon: Daemon, postgres: PostgresServer) -> None:
        self.daemon = daemon
        self.ca = Authority(daemon.folder)
        self.server = self.ca.server()
        self.billing = self.ca.client("billing", x509.DNSName("billing.internal"))
        self.reports = self.ca.client("reports", x509.DNSName("reports.internal"))
        self.port = free_port()
        daemon.flags = (
            *("--tls-listen", f"127.0.0.1:{self.port}"),
            *("--tls-certificate-file", str(self.server.certificate_file)),
            *("--tls-key-file", str(self.server.key_file)),
            *("--tls-client-ca-file", str(self.ca.file)),
        )
        policy = policy_for(postgres)
        told = IDENTITIES.format(name=NAME, issuer=self.ca.fingerprint)
        policy = policy.replace("identities:\n", told) + RULE
        daemon.write_policy(policy)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def vault(self, pair: Pair) -> hvac.Client:
        cert = str(pair.certificate_file), str(pair.key_file)
        return hvac.Client(url=self.url, verify=str(self.ca.file), cert=cert)

    def degraded(self) -> list[str]:
        return self.daemon.request("GET", "/v1/leasehold/status").data["degraded"]

    def audited(self, event: str) -> list[dict[str, Any]]:
        lines = (self.daemon.state / "audit.jsonl").read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["event"] == event]


@pytest.fixture
def over_tls(daemon: Daemon, postgres: PostgresServer) -> OverTls:
    return OverTls(daemon, postgres)


READ = "import hvac, json; print(json.dumps(hvac.Client().read('database/creds/reader')))"


def read_by_environment(over_tls: OverTls) -> dict[str, Any]:
    """A credential, read by a client of Vault that has heard of all by its usual variables."""
    told = {
        "VAULT_ADDR": over_tls.url,
        "VAULT_CACERT": str(over_tls.ca.file),
        "VAULT_CLIENT_CERT": str(over_tls.billing.certificate_file),
        "VAULT_CLIENT_KEY": str(over_tls.billing.key_file),
    }
    command = [sys.executable, "-c", READ]
    ran = subprocess.run(command, env={**os.environ, **told}, capture_output=True, check=True)
    return json.loads(ran.stdout)


def test_hvac_reads_renews_and_revokes_with_a_certificate(
    over_tls: OverTls, postgres: PostgresServer
) -> None:
    over_tls.daemon.start()
    lease = read_by_environment(over_tls)
    vault = over_tls.vault(over_tls.billing)
    assert lease["data"]["username"] in postgres.accounts()
    renewed = vault.sys.renew_lease(lease["lease_id"], increment=7200)
    assert renewed["lease_duration"] == 7200
    with pytest.raises(hvac.exceptions.Forbidden):
        vault.read("database/creds/brief")

    # Another certificate has no part in the lease.
    other = over_tls.vault(over_tls.reports)
    with pytest.raises(hvac.exceptions.InvalidRequest, match="lease not found"):
        other.sys.renew_lease(lease["lease_id"])
    other.sys.revoke_lease(lease["lease_id"])
    assert lease["data"]["username"] in postgres.accounts()

    # A new certificate of the same name has.
    again = over_tls.ca.client("again", x509.DNSName("billing.internal"))
    over_tls.vault(again).sys.revoke_lease(lease["lease_id"])
    assert postgres.accounts() == []

    [issued] = over_tls.audited("issued")
    assert issued["identity"] == "billing"
    assert issued["caller"] == {
        "who": f"tls:san={NAME},issuer={over_tls.ca.fingerprint}",
        "serial": f"{over_tls.billing.certificate.serial_number:x}",
        "address": "127.0.0.1",
    }
    [revoked] = over_tls.audited("revoking")
    assert revoked["caller"]["serial"] == f"{again.certificate.serial_number:x}"


def curl(over_tls: OverTls, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["curl", "--silent", "--show-error", "--cacert", str(over_tls.ca.file), *options]
    return subprocess.run(
        [*command, f"{over_tls.url}/v1/sys/health"], capture_output=True, text=True, check=False
    )


def test_curl_gets_in_with_a_certificate_and_is_told_why_without_one(over_tls: OverTls) -> None:
    over_tls.daemon.start()
    shown = ("--cert", str(over_tls.billing.certificate_file))
    inside = curl(over_tls, *shown, "--key", str(over_tls.billing.key_file))
    assert json.loads(inside.stdout)["initialized"] is True
    outside = curl(over_tls)
    assert outside.stdout == ""
    assert "certificate required" in outside.stderr
    eventually(
        lambda: "peer did not return a certificate" in over_tls.daemon.log.read_text(),
        what="the reason in the log",
    )


def test_without_a_certificate_where_it_is_optional_there_is_health_and_nothing_else(
    over_tls: OverTls,
) -> None:
    over_tls.daemon.flags += ("--tls-client-certificates", "optional")
    over_tls.daemon.start()
    vault = hvac.Client(url=over_tls.url, verify=str(over_tls.ca.file))
    assert vault.sys.read_health_status(method="GET")["initialized"]
    with pytest.raises(hvac.exceptions.Forbidden):
        vault.read("database/creds/reader")
    with pytest.raises(hvac.exceptions.Forbidden):
        vault.read("leasehold/status")
    assert over_tls.audited("denied")[0]["caller"]["who"] == "tls:address=127.0.0.1"


def test_sighup_takes_over_new_files_and_a_broken_pair_shows_in_the_status(
    over_tls: OverTls,
) -> None:
    daemon = over_tls.daemon.start()
    write_key(over_tls.server.key_file, new_key())
    daemon.process.send_signal(signal.SIGHUP)
    [line] = eventually(over_tls.degraded, what="a line in the status")
    assert "TLS: new files are not served" in line
    assert over_tls.vault(over_tls.billing).read("database/creds/reader") is not None
    renewed = over_tls.ca.server("renewed")
    renewed.key_file.replace(over_tls.server.key_file)
    renewed.certificate_file.replace(over_tls.server.certificate_file)
    daemon.process.send_signal(signal.SIGHUP)
    eventually(lambda: not over_tls.degraded(), what="an end of the trouble")
    assert over_tls.vault(over_tls.billing).read("database/creds/reader") is not None


def test_a_key_that_others_may_read_keeps_the_daemon_from_starting(over_tls: OverTls) -> None:
    over_tls.server.key_file.chmod(0o644)
    over_tls.daemon.start(wait=False)
    assert over_tls.daemon.wait_dead() == 1
    words = over_tls.daemon.log.read_text()
    assert f"has mode 0644; run chmod 0600 {over_tls.server.key_file}" in words
    assert "Traceback" not in words


def test_a_local_process_is_who_it_was(over_tls: OverTls) -> None:
    daemon = over_tls.daemon.start()
    question = {"path": "database/creds/reader", "as": f"tls:san={NAME}"}
    found = daemon.request("PUT", "/v1/leasehold/can-i", question).data
    assert (found["allowed"], found["near"][0]) == (False, f"billing is {NAME} of another issuer")
    question["as"] += f",issuer={over_tls.ca.fingerprint}"
    found = daemon.request("PUT", "/v1/leasehold/can-i", question).data
    assert (found["allowed"], found["identity"]) == (True, "billing")
    assert daemon.request("GET", "/v1/database/creds/reader").data
    assert over_tls.audited("issued")[0]["caller"]["uid"] == os.getuid()


def test_a_token_speaks_over_tls_for_whoever_logged_in_for_it(
    over_tls: OverTls, postgres: PostgresServer
) -> None:
    over_tls.daemon.flags += ("--tls-client-certificates", "optional")
    over_tls.daemon.start()
    by_socket = over_tls.daemon.request("POST", "/v1/auth/unix/login").json["auth"]
    bare = hvac.Client(url=over_tls.url, verify=str(over_tls.ca.file), token="hvs.of-somebody-else")
    assert not bare.is_authenticated(), "there is no kernel whose word would count instead"
    with pytest.raises(hvac.exceptions.InvalidRequest, match="there is no client certificate"):
        bare.adapter.post("/v1/auth/cert/login")
    bare.token = by_socket["client_token"]
    assert bare.auth.token.lookup_self()["data"]["policies"] == ["tests"]
    assert bare.read("database/creds/brief")["data"]["username"] in postgres.accounts()

    answer = over_tls.vault(over_tls.billing).adapter.post("/v1/auth/cert/login")
    bare.token = answer["auth"]["client_token"]
    found = bare.auth.token.lookup_self()["data"]
    assert (found["policies"], found["path"]) == (["billing"], "auth/cert/login")
    account = bare.read("database/creds/reader")["data"]["username"]
    [issued] = [line for line in over_tls.audited("issued") if line["account"] == account]
    assert issued["caller"]["token"] == answer["auth"]["accessor"]
    assert issued["caller"]["who"].startswith(f"tls:san={NAME}")
    bare.auth.token.revoke_self()
    eventually(lambda: account not in postgres.accounts(), what="the lease's end with its token")
    with pytest.raises(hvac.exceptions.Forbidden):
        bare.read("database/creds/reader")
