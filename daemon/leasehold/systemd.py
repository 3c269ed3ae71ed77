"""Telling systemd how we are: the datagram protocol of sd_notify(3). Quiet without systemd."""

import asyncio
import os
import socket
import time
from collections.abc import Callable
from typing import NoReturn


def reloading() -> tuple[str, str]:
    """What begins a reload (Type=notify-reload, systemd.service(5)); READY=1 ends it."""
    return "RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}"


def notify(*lines: str) -> None:
    """Send `READY=1`, `STOPPING=1`, `STATUS=…` and the like to the socket that systemd named."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.settimeout(1)
        sender.sendto("\n".join(lines).encode(), address)


def watchdog_s() -> float | None:
    """How long systemd waits for a sign of life (`WatchdogSec=`), None when it does not.

    As sd_watchdog_enabled(3): what was meant for another process does not count.
    """
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID")
    if not usec.isdecimal() or int(usec) == 0 or pid not in (None, str(os.getpid())):
        return None
    return int(usec) / 1e6


async def feed_watchdog(within_s: float, lag_s: Callable[[], float]) -> NoReturn:
    """Give a sign of life as long as `lag_s` is less than systemd waits; never returns.

    A loop that is blocked gives none, and neither does one whose work has got stuck (rule Z1).
    """
    while True:
        if lag_s() < within_s:
            notify("WATCHDOG=1")
        await asyncio.sleep(within_s / 4)
