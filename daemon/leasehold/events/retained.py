"""What the broker has retained of the audit: the one memory that is not on this host (rule AU4)."""

import asyncio
import contextlib
import logging
import ssl

import aiomqtt

from leasehold.events.broker import Broker
from leasehold.events.checkpoints import parse
from leasehold.events.messages import checkpoint_topic, status_topic
from leasehold.model import AuditHead

logger = logging.getLogger(__name__)

WITHIN_S = 3.0
"""How long the start of the daemon waits for a broker."""
GATHER_S = 1.0
"""How long retained messages may take; a broker does not say that there are none."""
_SILENT = logging.Logger("mqtt", logging.CRITICAL)


async def retained_head(broker: Broker, deployment: str) -> AuditHead | None:
    """The latest line of the audit that the broker knows of, None when it cannot be had."""
    topics = {checkpoint_topic(deployment), status_topic(deployment)}
    heads: list[AuditHead] = []
    try:
        async with asyncio.timeout(WITHIN_S), await _client(broker) as client:
            await client.subscribe([(topic, 1) for topic in sorted(topics)])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GATHER_S):
                    while topics:
                        message = await anext(client.messages)
                        topics.discard(str(message.topic))
                        payload = message.payload
                        text = payload.decode("utf-8", "replace") if _is_bytes(payload) else ""
                        if head := parse(text):
                            heads.append(head)
    except (TimeoutError, aiomqtt.MqttError):
        logger.warning("the broker's checkpoint of the audit could not be had, so it is not asked")
    return max(heads, key=lambda head: head.seq, default=None)


def _is_bytes(payload: object) -> bool:
    return isinstance(payload, bytes)


async def _client(broker: Broker) -> aiomqtt.Client:
    tls = await asyncio.to_thread(ssl.create_default_context) if broker.tls else None
    return aiomqtt.Client(
        broker.host,
        broker.port,
        username=broker.user,
        password=None if broker.password is None else broker.password.reveal(),
        logger=_SILENT,
        identifier=f"{broker.client_id}-start",
        protocol=aiomqtt.ProtocolVersion.V311,  # every broker speaks it, and it is enough here
        timeout=WITHIN_S,
        tls_context=tls,
    )
