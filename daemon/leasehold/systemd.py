"""Telling systemd how we are: the datagram protocol of sd_notify(3). Quiet without systemd."""

import os
import socket
import time


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
