"""Where a daemon is, from options and environment, and when a token goes there."""

from pathlib import Path

import pytest

from leasehold.client.endpoint import DEFAULT_SOCKET, Https, UnixSocket, endpoint_of, find_endpoint
from leasehold.errors import ConfigError
from leasehold.secret import Secret

ADDRESS = "https://leasehold.internal:8200"
EVERYTHING = {
    "LEASEHOLD_ADDR": "unix:///first.sock",
    "LEASEHOLD_SOCKET": "/second.sock",
    "VAULT_ADDR": "unix:///third.sock",
}


def without(*names: str) -> dict[str, str]:
    return {name: text for name, text in EVERYTHING.items() if name not in names}


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        (EVERYTHING, "/first.sock"),
        (without("LEASEHOLD_ADDR"), "/second.sock"),
        (without("LEASEHOLD_ADDR", "LEASEHOLD_SOCKET"), "/third.sock"),
        ({}, str(DEFAULT_SOCKET)),
        ({"LEASEHOLD_ADDR": "", "VAULT_ADDR": ""}, str(DEFAULT_SOCKET)),
    ],
)
def test_the_environment_is_asked_in_one_order(environ: dict[str, str], path: str) -> None:
    assert find_endpoint(environ) == UnixSocket(Path(path))


def test_what_is_given_beats_the_environment() -> None:
    assert find_endpoint(EVERYTHING, socket=Path("/given")) == UnixSocket(Path("/given"))
    assert find_endpoint(EVERYTHING, address="unix:///given") == UnixSocket(Path("/given"))
    assert find_endpoint(EVERYTHING, address="https://given") == Https("given", 443)
    assert endpoint_of(EVERYTHING, Path("/given"), None) == UnixSocket(Path("/given"))


def test_two_places_are_one_too_many() -> None:
    with pytest.raises(ConfigError, match="--address and --socket: both are given"):
        find_endpoint({}, address=ADDRESS, socket=Path("/given"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http://127.0.0.1:8200", "plain HTTP is not served"),
        ("http://leasehold.internal", "plain HTTP is not served"),
        ("leasehold.internal:8200", "allowed are"),
        ("unix://relative/path", "allowed are"),
        ("https://", "allowed are"),
        ("https://host:port", "malformed"),
        ("https://host/v1", "allowed are"),
        ("https://host?x=1", "more than an address"),
        ("ftp://host", "allowed are"),
    ],
)
def test_an_address_of_another_form_is_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        find_endpoint({"VAULT_ADDR": text})
    assert str(refused.value).startswith("VAULT_ADDR: ")
    assert words in str(refused.value)
    assert "allowed are unix:///path and https://host:port" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["https://u:hunter2@host", "https://u:hunter2@host:port"])
def test_a_password_in_an_address_is_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        find_endpoint({}, address=text)
    assert "hunter2" not in str(refused.value)


def test_the_names_of_vault_say_how_tls_is_spoken() -> None:
    found = find_endpoint(
        {
            "VAULT_ADDR": ADDRESS,
            "VAULT_CACERT": "/ca.pem",
            "VAULT_CLIENT_CERT": "/me.pem",
            "VAULT_CLIENT_KEY": "/me.key",
            "VAULT_SKIP_VERIFY": "false",
        }
    )
    assert found == Https(
        "leasehold.internal", 8200, Path("/ca.pem"), Path("/me.pem"), Path("/me.key")
    )


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"VAULT_SKIP_VERIFY": "1"}, "VAULT_SKIP_VERIFY: the daemon's certificate is always"),
        ({"VAULT_CLIENT_CERT": "/me.pem"}, "VAULT_CLIENT_CERT and VAULT_CLIENT_KEY: one is set"),
        ({"VAULT_TOKEN": "two words"}, "VAULT_TOKEN: not a token"),
        ({"LEASEHOLD_TOKEN": "line\nbreak"}, "LEASEHOLD_TOKEN: not a token"),
    ],
)
def test_what_makes_tls_unsound_is_refused(more: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        find_endpoint({"VAULT_ADDR": ADDRESS, **more})


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody with a stored token."""
    file = tmp_path / ".leasehold-token"
    file.write_text("stored\n")
    file.chmod(0o600)
    return {"HOME": str(tmp_path)}


def test_a_token_is_found_in_one_order(home: dict[str, str]) -> None:
    both = {**home, "LEASEHOLD_TOKEN": "ours", "VAULT_TOKEN": "vaults"}
    assert find_endpoint(both, address=ADDRESS).token == Secret("ours")
    assert find_endpoint({**home, "VAULT_TOKEN": "vaults"}, address=ADDRESS).token == Secret(
        "vaults"
    )
    assert find_endpoint(home, address=ADDRESS).token == Secret("stored")
    assert find_endpoint({"HOME": "/nonexistent"}, address=ADDRESS).token is None


def test_over_the_socket_only_a_token_that_is_given_is_sent(home: dict[str, str]) -> None:
    both = {**home, "LEASEHOLD_TOKEN": "ours", "VAULT_TOKEN": "vaults"}
    assert find_endpoint(both).token is None
    assert endpoint_of(both, Path("/s"), Secret("given")).token == Secret("given")
    assert endpoint_of(both, ADDRESS, Secret("given")).token == Secret("given")
    with pytest.raises(ConfigError, match="token: not a token"):
        endpoint_of({}, None, Secret("gi ven"))


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604])
def test_a_stored_token_that_others_can_reach_is_refused(home: dict[str, str], mode: int) -> None:
    file = Path(home["HOME"]) / ".leasehold-token"
    file.chmod(mode)
    with pytest.raises(ConfigError, match=f"{file}: found mode {mode:04o}, allowed is 0600"):
        find_endpoint(home, address=ADDRESS)


def test_a_stored_token_that_is_none_is_refused(home: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / ".leasehold-token"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not a token"):
        find_endpoint(home, address=ADDRESS)
    file.unlink()
    file.mkdir()
    with pytest.raises(ConfigError, match=str(file)):
        find_endpoint(home, address=ADDRESS)


def test_no_endpoint_prints_its_token() -> None:
    for endpoint in (
        UnixSocket(Path("/s"), Secret("hunter2")),
        Https("h", token=Secret("hunter2")),
    ):
        assert "hunter2" not in f"{endpoint!r} {endpoint}"
