"""The promise of the events, against a real Mosquitto and a real store (rule AU7)."""

import asyncio
import gc
import json
import re
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from fakes.leases import an_event
from fakes.publishing import publishing, soon
from fakes.relay import Relay
from leasehold.clock import SystemClock
from leasehold.events.audit import FileAudit
from leasehold.events.audit_line import GENESIS
from leasehold.keys.keyfile import load_or_create
from leasehold.leases.sqlite import SQLiteStore
from leasehold.policy.schemas import schema
from servers.certificates import self_signed
from servers.daemon import Daemon, eventually
from servers.mosquitto import MosquittoServer, Subscriber, mosquitto_server

pytestmark = pytest.mark.servers

VALIDATOR = Draft202012Validator(schema("event"))
STATUS = "leasehold/prod/status"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SQLiteStore]:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    key = load_or_create(folder / "key", may_create=True)
    clock = SystemClock()
    made = SQLiteStore(folder, key)
    audit = FileAudit(
        folder / "audit.jsonl", key.derive("audit"), head=GENESIS, wall=clock.wall, boot="test"
    )
    made.start(audit, clock)
    yield made
    await made.close()
    audit.close()


@pytest.fixture
def subscriber(mosquitto: MosquittoServer) -> Iterator[Subscriber]:
    with mosquitto.subscriber() as listening:
        yield listening


async def record(store: SQLiteStore, count: int, first: int = 0) -> list[str]:
    """Write down events; returns their ids."""
    events = [an_event(number) for number in range(first, first + count)]
    await store.record(*events)
    return [event.id for event in events]


async def all_published(store: SQLiteStore) -> None:
    changed = asyncio.Event()
    store.subscribe(changed.set)
    async with asyncio.timeout(30):
        while await store.outbox_size():
            await changed.wait()
            changed.clear()


def first_arrivals(subscriber: Subscriber) -> list[str]:
    """The ids of the events without doubles, each of which must be what the schema says."""
    for message in subscriber.received:
        VALIDATOR.validate(message.payload)
    return list(dict.fromkeys(event["id"] for event in subscriber.events))


def taken(broker: MosquittoServer) -> list[str]:
    """What the broker has got of our events, doubles and all."""
    return re.findall(r"Received PUBLISH from leasehold-prod .*/lease/.*", broker.log())


async def test_each_event_arrives_once_and_in_order(
    mosquitto: MosquittoServer, subscriber: Subscriber, store: SQLiteStore
):
    before = await record(store, 230)
    async with publishing(store, mosquitto.url) as publisher:
        after = await record(store, 20, first=230)
        await soon(lambda: len(subscriber.events) >= 250)
        await all_published(store)
        assert publisher.trouble == ""
    assert [event["id"] for event in subscriber.events] == before + after
    sequences = [int(event["sequence"]) for event in subscriber.events]
    assert sequences == list(range(sequences[0], sequences[0] + 250))
    first_arrivals(subscriber)
    arrived = [message for message in subscriber.received if "/lease/" in message.topic]
    assert {message.content_type for message in arrived} == {"application/cloudevents+json"}
    assert not any(message.retained for message in arrived)


async def test_events_of_an_outage_arrive_in_order_when_the_broker_is_back(
    mosquitto: MosquittoServer, subscriber: Subscriber, store: SQLiteStore
):
    async with publishing(store, mosquitto.url) as publisher:
        ids = await record(store, 3)
        await soon(lambda: len(subscriber.events) == 3)
        mosquitto.stop()
        await soon(lambda: publisher.trouble)
        ids += await record(store, 40, first=3)
        assert await store.outbox_size() == 40
        mosquitto.start()
        await soon(lambda: len(first_arrivals(subscriber)) == 43)
        await soon(lambda: publisher.trouble == "")
    assert first_arrivals(subscriber) == ids
    assert len(taken(mosquitto)) == 43


async def test_a_broker_killed_in_the_stream_gets_what_it_did_not_acknowledge_and_in_order(
    mosquitto: MosquittoServer, subscriber: Subscriber, store: SQLiteStore
):
    ids = await record(store, 500)
    async with publishing(store, mosquitto.url) as publisher:
        await soon(lambda: len(subscriber.events) > 20)
        mosquitto.stop(signal.SIGKILL)
        await soon(lambda: publisher.trouble)
        await asyncio.sleep(1)  # what the broker acknowledged before it died leaves the outbox
        held = [entry.event.id for entry in await store.outbox(500)]
        mosquitto.start()
        await soon(lambda: held[-1] in first_arrivals(subscriber), within_s=60)
    arrived = first_arrivals(subscriber)
    assert len(held) > 0
    assert [id for id in arrived if id in held] == held
    assert arrived == [id for id in ids if id in arrived]


async def test_a_publisher_that_was_stopped_in_the_stream_carries_on_where_it_was(
    mosquitto: MosquittoServer, subscriber: Subscriber, store: SQLiteStore
):
    ids = await record(store, 500)
    async with publishing(store, mosquitto.url):
        await soon(lambda: len(subscriber.events) > 20)
    assert await store.outbox_size() > 0
    async with publishing(store, mosquitto.url):
        await all_published(store)
    await soon(lambda: len(first_arrivals(subscriber)) == 500)
    assert first_arrivals(subscriber) == ids
    assert len(taken(mosquitto)) <= 501


