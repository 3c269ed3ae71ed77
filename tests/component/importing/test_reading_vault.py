"""How the importer speaks to a server, and how it refuses: one line for each thing, no file."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from fakes.vault import TOKEN, FakeVault, running
from fakes.vault_company import company
from servers.certificates import self_signed

Run = Callable[..., Result]


def refused(result: Result, out: Path) -> list[str]:
    """The lines of a refusal; nothing was written."""
    assert (result.exit_code, result.stdout) == (1, "")
    assert not out.exists()
    return [line.removeprefix("leasehold: ") for line in result.stderr.splitlines()]


# How it is spoken to.


def test_the_token_is_shown_to_nothing_that_is_no_vault(
    run: Run, vault: FakeVault, out: Path
) -> None:
    vault.raw = b"<html>hello"
    [line] = refused(run(vault.address), out)
    assert "is no Vault or OpenBao" in line
    assert TOKEN not in str(vault.requests)


def test_the_token_comes_from_its_file_when_the_variable_is_not_set(
    run: Run, vault: FakeVault, out: Path
) -> None:
    (out.parent / "home" / ".vault-token").write_text(f"{TOKEN}\n")
    assert run(vault.address, VAULT_TOKEN="").exit_code == 0


def test_openbaos_variables_come_first(run: Run, vault: FakeVault, out: Path) -> None:
    result = run("http://nowhere.invalid", BAO_ADDR=vault.address, BAO_NAMESPACE="team")
    assert result.exit_code == 0
    sent = [headers for method, path, headers in vault.requests if "sys/mounts" in path]
    assert all(headers["X-Vault-Namespace"] == "team" for headers in sent)


def test_a_server_that_is_busy_is_asked_again(run: Run, vault: FakeVault, out: Path) -> None:
    vault.busy = 4
    assert run(vault.address).exit_code == 0


def test_a_certificate_is_checked_against_the_authority_that_is_named(
    run: Run, tmp_path: Path, out: Path
) -> None:
    files = self_signed(tmp_path, "localhost")
    with running(FakeVault(company()), tls=files) as vault:
        [line] = refused(run(vault.address), out)
        assert "its certificate is not trusted" in line
        assert "set VAULT_CACERT" in line
        assert vault.requests == []
        assert run(vault.address, VAULT_CACERT=str(files[0])).exit_code == 0


def test_a_certificate_is_shown_where_one_is_asked_for(run: Run, tmp_path: Path, out: Path) -> None:
    files = self_signed(tmp_path, "localhost")
    shown = {"VAULT_CACERT": str(files[0])}
    with running(FakeVault(company()), tls=files, clients=files[0]) as vault:
        refused(run(vault.address, **shown), out)
        shown |= {"VAULT_CLIENT_CERT": str(files[0]), "VAULT_CLIENT_KEY": str(files[1])}
        assert run(vault.address, **shown).exit_code == 0


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"VAULT_CACERT": "/no"}, "VAULT_CACERT: /no: cannot be read (No such file or directory)"),
        ({"VAULT_CACERT": __file__}, f"VAULT_CACERT: {__file__}: is not what it should be, PEM"),
        ({"VAULT_CLIENT_CERT": "/no"}, "VAULT_CLIENT_CERT: /no with no VAULT_CLIENT_KEY: cannot"),
        ({"VAULT_TOKEN": "ö"}, "the token is none"),
    ],
)
def test_a_variable_that_is_wrong_is_named(
    run: Run, out: Path, variables: dict[str, str], words: str
) -> None:
    [line] = refused(run("https://127.0.0.1:1", **variables), out)
    assert line.startswith(words)


def test_a_unix_socket_is_an_address_too(run: Run, tmp_path: Path, out: Path) -> None:
    with running(FakeVault(company()), socket=tmp_path / "vault.sock") as vault:
        assert run(vault.address).exit_code == 0
    assert vault.methods == {"GET"}


# How it refuses.


def test_all_that_the_token_may_not_read_is_told_at_once(
    run: Run, vault: FakeVault, out: Path
) -> None:
    vault.denied = {"database/roles", "sys/policies/acl/bi", "auth/approle/role/billing"}
    assert refused(run(vault.address), out)[:3] == [
        "the token has no read on auth/approle/role/billing",
        "the token has no list on database/roles",
        "the token has no read on sys/policies/acl/bi",
    ]


def test_more_than_twenty_things_are_counted(run: Run, vault: FakeVault, out: Path) -> None:
    vault.denied = {path for path in vault.data if path != "sys/mounts"}
    lines = refused(run(vault.address), out)
    assert len(lines) == 22
    assert lines[20].startswith("and ")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sealed": True}, "is sealed; unseal it"),
        ({"initialized": False}, "was never initialized"),
        ({"location": "https://active.test:8200"}, "sends us on to https://active.test:8200;"),
        ({"busy": 99}, "GET sys/mounts: status 429: request path"),
    ],
)
def test_a_server_that_cannot_be_read_is_one_line(
    run: Run, vault: FakeVault, out: Path, change: dict[str, object], words: str
) -> None:
    for key, value in change.items():
        setattr(vault, key, value)
    [line] = refused(run(vault.address), out)
    assert words in line


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("", "no address; give --address or set VAULT_ADDR"),
        ("vault.test:8200", "the address is none; allowed are https://host:8200"),
        ("http://127.0.0.1:1", "cannot be reached (Connection refused)"),
        ("unix:///nowhere/vault.sock", "cannot be reached (No such file or directory)"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_line(
    run: Run, out: Path, address: str, words: str
) -> None:
    [line] = refused(run(address), out)
    assert words in line


def test_without_a_token_it_says_where_one_belongs(run: Run, out: Path) -> None:
    [line] = refused(run("http://127.0.0.1:1", VAULT_TOKEN=""), out)
    assert line.startswith("no token; set VAULT_TOKEN, or log in so that ")


def test_a_mount_that_is_no_database_is_told_with_those_that_are(
    run: Run, vault: FakeVault, out: Path
) -> None:
    [line] = refused(run(vault.address, "--mount", "consul"), out)
    assert line == "no database engine is mounted at consul; there are database, team/pg"


def test_a_token_over_a_network_in_clear_is_warned_of(run: Run, out: Path) -> None:
    result = run("http://nowhere.invalid:8200")
    assert "warning: the token goes over the network in clear" in result.stderr
