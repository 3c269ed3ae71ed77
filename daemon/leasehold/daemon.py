"""The composition root: build the daemon, start it, wait, stop it in reverse.

Nothing is opened or read from the environment anywhere else. The order of starting is store, clock,
engines, what a crash left behind, loops, socket; systemd hears READY when the socket answers.
Stopping runs the other way: no new requests, drain, loops, store.
"""

import asyncio
import contextlib
import ctypes
import logging
import os
import resource
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from leasehold import failpoints
from leasehold.access import Access
from leasehold.api.server import ApiServer, SocketSpec
from leasehold.background import Background
from leasehold.clock import SystemClock
from leasehold.engines.catalog import installed_engine_types, load_engine_class
from leasehold.engines.registry import Engines
from leasehold.errors import ConfigError, LeaseholdError
from leasehold.events.mqtt import MqttPublisher
from leasehold.expiry import ExpiryWorker
from leasehold.identity.peercred import in_user_namespace
from leasehold.inspection import Inspection
from leasehold.issuance import Issuance
from leasehold.keys.keyfile import load_or_create
from leasehold.leases.names import AccountNames
from leasehold.leases.sqlite import SQLiteStore
from leasehold.model import Event, EventType
from leasehold.removal import Remover
from leasehold.serving import Serving
from leasehold.settings import Settings
from leasehold.systemd import notify

logger = logging.getLogger(__name__)

CLOCK_S = 5.0
ENGINE_CHECK_S = 300.0
_PR_SET_DUMPABLE = 4


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code.

    Raises ConfigError for what leasehold will not run with, PolicyRefused for a broken bundle.
    """
    _harden()
    if path := os.environ.get("LEASEHOLD_FAILPOINTS"):
        failpoints.arm(Path(path))
    if in_user_namespace() and not settings.allow_user_namespace:
        raise ConfigError(
            "running inside a user namespace, where callers cannot be told apart;"
            " run on the host, or set allow_user_namespace when every caller is mapped"
        )
    return asyncio.run(_serve(settings))


def _harden() -> None:
    """Files for nobody else, no core dump, no reading of our memory by our own uid (L3, L4)."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
