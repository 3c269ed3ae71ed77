"""Processes of their own that do jobs and say how long each piece took.

A job is a line of JSON on stdin, its answer a line of JSON on stdout. A worker lives as long as the
bench, so that neither side is measured with a cold interpreter.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]


class Worker:
    """A worker, seen from the bench. `module` calls `serve` when it is run."""

    def __init__(self, module: str, **settings: Any) -> None:
        command = [sys.executable, "-m", module, json.dumps(settings)]
        path = [str(TESTS), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))},
        )

    def do(self, job: str, **what: Any) -> Any:
        """Have a job done and return its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([job, what]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the worker ended during {job}; its words stand above")
        return json.loads(answer)

    def close(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


def serve(jobs: Mapping[str, Callable[..., Any]]) -> None:
    """Do what comes on stdin until it ends."""
    for line in sys.stdin:
        job, what = json.loads(line)
        print(json.dumps(jobs[job](**what)), flush=True)


def settings() -> dict[str, Any]:
    """What `Worker` was given."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    return given
