"""hvac, as it is released, over the socket."""

from collections.abc import Iterator

import hvac
import pytest
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, RateLimitExceeded

from clients.unix_requests import session
from servers.daemon import Daemon, eventually
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers

ROLE = "database/creds/app-readonly"


@pytest.fixture
def client(daemon: Daemon) -> Iterator[hvac.Client]:
    with session(daemon.socket) as connection:
        yield hvac.Client(url="http://localhost", session=connection)


def test_a_credential_logs_in_until_its_lease_is_revoked(
    client: hvac.Client, postgres: PostgresServer
) -> None:
    creds = client.secrets.database.generate_credentials("app-readonly")
    login = creds["data"]["username"], creds["data"]["password"]
    assert creds["lease_duration"] == 3600
    assert postgres.can_log_in(*login)
    assert client.sys.revoke_lease(creds["lease_id"]).status_code == 204
    assert not postgres.can_log_in(*login)


def test_a_lease_is_renewed_for_as_long_as_is_asked(client: hvac.Client) -> None:
    lease_id = client.secrets.database.generate_credentials("app-readonly")["lease_id"]
    renewed = client.sys.renew_lease(lease_id, increment=600)
    assert (renewed["lease_id"], renewed["lease_duration"]) == (lease_id, 600)
    assert client.sys.renew_lease(lease_id)["lease_duration"] == 3600


def test_a_lease_can_be_read(client: hvac.Client) -> None:
    lease_id = client.secrets.database.generate_credentials("app-readonly")["lease_id"]
    read = client.sys.read_lease(lease_id)["data"]
    assert (read["id"], read["renewable"]) == (lease_id, True)
    assert 3595 <= read["ttl"] <= 3600


def test_leases_are_listed_with_the_method_list(client: hvac.Client) -> None:
    lease_id = client.secrets.database.generate_credentials("app-readonly")["lease_id"]
    assert client.sys.list_leases(ROLE)["data"]["keys"].count(lease_id.rpartition("/")[2]) == 1
    assert "app-readonly/" in client.sys.list_leases("database/creds")["data"]["keys"]


def many(client: hvac.Client) -> list[tuple[str, str]]:
    made = [client.secrets.database.generate_credentials("many")["data"] for _ in range(3)]
    return [(data["username"], data["password"]) for data in made]


def test_all_below_a_prefix_end_at_once(client: hvac.Client, postgres: PostgresServer) -> None:
    for revoke in (client.sys.revoke_prefix, client.sys.revoke_force):
        logins = many(client)
        assert revoke("database/creds/many").status_code == 204
        assert not any(postgres.can_log_in(*login) for login in logins)


def test_a_token_that_was_made_for_it_takes_its_leases_along(
    client: hvac.Client, daemon: Daemon, postgres: PostgresServer
) -> None:
    made = client.auth.token.create(ttl="10m")["auth"]
    with session(daemon.socket) as connection:
        child = hvac.Client(url="http://localhost", session=connection, token=made["client_token"])
        assert child.is_authenticated()
        [login] = many(child)[:1]
        child.auth.token.revoke_self()
        assert not child.is_authenticated()
    eventually(lambda: not postgres.can_log_in(*login), what="the end of the token's leases")


def test_what_a_token_may_do_is_told_by_its_text_and_by_its_accessor(client: hvac.Client) -> None:
    made = client.auth.token.create(ttl="10m")["auth"]
    own = client.sys.get_capabilities([ROLE])["capabilities"]
    by_text = client.sys.get_capabilities([ROLE], token=made["client_token"])
    by_accessor = client.sys.get_capabilities([ROLE], accessor=made["accessor"])
    assert by_text["capabilities"] == by_accessor["capabilities"] == own
    with pytest.raises((InvalidRequest, Forbidden)):
        client.sys.get_capabilities([ROLE], token="hvs.none")


def test_a_wrapped_credential_is_unwrapped_once(
    client: hvac.Client, postgres: PostgresServer
) -> None:
    wrapped = client.adapter.get(f"/v1/{ROLE}", wrap_ttl="60s")["wrap_info"]
    data = client.sys.unwrap(wrapped["token"])["data"]
    assert postgres.can_log_in(data["username"], data["password"])
    with pytest.raises(InvalidRequest, match="wrapping token is not valid"):
        client.sys.unwrap(wrapped["token"])


def test_health_is_asked_for_with_head_and_with_get(client: hvac.Client) -> None:
    head = client.sys.read_health_status()
    assert (head.status_code, head.content) == (200, b"")
    assert client.sys.read_health_status(method="GET")["sealed"] is False


def test_what_is_looked_at_before_anything_is_done(client: hvac.Client) -> None:
    assert client.sys.is_initialized()
    assert not client.sys.is_sealed()
    assert client.sys.read_leader_status()["ha_enabled"] is False
    assert "database/" in client.sys.list_mounted_secrets_engines()["data"]
    assert "read" in client.sys.get_capabilities([ROLE])["capabilities"]


def test_what_no_rule_allows_is_forbidden_with_the_reason(client: hvac.Client) -> None:
    with pytest.raises(Forbidden) as refused:
        client.secrets.database.generate_credentials("closed")
    assert any("permission denied" in text for text in refused.value.errors)


def test_what_the_caller_can_mend_is_an_invalid_request_with_the_reason(
    client: hvac.Client,
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        client.sys.read_lease(f"{ROLE}/never")
    assert refused.value.errors == ["invalid lease"]


def test_a_renewal_that_failed_is_answered_with_its_reason_and_then_with_a_pause(
    client: hvac.Client,
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        client.sys.renew_lease(f"{ROLE}/over")
    assert refused.value.errors == ["lease not found"]
    with pytest.raises(RateLimitExceeded):
        client.sys.renew_lease(f"{ROLE}/over")


def test_a_path_without_anything_is_an_invalid_path(client: hvac.Client) -> None:
    with pytest.raises(InvalidPath):
        client.sys.list_leases("database/creds/nobody-has-this")
    with pytest.raises(InvalidPath) as refused:
        client.secrets.kv.v1.read_secret("x", mount_point="y")
    assert "no handler for route" in refused.value.errors[0]
