"""A connection to the MQTT broker: how it is made and left, and what the broker answers.

MQTT 5, or 3.1.1 with a broker that speaks no later one. Certificates are always verified. What
goes wrong is said in one line of our own; nothing of the client library reaches the log.
"""

import asyncio
import contextlib
import logging
import math
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, NoReturn

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from leasehold.errors import Unavailable
from leasehold.events.broker import UNSUPPORTED_VERSION, Broker, reason_of
from leasehold.events.messages import Message

ANSWER_S = 10.0
"""How long the broker may take to answer."""
KEEPALIVE_S = 30
FAREWELL_S = 3.0
"""How long the last words may take, and leaving."""
UNANSWERED_S = 0.1
"""The same when the broker never let us in: aiomqtt then waits for an end that does not come."""
V311, V5 = aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5
Farewell = Callable[[], Awaitable[Sequence[Message]]]
_SILENT = logging.Logger("mqtt", logging.CRITICAL)


class Disconnected(Unavailable):
    """There is no connection to the broker, or there is none any more."""


class _HungUp(aiomqtt.MqttError):
    """The broker ended the connection instead of answering to our CONNECT."""


class _Client(aiomqtt.Client):
    """aiomqtt's client, which also passes on two things that aiomqtt drops.

    The reason in a PUBACK, without which a message that the broker refused would count as published
    (MQTT 5, section 3.4.2.1); and an end of the connection before CONNACK, which is how brokers
    answer to a version that they cannot read. For that aiomqtt would wait in vain.
    """

    reason: ReasonCode | None = None

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason: Any, about: Any) -> None:
        self.reason = reason
        super()._on_publish(client, userdata, mid, reason, about)

    def _on_disconnect(
        self, client: Any, userdata: Any, flags: Any, reason: Any, about: Any = None
    ) -> None:
        if not self._connected.done():
            self._connected.set_exception(_HungUp("it hung up"))
        super()._on_disconnect(client, userdata, flags, reason, about)


class Connection:
    """An open connection, for one message at a time."""

    def __init__(self, broker: Broker, client: _Client, version: aiomqtt.ProtocolVersion) -> None:
        self._broker = broker
        self._client = client
        self._version = version
        self._topic = ""

    async def publish(
        self, message: Message, *, retain: bool = False, within_s: float = ANSWER_S
    ) -> None:
        """Hand over a message with QoS 1; returns when the broker has taken it.

        Raises Disconnected, or Unavailable when the broker refuses the message. MQTT 3.1.1 knows no
        refusal: such a broker takes the message and drops it, or hangs up (MQTT-3.3.5-2).
        """
        about = _about(message, PacketTypes.PUBLISH) if self._version is V5 else None
        self._topic, self._client.reason = message.topic, None
        try:
            # Not aiomqtt's own timeout: before Python 3.12 that is a wait_for, which swallows a
            # cancellation that comes together with the answer.
            async with asyncio.timeout(within_s):
                await self._client.publish(
                    message.topic, message.payload, 1, retain, about, timeout=math.inf
                )
        except TimeoutError as error:
            raise Disconnected(self._broker.silent(within_s)) from error
        except aiomqtt.MqttError as error:
            raise self._lost(error) from error
        if refusal := self._refusal():
            raise Unavailable(refusal)

    async def until_lost(self) -> NoReturn:
        """Wait until the connection is lost, which raises Disconnected."""
        messages = self._client.messages
        try:
            while True:
                await anext(messages)  # none comes, since nothing is subscribed to
        except aiomqtt.MqttError as error:
            raise self._lost(error) from error

    def _lost(self, error: aiomqtt.MqttError) -> Disconnected:
        # A broker may hang up on what it refused, as Mosquitto 2.0.11 does.
        return Disconnected(self._refusal() or self._broker.lost(error))

    def _refusal(self) -> str:
        reason = self._client.reason
        if reason is None or not reason.is_failure:
            return ""
        return self._broker.refused(self._topic, reason)


