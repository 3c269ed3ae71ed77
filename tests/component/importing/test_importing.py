"""`leasehold import vault`: what it writes of a company's Vault."""

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

from fakes.vault import TOKEN, FakeVault, connection, role
from leasehold.bundle import Bundle
from leasehold.conditions import Circumstances
from leasehold.engines.catalog import installed_engine_types
from leasehold.policy.decide import decide
from leasehold.policy.load import load_bundle

Run = Callable[..., Result]
GOLDEN = Path(__file__).parent / "golden"
SECTIONS = ("access", "engines", "identities", "limits", "roles")
FILES = ["MIGRATION.md", *(f"{name}.yaml" for name in SECTIONS)]


def bundle(out: Path) -> Bundle:
    loaded = load_bundle(out, installed_engine_types(), {})
    assert [problem.line() for problem in loaded.problems] == []
    assert loaded.bundle is not None
    return loaded.bundle


# What is written.


def test_a_company_is_imported_as_it_stands_in_the_golden_files(
    run: Run, vault: FakeVault, out: Path
) -> None:
    result = run(vault.address)
    assert result.exit_code == 0, result.stderr
    assert sorted(path.name for path in out.iterdir()) == FILES
    for name in FILES:
        found = (out / name).read_text().replace(vault.address, "http://vault.test:8200")
        assert found == (GOLDEN / name).read_text(), name


def test_what_is_written_is_valid_and_the_validation_is_shown(
    run: Run, vault: FakeVault, out: Path
) -> None:
    result = run(vault.address)
    made = bundle(out)
    counted = f"valid: {len(made.engines)} engines, {len(made.roles)} roles, "
    assert counted in result.stdout
    assert "database/creds/reader" in result.stdout
    assert "GRANT on tables to each account" in result.stderr


def test_every_identity_matches_nobody_until_it_is_filled_in(
    run: Run, vault: FakeVault, out: Path
) -> None:
    run(vault.address)
    identities = bundle(out).identities.values()
    assert len(identities) == 6
    assert [identity.match for identity in identities] == [()] * 6


def test_nobody_may_do_here_what_the_source_denies_him(
    run: Run, vault: FakeVault, out: Path
) -> None:
    run(vault.address)
    made = bundle(out)

    def may(name: str, path: str, verb: str = "issue") -> bool:
        return decide(made, [made.identities[name]], path, verb, Circumstances(None)).allowed

    assert may("approle-billing", "database/creds/reader")
    assert may("approle-billing", "database/creds/reader", "renew")
    assert not may("approle-billing", "database/creds/admin")
    assert not may("people-ada", "database/creds/admin")
    assert may("people-ada", "team-pg/creds/analyst")
    assert not may("jwt-ci", "database/creds/reader")
    assert may("jwt-ci", "team-pg/creds/analyst")
    assert not may("jwt-ci", "team-pg/creds/analyst", "renew")
    # One of whose policies was not understood gets nothing at all.
    assert "approle-odd" not in made.identities


def test_a_second_import_differs_nowhere(
    run: Run, vault: FakeVault, out: Path, tmp_path: Path
) -> None:
    run(vault.address)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    vault.data = dict(reversed(vault.data.items()))
    assert run(vault.address, "--force").exit_code == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_no_secret_is_written_or_shown(run: Run, vault: FakeVault, out: Path) -> None:
    vault.data["database/config/app"] = connection(
        "postgresql://admin:cleartext@db.internal/app?password=cleartext&application_name=x",
        allowed_roles=["*"],
        details={"password": "cleartext", "private_key": "cleartext", "username": "admin"},
    )
    result = run(vault.address, "--json")
    everything = result.stdout + result.stderr + "".join(p.read_text() for p in out.iterdir())
    assert "cleartext" not in everything
    assert TOKEN not in everything
    assert "url: postgresql://db.internal/app?application_name=x" in everything


def test_json_has_the_notes_and_the_validation(run: Run, vault: FakeVault, out: Path) -> None:
    found = json.loads(run(vault.address, "--json").stdout)
    assert found["files"] == FILES
    assert found["validation"]["valid"] is True
    assert len(found["validation"]["roles"]) == len(bundle(out).roles)
    about = {note["about"]: note["text"] for note in found["notes"]}
    assert "client_certificate" in about["database/roles/keys"]
    assert "under static_roles yourself" in about["database/static-roles/etl"]


def test_a_mount_that_is_named_is_the_only_one(run: Run, vault: FakeVault, out: Path) -> None:
    assert run(vault.address, "--mount", "team/pg/").exit_code == 0
    assert set(bundle(out).engines) == {"app"}
    assert not any("/v1/database/" in path for path in vault.asked())


def test_a_vault_without_anything_is_an_empty_policy(run: Run, vault: FakeVault, out: Path) -> None:
    vault.data = {"sys/mounts": {}, "sys/auth": {}}
    assert run(vault.address).exit_code == 0
    assert bundle(out).roles == {}


def test_what_this_edition_does_not_have_is_not_there(
    run: Run, vault: FakeVault, out: Path
) -> None:
    """As a namespace of OpenBao answers, where the root alone has quotas."""
    for path in ("sys/quotas/rate-limit/", "sys/quotas/lease-count/", "sys/policies/rgp/"):
        vault.data[path] = 400
    assert run(vault.address).exit_code == 0


def test_a_name_that_would_break_out_of_a_comment_does_not(
    run: Run, vault: FakeVault, out: Path
) -> None:
    vault.data["database/config/a\nengines: {}\n# \u202e"] = connection("postgresql://h/d")
    vault.data["database/roles/x\nroles: {}"] = role("a\nengines: {}\n# \u202e")
    assert run(vault.address).exit_code == 0
    assert len(bundle(out).roles) == 6


# How files are treated.


def test_a_directory_that_holds_something_is_left_alone(
    run: Run, vault: FakeVault, out: Path
) -> None:
    out.mkdir()
    (out / "roles.yaml").write_text("mine\n")
    result = run(vault.address)
    assert result.exit_code == 1
    assert "is not empty" in result.stderr
    assert (out / "roles.yaml").read_text() == "mine\n"
    assert vault.requests == []


def test_force_replaces_a_link_and_not_what_it_leads_to(
    run: Run, vault: FakeVault, out: Path
) -> None:
    out.mkdir()
    elsewhere = out.parent / "elsewhere"
    elsewhere.write_text("mine\n")
    (out / "roles.yaml").symlink_to(elsewhere)
    assert run(vault.address, "--force").exit_code == 0
    assert elsewhere.read_text() == "mine\n"
    assert not (out / "roles.yaml").is_symlink()
