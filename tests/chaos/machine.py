"""What a report must say of where it was made: commit, machine, disk, versions."""

import os
import platform
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
import redis

from chaos.world import World
from servers.mysql import MysqlServer
from servers.postgres import PostgresServer

SYNCS = 200
ROOT = Path(__file__).resolve().parents[2]


def facts(world: World, folder: Path) -> dict[str, Any]:
    """All that a figure means nothing without."""
    return {
        "commit": _git("rev-parse", "--short", "HEAD"),
        "changed files": len(_git("status", "--porcelain").splitlines()),
        "machine": f"{os.cpu_count()} cores, Linux {platform.release()}",
        "fdatasync_ms": sync_ms(folder),
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "psycopg": psycopg.__version__,
        "redis-py": redis.__version__,
        **{name: _version(server) for name, server in world.servers.items()},
    }


def sync_ms(folder: Path) -> float:
    """How long the disk takes to make 512 bytes durable, at the median."""
    spans = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(SYNCS):
            file.write(b"x" * 512)
            file.flush()
            before = time.perf_counter()
            os.fdatasync(file.fileno())
            spans.append(time.perf_counter() - before)
    return round(sorted(spans)[SYNCS // 2] * 1000, 3)


def _version(server: Any) -> str:
    if isinstance(server, PostgresServer):
        [(version,)] = server.execute("SHOW server_version")
        return f"PostgreSQL {str(version).split()[0]}"
    if isinstance(server, MysqlServer):
        [(version,)] = server.execute("SELECT VERSION()")
        return str(version)
    return f"Redis {server.ask('INFO', 'server')['redis_version']}"


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