async def test_a_wrong_password_is_told_and_does_not_spin(store: SQLiteStore, caplog):
    ids = await record(store, 1)
    with mosquitto_server(users={"leasehold": "right"}, acl="user leasehold\ntopic #\n") as broker:
        url = f"mqtt://leasehold@127.0.0.1:{broker.port}"
        async with publishing(store, url, password="wr0ng-s3cret") as publisher:
            await soon(lambda: "does not let user leasehold in" in publisher.trouble)
            await asyncio.sleep(2.5)
            assert "mqtt_password_file" in publisher.trouble
        tries = broker.log().count("New connection")
        assert 2 <= tries <= 5
        assert "wr0ng" not in caplog.text + publisher.trouble
        assert len([line for line in caplog.messages if "does not let" in line]) == 1
        with broker.subscriber() as subscriber:
            async with publishing(store, url, password="right"):
                await soon(lambda: first_arrivals(subscriber) == ids)


async def test_an_event_that_the_broker_refuses_stays_and_goes_out_when_it_is_let(
    store: SQLiteStore,
):
    ids = await record(store, 3)
    status_only = f"user reader\ntopic #\nuser leasehold\ntopic {STATUS}\n"
    users = {"reader": "reads", "leasehold": "writes"}
    with mosquitto_server(users=users, acl=status_only) as broker, broker.subscriber() as heard:
        url = f"mqtt://leasehold@127.0.0.1:{broker.port}"
        async with publishing(store, url, password="writes") as publisher:
            await soon(lambda: "refused leasehold/prod/lease/issued" in publisher.trouble)
            await asyncio.sleep(2.5)
            assert "Not authorized" in publisher.trouble
            assert await store.outbox_size() == 3
            assert 1 <= broker.log().count("Denied PUBLISH") <= 5
            broker.allow(status_only + "topic leasehold/#\n")
            await soon(lambda: len(heard.events) == 3)
            await soon(lambda: publisher.trouble == "")
        assert first_arrivals(heard) == ids


async def test_the_broker_says_dead_when_the_daemon_goes_without_a_word(
    mosquitto: MosquittoServer, subscriber: Subscriber, store: SQLiteStore
):
    async with Relay(mosquitto.port) as relay:
        async with publishing(store, f"mqtt://127.0.0.1:{relay.port}"):
            await soon(lambda: subscriber.states == ["online"])
            relay.accepting = False
            relay.cut()
            await soon(lambda: subscriber.states == ["online", "dead"])
            with mosquitto.subscriber(STATUS, name="late") as late:
                await soon(lambda: late.states == ["dead"])
                assert late.received[0].retained
            relay.accepting = True
            await soon(lambda: subscriber.states == ["online", "dead", "online"])
        await soon(lambda: subscriber.states[-1] == "stopped")
    first_arrivals(subscriber)


async def test_an_orderly_stop_is_told_and_kept_for_those_who_come_later(
    mosquitto: MosquittoServer, subscriber: Subscriber, store: SQLiteStore
):
    async with publishing(store, mosquitto.url):
        await soon(lambda: subscriber.states)
    await soon(lambda: subscriber.states == ["online", "stopped"])
    with mosquitto.subscriber(STATUS, name="late") as late:
        await soon(lambda: late.states == ["stopped"])


# paho leaves a socket to the garbage collector when the TLS handshake fails.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_broker_is_believed_only_with_a_certificate_we_trust(
    store: SQLiteStore, tmp_path: Path, monkeypatch
):
    await record(store, 1)
    certificate, key = self_signed(tmp_path, "localhost")
    with mosquitto_server(certificate=certificate, key=key) as broker:
        url = f"mqtts://localhost:{broker.port}"
        async with publishing(store, url) as publisher:
            await soon(lambda: "certificate verify failed" in publisher.trouble)
            assert await store.outbox_size() == 1
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            await all_published(store)
            await soon(lambda: publisher.trouble == "")
        async with publishing(store, f"mqtts://127.0.0.1:{broker.port}") as publisher:
            await soon(lambda: "verify failed: IP address mismatch" in publisher.trouble)
    gc.collect()  # here, where its warnings are passed over


def test_a_daemon_tells_its_leases_and_how_it_ended(
    daemon: Daemon, mosquitto: MosquittoServer, subscriber: Subscriber
):
    daemon.mqtt = mosquitto.url
    daemon.start()
    eventually(lambda: subscriber.states == ["online"], what="online")
    lease_id = daemon.request("GET", "/v1/database/creds/reader").json["lease_id"]
    eventually(lambda: len(subscriber.events) == 1, what="the event")
    daemon.kill()
    eventually(lambda: subscriber.states == ["online", "dead"], what="dead")
    daemon.start()
    daemon.request("PUT", "/v1/sys/leases/revoke", {"lease_id": lease_id})
    eventually(lambda: len(first_arrivals(subscriber)) == 2, what="the second event")
    assert daemon.stop() == 0
    eventually(lambda: subscriber.states == ["online", "dead", "online", "stopped"], what="stopped")
    told = {event["id"]: (event["type"], event["subject"]) for event in subscriber.events}
    assert list(told.values()) == [
        ("leasehold.lease.issued", lease_id),
        ("leasehold.lease.revoked", lease_id),
    ]


def test_the_example_in_the_documentation_is_what_the_schema_says():
    page = Path(__file__).parents[2] / "docs" / "events.md"
    examples = re.findall(r"```json\n(.*?)```", page.read_text(), re.DOTALL)
    assert len(examples) == 4
    for example in examples:
        found: dict[str, Any] = json.loads(example)
        VALIDATOR.validate(found)
