"""The machine, without which no figure means anything."""

import os
import platform
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import psycopg

from bench.report import percentile
from bench.world import World

SYNCS = 300
PAUSE_S = 0.003
"""An issue syncs now and then and not in a loop; a disk and a processor at rest answer later."""


def facts(world: World) -> dict[str, Any]:
    """What was measured on."""
    [(version,)] = world.postgres.execute("SHOW server_version")
    return {
        "machine": f"{os.cpu_count()} cores, {_memory_gb()} GB",
        "system": f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux"
        f" {platform.release().split('-')[0]}",
        "PostgreSQL": str(version).split()[0],
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "psycopg": psycopg.__version__,
        "aiohttp": aiohttp.__version__,
        "fdatasync": _fdatasync(world.folder),
    }


def load() -> str:
    """How busy the machine was in the last one and five minutes."""
    return " ".join(f"{value:.2f}" for value in os.getloadavg()[:2])


def _memory_gb() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _fdatasync(folder: Path) -> str:
    spans = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(SYNCS):
            time.sleep(PAUSE_S)
            os.write(file.fileno(), bytes(512))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            spans.append(time.perf_counter() - began)
    p50, p99 = (percentile(spans, part) * 1000 for part in (0.5, 0.99))
    return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms (512 bytes appended, {SYNCS} times)"
