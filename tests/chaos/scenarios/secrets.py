"""Many secrets are issued at debug level, through errors and a kill, and then looked for (T42).

All that leasehold keeps and writes is searched, what the broker had of it, PostgreSQL's log with
every DDL statement in it, the daemon's command line and environment, and what its routes tell.
"""

import time
from collections.abc import Iterator
from pathlib import Path

from chaos.facts import Violation
from chaos.leaks import dresses, leaks
from chaos.stage import Record, Size, Stage
from chaos.trial import Trial
from servers.daemon import UnixConnection
from servers.postgres import PostgresServer

PLAN = "T42"
SECRETS = {Size.SMALL: 30, Size.CI: 300, Size.LONG: 10_000}
TTL_S = 20
FAULT_EVERY = 25
"""One of so many leases is made while something fails."""
FAULTS = (
    {"issue.created": {"action": "raise", "times": 1}},
    {"issue.created": {"action": "defect", "times": 1}},
    {"store.commit": {"action": "full", "times": 1}},
    {"audit.append": {"action": "raise", "times": 1}},
    {"engine.issue.called": {"action": "cancel", "times": 1}},
)
TOLD = ("/v1/sys/health", "/v1/sys/metrics", "/v1/leasehold/status")


def run(stage: Stage) -> Iterator[Record]:
    with stage.trial(flags=("--log-level", "debug")) as trial:
        trial.start()
        count = SECRETS[stage.size]
        for number in range(count):
            if number % FAULT_EVERY == 0:
                trial.daemon.arm(FAULTS[number // FAULT_EVERY % len(FAULTS)])
            if number == count // 2:
                trial.kill()
            engine = stage.world.engines[number % len(stage.world.engines)]
            trial.clients.issue(engine, TTL_S)
        trial.daemon.arm({})
        passwords = [held.password for held in trial.journal.held.values()]
        began = time.monotonic()
        files = [*_kept(trial), *_told(trial, stage.folder / "told")]
        found = [Violation("I9", text) for text in leaks(passwords, files)]
        size = sum(file.stat().st_size for file in files if file.exists())
        forms = len(list(dresses(passwords[0])))
        yield Record(
            {"secrets": len(passwords), "files": len(files), "megabytes": round(size / 2**20, 1)},
            found,
            reached=len(passwords) > count // 2 and _sees(passwords[0], stage.folder),
            figures={"searched": len(passwords), "forms": forms, "files": len(files)}
            | {"found": len(found), "took_s": round(time.monotonic() - began, 1)},
        )
        yield Record.of(trial.settle(), after="the search")


def _kept(trial: Trial) -> Iterator[Path]:
    """What the daemon has below its folder, and what the broker's subscriber had and stored."""
    for folder in (trial.daemon.folder, trial.world.broker.folder):
        yield from (path for path in folder.rglob("*") if path.is_file() and path.name != "key")


def _told(trial: Trial, place: Path) -> Iterator[Path]:
    """What is no file, as files."""
    place.mkdir(exist_ok=True)
    assert trial.daemon.process is not None
    about = Path(f"/proc/{trial.daemon.process.pid}")
    texts = {name: (about / name).read_bytes() for name in ("cmdline", "environ")}
    server = trial.world.servers.get("pg")
    if isinstance(server, PostgresServer):
        texts["PostgreSQL's log"] = server.log().encode()
    for number, route in enumerate(TOLD):
        connection = UnixConnection(trial.daemon.socket, 30)
        connection.request("GET", route)
        texts[f"route {number}"] = connection.getresponse().read()
        connection.close()
    for name, text in texts.items():
        (place / name).write_bytes(text)
        yield place / name


def _sees(secret: str, folder: Path) -> bool:
    """Whether the search finds what was put there for it."""
    planted = folder / "planted"
    planted.write_text(f"a line with {secret} in it")
    return bool(leaks([secret], [planted]))
