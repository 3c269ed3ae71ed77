"""Schemathesis sends what the OpenAPI document allows, and what it does not, to a real daemon.

Held against the document: no 5xx, no status, type or shape of a reply that it does not have, and
405 for a method that it does not have. Held against the daemon: no defect in its log, and
afterwards it serves. First come the edges of every field, then as many requests at random as
`FUZZ_REQUESTS` says; `make fuzz` says 20,000.
"""

import asyncio
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fakes.relay import Relay
from leasehold.api.openapi import document
from servers.daemon import Daemon

pytestmark = pytest.mark.servers

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "800"))
SEED = os.environ.get("FUZZ_SEED", "1")
SHARE = 1.25
"""How many times its share an operation is asked for, as those of few fields run out of ways."""
PER_SECOND = 10
"""How many requests a slow machine sends, for the test's own deadline."""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
)
KNOWN = {
    "mount": ["database"],
    "operation": ["creds"],
    "role": ["reader", "brief"],
    "name": ["reader", "main", "tests"],
    "path": ["database/reader", "database/creds/reader"],
}
"""Values of places that lead somewhere, so that not all that is sent ends at the door."""
REACHED = {200, 202, 204, 400, 403, 404, 405}
"""What some reply to a thousand requests or more is, at the least."""


def with_known_places() -> dict[str, Any]:
    told = document()
    for sealing in ("/v1/sys/seal", "/v1/leasehold/seal"):
        del told["paths"][sealing]  # one request would end the fuzz
    for item in told["paths"].values():
        for operation in item.values():
            for place in operation["parameters"]:
                if known := KNOWN.get(place["name"]):
                    place["schema"] = {"anyOf": [{"enum": known}, place["schema"]]}
    return told


def statuses(report: Path) -> Counter[int]:
    """How often each status was the reply."""
    found: Counter[int] = Counter()
    for line in report.read_text().splitlines():
        finished = json.loads(line).get("ScenarioFinished")
        sent = finished["recorder"].get("interactions", {}) if finished else {}
        found.update(each["response"]["status_code"] for each in sent.values())
    return found


async def fuzz(daemon: Daemon, folder: Path) -> tuple[int | None, str, Counter[int]]:
    """The exit code of schemathesis, what it said, and the statuses that it saw."""
    told = with_known_places()
    examples = 1 + int(SHARE * REQUESTS / sum(len(item) for item in told["paths"].values()))
    file, report = folder / "openapi.json", folder / "report.ndjson"
    file.write_text(json.dumps(told))
    async with Relay(daemon.socket) as relay:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "run", str(file)),
            *("--url", f"http://127.0.0.1:{relay.port}", "--request-timeout", "30"),
            *("--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing,stateful"),
            *("--max-examples", str(examples), "--seed", SEED, "--continue-on-failure"),
            *("--suppress-health-check", "all"),  # they are about what is generated
            *("--report", "ndjson", "--report-ndjson-path", str(report)),
            *("--no-color", "--warnings", "off"),
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
    return process.returncode, said.decode(), statuses(report)


@pytest.mark.timeout(120 + REQUESTS / PER_SECOND)
async def test_whatever_is_sent_the_reply_is_a_documented_one(
    daemon: Daemon, tmp_path: Path
) -> None:
    await asyncio.to_thread(daemon.start)
    code, said, found = await fuzz(daemon, tmp_path)
    print(f"{found.total()} requests, by status of the reply: {dict(sorted(found.items()))}")
    assert code == 0, said
    assert found.keys() >= REACHED
    assert found.total() > REQUESTS
    log = daemon.log.read_text()
    assert "Traceback" not in log
    assert daemon.request("GET", "/health").status == 200
