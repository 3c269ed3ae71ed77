"""The publisher against brokers that are old, mute or absent, and a store that fails."""

import asyncio
import socket
import time
from typing import Any

import pytest

from fakes.brokers import ScriptedBroker, old_broker
from fakes.leases import an_event
from fakes.outbox import FakeOutbox
from fakes.publishing import publishing, soon
from leasehold.clock import SystemClock
from leasehold.errors import ConfigError
from leasehold.events.mqtt import MqttPublisher
from leasehold.secret import Secret
from servers.postgres import free_port


def ids(heard: list[dict[str, Any]]) -> list[str]:
    return [payload["id"] for payload in heard if "id" in payload]


async def test_a_broker_that_speaks_only_mqtt_3_1_1_gets_the_events():
    store = FakeOutbox()
    events = [an_event(number) for number in range(5)]
    store.put(*events[:3])
    async with old_broker() as (port, heard), publishing(store, f"mqtt://127.0.0.1:{port}") as it:
        await soon(lambda: len(ids(heard)) == 3)
        store.put(*events[3:])
        await soon(lambda: not store.waiting)
        assert it.trouble == ""
    assert ids(heard) == [event.id for event in events]
    assert heard[0]["state"] == "online"


async def test_a_broker_that_hangs_up_on_mqtt_5_is_spoken_to_in_3_1_1():
    store, broker = FakeOutbox(), ScriptedBroker(newest=4)
    store.put(an_event())
    async with broker.listening() as url, publishing(store, url):
        await soon(lambda: not store.waiting, within_s=3)
    assert len(broker.events) == 1


async def test_more_events_than_are_read_at_once_go_out_without_a_pause():
    store, broker = FakeOutbox(), ScriptedBroker()
    events = [an_event(number) for number in range(250)]
    store.put(*events)
    async with broker.listening() as url, publishing(store, url):
        await soon(lambda: not store.waiting)
    assert ids(broker.events) == [event.id for event in events]


async def test_a_store_that_cannot_note_what_was_published_makes_no_doubles():
    store = FakeOutbox(failures=2)
    events = [an_event(number) for number in range(3)]
    store.put(*events)
    async with old_broker() as (port, heard), publishing(store, f"mqtt://127.0.0.1:{port}") as it:
        await soon(lambda: "disk full" in it.trouble)
        await soon(lambda: not store.waiting)
        await soon(lambda: it.trouble == "")
    assert ids(heard) == [event.id for event in events]


async def test_the_heartbeat_tells_what_is_overdue_and_where_the_audit_stands():
    async with (
        old_broker() as (port, heard),
        publishing(FakeOutbox(), f"mqtt://127.0.0.1:{port}", deployment="west"),
    ):
        await soon(lambda: heard)
    told = heard[0]
    assert (told["state"], told["deployment"]) == ("online", "west")
    assert (told["overdue"], told["quarantined"], told["live_leases"]) == (2, 1, 3)
    assert told["oldest_overdue_s"] in range(7, 60)
    assert told["sweep_lag_s"] == 0
    assert told["audit"] == {"seq": 17, "mac": "ab" * 32}


async def test_where_the_audit_stands_is_told_at_the_start_and_at_the_stop():
    async with old_broker() as (port, heard):
        async with publishing(FakeOutbox(), f"mqtt://127.0.0.1:{port}"):
            await soon(lambda: len(heard) == 2)
        await soon(lambda: len(heard) == 4)
    online, first, stopped, last = heard
    assert (online["state"], stopped["state"]) == ("online", "stopped")
    for told in (first, last):
        assert (told["seq"], told["mac"], told["deployment"]) == (17, "ab" * 32, "prod")


async def test_an_event_that_is_refused_stays_waits_its_turn_and_is_told():
    store, broker = FakeOutbox(), ScriptedBroker(reason=0x87)
    store.put(an_event(1), an_event(2))
    async with broker.listening() as url, publishing(store, url) as it:
        await soon(lambda: "refused leasehold/prod/lease/issued" in it.trouble)
        await asyncio.sleep(1.5)
        assert "(Not authorized); let our user publish there" in it.trouble
        assert len(store.waiting) == 2
        assert 2 <= len(broker.events) <= 4
        broker.reason = 0
        await soon(lambda: it.trouble == "")
    assert store.waiting == []


async def test_an_event_whose_acknowledgement_was_lost_comes_again_and_no_other():
    store, broker = FakeOutbox(), ScriptedBroker(mute_at=3)
    events = [an_event(number) for number in range(5)]
    store.put(*events)
    async with broker.listening() as url, publishing(store, url):
        await soon(lambda: not store.waiting)
    sent = [event.id for event in (*events[:3], *events[2:])]
    assert ids(broker.events) == sent
    assert broker.events[2] == broker.events[3]


async def test_a_second_daemon_of_our_name_is_told():
    store, broker = FakeOutbox(), ScriptedBroker(goodbye=0x8E)
    store.put(an_event())
    async with broker.listening() as url, publishing(store, url) as it:
        await soon(lambda: "another client took over the id leasehold-prod" in it.trouble)


async def test_a_broker_that_ends_the_connection_over_an_event_is_told_and_not_run_down():
    store, broker = FakeOutbox(), ScriptedBroker(goodbye=0x95)
    store.put(an_event())
    async with broker.listening() as url, publishing(store, url) as it:
        await soon(lambda: "ended the connection (Packet too large)" in it.trouble)
        await asyncio.sleep(2.5)
        assert "Packet too large" in it.trouble
    assert 2 <= len(broker.events) <= 4


async def test_a_broker_that_is_not_there_is_told_in_trouble_and_logged_once(caplog):
    store, port = FakeOutbox(), free_port()
    store.put(an_event())
    async with publishing(store, f"mqtt://127.0.0.1:{port}") as it:
        await soon(lambda: "cannot be reached" in it.trouble)
        await asyncio.sleep(2.5)  # long enough for two further attempts
        assert it.trouble == (
            f"the broker at 127.0.0.1:{port} cannot be reached (Connection refused)"
        )
    assert len(store.waiting) == 1
    assert len([line for line in caplog.messages if "cannot be reached" in line]) == 1


async def test_stopping_does_not_wait_long_for_a_broker_that_never_answers():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        async with publishing(FakeOutbox(), f"mqtt://127.0.0.1:{mute.getsockname()[1]}"):
            await asyncio.sleep(0.3)  # it is connected, and waits for the broker's answer
            begun = time.monotonic()
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("url", "password", "found"),
    [
        ("mqtt://broker:99999", None, "a port from 1 to 65535"),
        ("mqtt://broker:0", None, "a port from 1 to 65535"),
        ("mqtt://a..b", None, "no usable host"),
        ("mqtt://broker", "s3cret", "a password but no user"),
    ],
)
async def test_an_address_that_leads_nowhere_is_refused_at_once(url, password, found):
    with pytest.raises(ConfigError, match=found) as refused:
        MqttPublisher(
            url=url,
            password=password and Secret(password),
            store=FakeOutbox(),
            clock=SystemClock(),
            deployment="prod",
        )
    assert "s3cret" not in str(refused.value)
