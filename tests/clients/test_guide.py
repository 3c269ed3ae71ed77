"""The guide's listings for Node and Go, as they stand in examples/clients, over TLS with a token.

Hosts and ports are a test's own; the listing in Python runs in integration/test_client_examples.py.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.toolchains import WAIT_S, command, go_program, node_modules
from servers.certificates import Authority
from servers.postgres import PostgresServer

pytestmark = [pytest.mark.servers, pytest.mark.timeout(WAIT_S)]

EXAMPLES = Path(__file__).parents[2] / "examples" / "clients"


@pytest.fixture(scope="module")
def guided(
    postgres: PostgresServer, authority: Authority, by_token: dict[str, str]
) -> Iterator[dict[str, str]]:
    """What the guide takes for granted: a database `mydb`, which is reached by TLS."""
    own = authority.server("postgres")
    postgres.speak_tls(own.certificate_file, own.key_file)
    postgres.execute("CREATE DATABASE mydb", "postgres")
    yield {name: text for name, text in by_token.items() if name not in ("PGHOST", "PGDATABASE")}
    postgres.execute("DROP DATABASE mydb WITH (FORCE)", "postgres")


def queries(*words: str | Path, env: dict[str, str]) -> bool:
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=40)
    assert done.returncode == 0, done.stderr
    return done.stdout.startswith("a query as lh")


def test_the_listing_for_node_runs(guided: dict[str, str], tmp_path: Path) -> None:
    example = EXAMPLES / "node"
    listing = (example / "guide.js").read_text()
    assert "https://localhost:8200" in listing
    program = tmp_path / "guide.js"
    program.write_text(listing.replace("https://localhost:8200", guided["VAULT_ADDR"]))
    more = {
        "NODE_PATH": str(node_modules(example)),
        "NODE_EXTRA_CA_CERTS": guided["VAULT_CACERT"],
    }
    assert queries(command("node"), program, env={**guided, **more})


def test_the_listing_for_go_runs(guided: dict[str, str], tmp_path: Path) -> None:
    build = ("build", "-C", "guide")
    assert queries(go_program(EXAMPLES / "go", tmp_path, *build), env=guided)
