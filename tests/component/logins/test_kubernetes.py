"""Logins of Kubernetes service accounts: what the API server says counts, and nothing else."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.clock import FakeClock
from fakes.kubernetes import REVIEWER, ApiServer
from fakes.logging_in import LoggingIn
from fakes.serving_https import Answer
from fakes.world import World
from leasehold.errors import Denied, Invalid, Unavailable
from leasehold.secret import Secret

ACCOUNT = "system:serviceaccount:payments:billing"
MATCH = {"cluster": "prod", "namespace": "payments", "service_account": "billing"}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiServer]:
    made = ApiServer(tmp_path / "api")
    made.tokens["good"] = made.account(ACCOUNT)
    with made.server.running():
        yield made


@pytest.fixture
async def cluster(tmp_path: Path, api: ApiServer) -> AsyncIterator[LoggingIn]:
    async with World(tmp_path, FakeClock()) as world:
        options = api.options(reviewer_token=Secret(REVIEWER))
        yield LoggingIn(world, "kubernetes", options, MATCH)


async def test_a_token_stands_for_its_service_account(cluster: LoggingIn) -> None:
    auth = await cluster.login(jwt="good", role="ci")
    assert auth["policies"] == ["ci"]
    assert auth["metadata"] == {
        "role": "ci",
        "service_account_name": "billing",
        "service_account_namespace": "payments",
        "service_account_uid": "u-1",
    }
    speaker = await cluster.speaker(jwt="good", role="ci")
    assert speaker.who == "kubernetes:cluster=prod,namespace=payments,service_account=billing"


async def test_a_token_may_ask_about_itself(tmp_path: Path, api: ApiServer) -> None:
    async with World(tmp_path, FakeClock()) as world:
        cluster = LoggingIn(world, "kubernetes", api.options(), MATCH)
        assert await cluster.login(jwt="good", role="ci")
        refused, audited = await cluster.tried(jwt="unknown", role="ci")
    assert isinstance(refused, Denied)
    assert audited["decision"]["rule"] == "the API server does not let the token ask about itself"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "not authenticated": ({"authenticated": False}, "the API server does not know the token"),
    "authenticated as text": ({"authenticated": "true"}, "the API server does not know"),
    "an error beside it": ({"error": "expired"}, "the API server does not know the token"),
    "another audience": ({"audiences": ["other"]}, "the token is for another audience"),
    "audiences left out": ({"audiences": None}, "the token is for another audience"),
    "a person": ({"user": {"username": "admin"}}, "the token is of no service account"),
    "a node": ({"user": {"username": "system:node:a:b"}}, "the token is of no service account"),
    "no user": ({"user": None}, "the token is of no service account"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_each_no_is_refused_plainly_and_told_in_the_audit(
    cluster: LoggingIn, api: ApiServer, name: str
) -> None:
    status, reason = REFUSED[name]
    api.tokens["bad"] = api.account(ACCOUNT, **status)
    refused, audited = await cluster.tried(jwt="bad", role="ci")
    assert isinstance(refused, Denied)
    assert str(refused) == "permission denied"
    assert audited["decision"]["rule"].startswith(reason)


async def test_another_namespace_is_another_account(cluster: LoggingIn, api: ApiServer) -> None:
    api.tokens["other"] = api.account("system:serviceaccount:evil:billing")
    refused, audited = await cluster.tried(jwt="other", role="ci")
    assert isinstance(refused, Denied)
    assert "ci has another namespace" in audited["decision"]["note"]


async def test_a_token_that_would_end_its_header_is_not_sent(
    cluster: LoggingIn, api: ApiServer
) -> None:
    refused, _ = await cluster.tried(jwt="good\r\nX-Evil: 1", role="ci")
    assert isinstance(refused, Denied)
    assert not api.server.asked


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=500),
        Answer(status=302, headers={"Location": "/elsewhere"}),
        Answer(status=201, body=b"{}"),
        Answer(status=201, body=b"no JSON"),
        Answer(status=201, body=b" " * 300_000),
    ],
    ids=["failing", "leading elsewhere", "empty", "no JSON", "endless"],
)
async def test_what_is_no_answer_is_no_refusal(
    cluster: LoggingIn, api: ApiServer, answer: Answer
) -> None:
    api.override = answer
    refused, _ = await cluster.tried(jwt="good", role="ci")
    assert isinstance(refused, Unavailable)
    assert api.server.asked.total() == 1, "no redirect is followed"


async def test_what_is_missing_is_told_as_vault_does(cluster: LoggingIn) -> None:
    with pytest.raises(Invalid, match=r"^missing role$"):
        await cluster.login(jwt="good")
    with pytest.raises(Invalid, match=r"^missing jwt$"):
        await cluster.login(role="ci")
