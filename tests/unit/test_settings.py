"""Flags over environment over file over default; every fault at once, with its place."""

from pathlib import Path

import pytest

from leasehold.errors import ConfigError
from leasehold.settings import TlsSettings, load_settings


def faults(flags: dict[str, object], environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load_settings(flags, environ)
    return str(refused.value).splitlines()


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("socket: /file\nstate_dir: /file\nlog_level: error\n")
    environ = {
        "LEASEHOLD_CONFIG": str(file),
        "LEASEHOLD_SOCKET": "/environment",
        "LEASEHOLD_STATE_DIR": "/environment",
    }
    settings = load_settings({"socket": "/flag", "state_dir": None}, environ)
    assert str(settings.socket) == "/flag"
    assert str(settings.state_dir) == "/environment"
    assert settings.log_level == "error"
    assert settings.log_format == "text"
    assert settings.key_file == Path("/environment/key")


def test_the_defaults_are_those_of_a_packaged_service() -> None:
    settings = load_settings({}, {})
    assert (str(settings.policies), str(settings.state_dir), str(settings.socket)) == (
        "/etc/leasehold/policies",
        "/var/lib/leasehold",
        "/run/leasehold/leasehold.sock",
    )
    assert settings.socket_mode == 0o660
    assert settings.mqtt is None


def test_all_faults_are_told_with_what_was_found_and_what_is_allowed(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("sockett: /x\nlog_level: loud\nlog_level: info\nsocket: relative\n")
    found = faults({"config": file, "drain_s": "soon"}, {"LEASEHOLD_SOCKET_MODE": "rw"})
    assert found == [
        f"{file}:3:1: log_level: stands twice; remove one",
        f"{file}:1:1: sockett: no such setting; did you mean socket?",
        f"{file}:2:1: log_level: found 'loud'; allowed is debug, info, warning or error",
        f"{file}:4:1: socket: found 'relative'; allowed is an absolute path",
        "environment LEASEHOLD_SOCKET_MODE: socket_mode: found 'rw';"
        " allowed is an octal mode such as 0660",
        "--drain-s: drain_s: found 'soon'; allowed is seconds from 0 to 300",
    ]


def test_a_password_in_the_broker_url_is_refused_and_not_shown() -> None:
    [line] = faults({"mqtt": "mqtt://user:hunter2@broker"}, {})
    assert "hunter2" not in line
    assert "mqtt_password_file" in line


def test_a_relative_path_of_a_flag_starts_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings({"socket": "a.sock"}, {}).socket == tmp_path / "a.sock"
    assert load_settings({"policies": "policies"}, {}).policies == f"{tmp_path}/policies"


def test_the_address_of_a_repository_is_no_path(tmp_path: Path) -> None:
    address = "git+https://host/policy.git?path=a#main"
    assert load_settings({"policies": address}, {}).policies == address
    file = tmp_path / "settings.yaml"
    file.write_text("policies: policies\n")
    [line] = faults({"config": file}, {})
    assert "allowed is an absolute path, or an address such as git+https://" in line


def test_a_token_in_clear_is_refused_and_not_shown() -> None:
    [line] = faults({}, {"LEASEHOLD_GIT_TOKEN": "hunter2"})
    assert "hunter2" not in line
    assert "allowed is a reference" in line


def test_a_path_that_ssh_would_take_apart_is_refused() -> None:
    [line] = faults({"git_ssh_key_file": "/a b"}, {})
    assert "allowed is an absolute path without blanks" in line


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff", "not UTF-8"),
        (b"- a\n", "allowed is a map of settings"),
        (b"a: [\n", "not YAML"),
        (b"socket: {a: b}\n", "allowed is one value a setting"),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_bytes(content)
    [line] = faults({"config": file}, {})
    assert line.startswith(str(file))
    assert words in line


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("# nothing yet\n")
    assert load_settings({"config": file}, {}) == load_settings({}, {})


TLS = {
    "tls_listen": "[::1]:8200",
    "tls_certificate_file": "/c",
    "tls_key_file": "/k",
    "tls_client_ca_file": "/a",
}


def test_the_tls_listener_is_off_and_has_its_settings_together() -> None:
    assert load_settings({}, {}).tls is None
    assert load_settings(TLS, {}).tls == TlsSettings(
        address="::1",
        port=8200,
        certificate_file=Path("/c"),
        key_file=Path("/k"),
        client_ca_file=Path("/a"),
        client_certificates="required",
    )


def test_half_a_tls_listener_is_refused() -> None:
    alone = {"tls_listen": "127.0.0.1:8200", "tls_key_file": "/k"}
    assert faults(alone, {}) == [
        "tls_listen: needs tls_certificate_file too",
        "tls_listen: needs tls_client_ca_file too",
    ]
    assert faults({"tls_client_ca_file": "/a"}, {}) == [
        "tls_client_ca_file: does nothing without tls_listen; set that too, or remove it"
    ]


@pytest.mark.parametrize(
    "place", ["8200", ":8200", "localhost:8200", "127.0.0.1", "::1:8200", "[::1]", "0.0.0.0:70000"]
)
def test_a_place_to_listen_is_an_address_and_a_port(place: str) -> None:
    [line] = faults({**TLS, "tls_listen": place}, {})
    assert f"found '{place}'; allowed is an address and a port, such as 127.0.0.1:8200" in line
