"""The state directory: its modes, its lock, its database file and the migrations."""

import contextlib
import fcntl
import os
import sqlite3
import stat
from functools import partial
from importlib.resources import files
from pathlib import Path

from leasehold.errors import ConfigError, Unavailable
from leasehold.failpoints import hit
from leasehold.leases.tokens import Token
from leasehold.model import Lease
from leasehold.places import check_ancestors, check_private

DATABASE = "leases.db"
RESERVE = "reserve"
LOCK = "lock"
FILES = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", LOCK, RESERVE)
"""What the store has in the state directory."""
RESERVE_BYTES = 16 << 20
"""Kept back so that revocations can still be written on a full disk (rule D1)."""
FLOOR_BYTES = 64 << 20
"""Below this much free space no new lease is written."""
LOG_PAGES = 8_000
"""How long SQLite's log may grow, in pages of 4 KiB, when the writer finds no time to merge it."""
_MAKING = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
THINGS = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL"
_MOUNTS = Path("/proc/self/mounts")
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "afs"}


def check_room(old: Lease | Token | None, new: Lease | Token, *, full: bool) -> None:
    """Raise Unavailable for what would live longer than before, on a disk that is nearly full.

    What is left of the disk is for ending leases (rule D1).
    """
    if full and (old is None or new.expires_ms > old.expires_ms):
        raise Unavailable("the disk of the state directory is nearly full; free some space")


def prepare(state_dir: Path) -> None:
    """Make the state directory, or refuse one that others may read, or could have put something
    into, or that is on the network.

    Raises ConfigError with the command that mends it.
    """
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = state_dir.stat()
    except OSError as error:
        raise ConfigError(f"{state_dir}: cannot be used ({error.strerror})") from error
    if info.st_uid != os.geteuid():
        raise ConfigError(f"{state_dir}: belongs to uid {info.st_uid}, not to us; chown it")
    if info.st_mode & 0o077:
        mode = stat.S_IMODE(info.st_mode)
        raise ConfigError(f"{state_dir}: has mode {mode:04o}; run chmod 0700 {state_dir}")
    check_ancestors(state_dir, "state directory")
    for name in FILES:
        check_private(state_dir / name)
    kind = filesystem(state_dir.resolve())
    if kind in _NETWORK:
        raise ConfigError(f"{state_dir}: is on {kind}; SQLite needs a local filesystem")


def lock(state_dir: Path) -> int:
    """Claim the directory for this process; returns the descriptor that holds the lock.

    Raises ConfigError when another daemon serves it.
    """
    handle = os.open(state_dir / LOCK, _MAKING, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
        os.close(handle)
        raise ConfigError(
            f"{state_dir}: another leasehold (pid {holder}) serves this state directory; stop it,"
            " or give this one a directory of its own"
        ) from None
    os.truncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode())
    return handle


def make(path: Path) -> None:
    """Make an empty database, unless there is a file.

    SQLite would make one for all whom the umask allows; its other files get the mode of this one.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, _MAKING | os.O_EXCL, 0o600))


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection with the durability that the promise needs (rule W2)."""
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=5)
    db.row_factory = sqlite3.Row
    # A damaged text must fail its own row's MAC, not the whole query.
    db.text_factory = partial(str, encoding="utf-8", errors="replace")
    db.execute("PRAGMA synchronous = FULL")
    if not read_only:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
    return db


def is_harm(error: sqlite3.Error) -> bool:
    """Whether SQLite found its file damaged, and not only that it cannot be used just now."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_CORRUPT


def migrate(db: sqlite3.Connection) -> None:
    """Bring the tables to what this code knows. Raises ConfigError for tables that are newer."""
    scripts = _scripts()
    [done] = db.execute("PRAGMA user_version").fetchone()
    if done > len(scripts):
        raise ConfigError(
            f"the store has version {done}, this leasehold knows {len(scripts)}; upgrade leasehold"
        )
    for number, text in enumerate(scripts[done:], done + 1):
        db.executescript(f"BEGIN IMMEDIATE; {text} PRAGMA user_version = {number};")
        hit("store.migrating")
        db.execute("COMMIT")
        hit("store.migrated")


def things() -> set[tuple[str, str, str]]:
    """What `THINGS` finds in a store that is as it should be."""
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        for text in _scripts():
            db.executescript(text)
        return set(db.execute(THINGS))


def _scripts() -> list[str]:
    folder = files("leasehold.leases") / "migrations"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(folder / name).read_text() for name in names]


def free_bytes(state_dir: Path) -> int:
    """What an unprivileged writer may still use of the filesystem."""
    info = os.statvfs(state_dir)
    return info.f_bavail * info.f_frsize


def keep_reserve(state_dir: Path) -> bool:
    """Have the reserve file, when there is room for it; returns whether it is there.

    Without it the daemon runs all the same.
    """
    path = state_dir / RESERVE
    if not path.exists() and free_bytes(state_dir) >= FLOOR_BYTES + RESERVE_BYTES:
        _make_reserve(path)
    return path.exists()


def _make_reserve(path: Path) -> None:
    with contextlib.suppress(OSError):
        handle = os.open(path, _MAKING, 0o600)
        try:
            os.posix_fallocate(handle, 0, RESERVE_BYTES)
        except OSError:
            path.unlink(missing_ok=True)
        finally:
            os.close(handle)


def release_reserve(state_dir: Path) -> None:
    """Give the reserve up, so that a revocation can be written."""
    with contextlib.suppress(OSError):
        (state_dir / RESERVE).unlink(missing_ok=True)


def filesystem(path: Path, mounts: Path = _MOUNTS) -> str:
    """The type of the filesystem that holds `path`, by the longest mount point above it.

    Others may mount at a place of any name, so a name need not be text.
    """
    best, kind = "", ""
    with contextlib.suppress(OSError):
        for line in mounts.read_text(errors="surrogateescape").split("\n"):
            point, found = (*line.split(" "), "", "", "")[1:3]
            inside = str(path) == point or str(path).startswith(point.rstrip("/") + "/")
            if point and inside and len(point) >= len(best):
                best, kind = point, found
    return kind
