"""A company's Vault, and the command as an operator runs it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fakes.vault import TOKEN, FakeVault, running
from fakes.vault_company import company
from leasehold.cli.main import cli

NAMES = ("ADDR", "TOKEN", "NAMESPACE", "CACERT", "CLIENT_CERT", "CLIENT_KEY")


@pytest.fixture
def vault() -> Iterator[FakeVault]:
    """A company's Vault, and the claim that nothing but GET ever reaches it."""
    with running(FakeVault(company())) as vault:
        yield vault
    assert vault.methods <= {"GET"}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "policies"


@pytest.fixture
def run(out: Path) -> Callable[..., Result]:
    """Import from an address into `out`, with options and variables of the environment."""
    home = out.parent / "home"
    home.mkdir()
    clean = {f"{prefix}_{name}": None for prefix in ("BAO", "VAULT") for name in NAMES}

    def run(address: str, *options: str, **environment: str) -> Result:
        variables = {"HOME": str(home), "VAULT_TOKEN": TOKEN, "VAULT_ADDR": address, **environment}
        return CliRunner().invoke(
            cli,
            ["import", "vault", "--out", str(out), *options],
            env={**clean, **variables},
            catch_exceptions=False,
        )

    return run
