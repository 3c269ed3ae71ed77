"""How many connections may hold leases, and how a peer that is gone is found."""

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold.api.holds import DEAD_S, EACH, Holds, watch_peer
from leasehold.errors import LimitReached

MOST = 40


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=120))
def test_no_caller_holds_more_than_its_share_and_all_not_more_than_there_is(
    moves: list[tuple[str, bool]],
) -> None:
    holds, inside = Holds(MOST), {name: [] for name in "abcd"}
    for who, comes in moves:
        if comes:
            full = len(inside[who]) == EACH or sum(map(len, inside.values())) == MOST
            try:
                inside[who].append(holds.enter(who))
                assert not full
            except LimitReached:
                assert full
        elif inside[who]:
            inside[who].pop()()


@pytest.mark.parametrize("by_tcp", [True, False])
async def test_a_peer_by_tcp_is_probed_and_one_on_this_host_need_not_be(by_tcp: bool) -> None:
    if by_tcp:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            ours = socket.create_connection(listening.getsockname())
            theirs, _ = listening.accept()
    else:
        ours, theirs = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
    with theirs:
        watch_peer(transport)
        assert bool(ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)) == by_tcp
        if by_tcp:
            idle, every, count, until_ms = (
                ours.getsockopt(socket.IPPROTO_TCP, option)
                for option in (
                    socket.TCP_KEEPIDLE,
                    socket.TCP_KEEPINTVL,
                    socket.TCP_KEEPCNT,
                    socket.TCP_USER_TIMEOUT,
                )
            )
            assert idle + every * count == until_ms / 1000 == DEAD_S == 20
        transport.close()


async def test_a_connection_that_has_ended_is_not_watched() -> None:
    with pytest.raises(OSError, match="has ended"):
        watch_peer(None)