@contextlib.asynccontextmanager
async def connected(
    broker: Broker, *, will: Message, farewell: Farewell
) -> AsyncIterator[Connection]:
    """A connection with a clean session. Raises Disconnected when there is none.

    The broker publishes `will`, retained, when the connection is lost. We publish what `farewell`
    returns, retained, when we are cancelled, be it while connecting.
    """
    tls = await asyncio.to_thread(ssl.create_default_context) if broker.tls else None
    try:
        version = await _spoken(broker, tls, farewell)
        client = _client(broker, version, tls, will)
        connection = Connection(broker, client, version)
        await _enter(client, connection, farewell)
    except aiomqtt.MqttError as error:
        raise Disconnected(broker.not_connected(error)) from error
    try:
        yield connection
    except asyncio.CancelledError:
        await _say(connection, farewell)
        raise
    finally:
        await _leave(client)


async def _spoken(
    broker: Broker, tls: ssl.SSLContext | None, farewell: Farewell
) -> aiomqtt.ProtocolVersion:
    """The version that the broker speaks, found out by connecting once without a will.

    A broker that cannot read MQTT 5 may misread the length of a will, and wait for the rest of it.
    """
    client = _client(broker, V5, tls)
    try:
        await _enter(client, Connection(broker, client, V5), farewell)
    except _HungUp:
        return V311
    except aiomqtt.MqttError as error:
        reason = reason_of(error)
        if reason is None or reason.value != UNSUPPORTED_VERSION:
            raise
        return V311
    await _leave(client)
    return V5


def _client(
    broker: Broker,
    version: aiomqtt.ProtocolVersion,
    tls: ssl.SSLContext | None,
    will: Message | None = None,
) -> _Client:
    """One for one connection, since paho starts only a client's first session clean."""
    return _Client(
        broker.host,
        broker.port,
        username=broker.user,
        password=None if broker.password is None else broker.password.reveal(),
        logger=_SILENT,
        identifier=broker.client_id,
        protocol=version,
        will=None if will is None else _will(will, version),
        timeout=ANSWER_S,
        keepalive=KEEPALIVE_S,
        tls_context=tls,
    )


def _will(will: Message, version: aiomqtt.ProtocolVersion) -> aiomqtt.Will:
    about = _about(will, PacketTypes.WILLMESSAGE) if version is V5 else None
    return aiomqtt.Will(will.topic, will.payload, 1, True, about)


async def _enter(client: _Client, connection: Connection, farewell: Farewell) -> None:
    """Connect, or leave nothing open. Raises MqttError."""
    opening = asyncio.gather(client.__aenter__())
    opening.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        await asyncio.shield(opening)
    except asyncio.CancelledError:
        # A thread connects and would go on, so its end is awaited all the same.
        await asyncio.wait([opening], timeout=FAREWELL_S)
        if opening.done() and opening.exception() is None:
            await _say(connection, farewell)
        await _leave(client, UNANSWERED_S)
        raise
    except aiomqtt.MqttError:
        await _leave(client, UNANSWERED_S)
        raise


async def _say(connection: Connection, farewell: Farewell) -> None:
    with contextlib.suppress(Unavailable, TimeoutError):
        async with asyncio.timeout(FAREWELL_S):
            words = await farewell()
        for message in words:
            await connection.publish(message, retain=True, within_s=FAREWELL_S)


async def _leave(client: _Client, within_s: float = FAREWELL_S) -> None:
    """Say goodbye and close the socket, which is also there when the broker never answered."""
    client.timeout = within_s
    with contextlib.suppress(aiomqtt.MqttError):
        await client.__aexit__(None, None, None)


def _about(message: Message, packet: int) -> Properties:
    about = Properties(packet)  # type: ignore[no-untyped-call]  # paho's
    about.ContentType = message.content_type
    about.PayloadFormatIndicator = 1  # UTF-8
    return about
