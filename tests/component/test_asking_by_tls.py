"""Questions of those, and about those, who are known by a client certificate."""

from dataclasses import replace
from pathlib import Path

import pytest

from fakes.asking import Asking
from fakes.clock import on_virtual_time, virtual_clock
from fakes.policy import IDENTITIES, OPERATOR, a_bundle
from fakes.world import World
from leasehold.bundle import TlsMatch
from leasehold.errors import NotFound
from leasehold.model import Caller, TlsPeer

PATH = "database/creds/reader"


@on_virtual_time
async def test_a_certificate_owns_the_requests_of_its_names_and_issuer(tmp_path: Path) -> None:
    name = "dns:billing.internal"
    peer = Caller.over_tls(TlsPeer((name,), ("a",), serial="1f", address="192.0.2.7"))
    renewed = Caller.over_tls(TlsPeer((name,), ("a",), serial="20", address="192.0.2.8"))
    others = [
        Caller.over_tls(TlsPeer((name,), ("b",))),
        Caller.over_tls(TlsPeer((name, "dns:other"), ("a",))),
        Caller.over_tls(TlsPeer()),
    ]
    async with World(tmp_path, virtual_clock()) as world:
        asking = Asking(world)
        request = await asking.tried(peer, lambda who: world.issue(PATH, caller=who))
        assert (await asking.explain(request, renewed))["caller"] == {
            "who": f"tls:san={name},issuer=a",
            "serial": "1f",
            "address": "192.0.2.7",
        }
        for other in others:
            with pytest.raises(NotFound):
                await asking.explain(request, other)


@on_virtual_time
async def test_a_caller_without_a_certificate_owns_no_request(tmp_path: Path) -> None:
    nobody = Caller.over_tls(TlsPeer(address="192.0.2.7"))
    async with World(tmp_path, virtual_clock()) as world:
        asking = Asking(world)
        request = await asking.tried(nobody, lambda who: world.issue(PATH, caller=who))
        with pytest.raises(NotFound):
            await asking.explain(request, nobody)
        assert (await asking.explain(request))["decision"]["identities"] == []


@on_virtual_time
async def test_an_operator_is_told_which_certificate_comes_near(tmp_path: Path) -> None:
    name, issuer = "dns:billing.internal", "0" * 64
    match = TlsMatch(san=name, issuer=issuer)
    identities = {**IDENTITIES, "holder": replace(IDENTITIES["holder"], match=(match,))}
    async with World(tmp_path, virtual_clock()) as world:
        world.serve(a_bundle(identities=identities))
        asking = Asking(world)
        found = await asking.can(OPERATOR, path=PATH, **{"as": f"tls:san={name},issuer={issuer}"})
        assert (found["allowed"], found["identities"]) == (True, ["holder"])
        found = await asking.can(OPERATOR, path=PATH, **{"as": f"tls:san={name}"})
        assert "holder is dns:billing.internal of another issuer" in found["near"]
        request = await asking.tried(
            Caller.over_tls(TlsPeer(("dns:biling.internal",), (issuer,))),
            lambda who: world.issue(PATH, caller=who),
        )
        note = (await asking.explain(request))["decision"]["note"]
        assert note.startswith("holder is dns:billing.internal; ")
