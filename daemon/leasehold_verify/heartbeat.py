"""What the broker has retained of the daemon: its heartbeat, or that it is dead."""

import json
import ssl
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from leasehold_verify.finding import Finding, wall_s

CHECK = "heartbeat"
WITHIN_S = 10.0
_MEANS = {
    "dead": "the broker says that the daemon is dead",
    "stopped": "the daemon was stopped",
    "sealed": "the daemon is sealed, so nothing is revoked",
    "quarantined": "the daemon is quarantined, so nothing is revoked",
}


@dataclass(frozen=True, slots=True)
class Beat:
    """What was found, and the last line of the audit that the daemon told, None for none."""

    finding: Finding
    audit_seq: int | None = None


def check_heartbeat(url: str, password_file: Path | None, deployment: str, silent_s: float) -> Beat:
    """Fetch the retained status at the broker `mqtt://[user@]host[:port]`, or `mqtts://`."""
    try:
        text = _retained(url, password_file, f"leasehold/{quote(deployment, safe='')}/status")
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error)
        return Beat(Finding(CHECK, False, f"the broker cannot be asked ({words})"))
    if text is None:
        return Beat(Finding(CHECK, False, f"the broker has no status within {WITHIN_S:g} s"))
    try:
        return _judged(json.loads(text), silent_s)
    except (ValueError, KeyError, TypeError):
        return Beat(Finding(CHECK, False, "the status at the broker is none of leasehold's"))


def _judged(told: dict[str, Any], silent_s: float) -> Beat:
    state, at = told["state"], datetime.fromisoformat(told["time"])
    age_s = wall_s() - at.timestamp()
    seq = (told.get("audit") or {}).get("seq")
    if state in _MEANS:
        return Beat(Finding(CHECK, False, f"{_MEANS[state]} (told {age_s:.0f} s ago)"), seq)
    if age_s > silent_s:
        return Beat(Finding(CHECK, False, f"the last one came {age_s:.0f} s ago; it hangs"), seq)
    if told["overdue"]:
        text = (
            f"{told['overdue']} accounts are overdue, the oldest for {told['oldest_overdue_s']} s"
        )
        return Beat(Finding(CHECK, False, text), seq)
    if told["sweep_lag_s"] > silent_s:
        text = f"the ends of leases have got no further for {told['sweep_lag_s']} s"
        return Beat(Finding(CHECK, False, text), seq)
    return Beat(Finding(CHECK, True, f"{age_s:.0f} s old, {told['live_leases']} live leases"), seq)


def _retained(url: str, password_file: Path | None, topic: str) -> str | None:
    """The message at `topic`, None when there is none. Raises OSError, ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise ValueError("allowed is mqtt://HOST or mqtts://HOST")
    came, text = threading.Event(), list[str]()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    if parts.username:
        secret = password_file.read_text().rstrip("\n") if password_file else None
        client.username_pw_set(unquote(parts.username), secret)
    if parts.scheme == "mqtts":
        client.tls_set_context(ssl.create_default_context())

    def connected(
        client: paho.Client, _data: object, _flags: object, reason: Any, _: object
    ) -> None:
        if reason.is_failure:
            came.set()
        else:
            client.subscribe(topic, 1)

    def arrived(_client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        text.append(message.payload.decode("utf-8", "replace"))
        came.set()

    client.on_connect, client.on_message = connected, arrived
    client.connect(parts.hostname, parts.port or (8883 if parts.scheme == "mqtts" else 1883))
    client.loop_start()
    came.wait(WITHIN_S)
    client.disconnect()
    client.loop_stop()
    return text[0] if text else None
