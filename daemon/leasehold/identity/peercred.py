"""The caller by the kernel's word: SO_PEERCRED and SO_PEERGROUPS of a Unix socket (unix(7)).

Both are fixed when the peer connects (rule I3). Nothing that the peer says about itself counts, and
its pid is for records only, since it may belong to somebody else by now; `process` looks behind it.
"""

import logging
import socket
import struct
from pathlib import Path

from leasehold.model import Caller, PeerSocket

logger = logging.getLogger(__name__)

SO_PEERGROUPS = 59
"""asm-generic/socket.h; Python has no name for it."""
_CREDENTIALS = struct.Struct("iII")
_GROUPS_BYTES = 1024  # the most that Python's getsockopt reads: 256 groups
_WHOLE_RANGE = ["0", "0", "4294967295"]


def attest(sock: PeerSocket) -> Caller:
    """Who is at the other end. Raises OSError when the kernel does not say."""
    found = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(found)
    groups = frozenset({gid, *_supplementary(sock, uid)})
    return Caller(uid=uid, gid=gid, pid=pid, groups=groups, socket=sock)


def _supplementary(sock: PeerSocket, uid: int) -> tuple[int, ...]:
    try:
        found = sock.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, _GROUPS_BYTES)
    except OSError as error:
        # Fewer groups match fewer rules, so this errs to the safe side.
        logger.warning("uid %d: its supplementary groups cannot be read (%s)", uid, error.strerror)
        return ()
    return struct.unpack(f"{len(found) // 4}I", found)


def in_user_namespace() -> bool:
    """Whether uids are mapped here, so that several callers may look like one (rule I2)."""
    try:
        lines = Path("/proc/self/uid_map").read_text().splitlines()
    except OSError:
        return False
    return [line.split() for line in lines] != [_WHOLE_RANGE]
