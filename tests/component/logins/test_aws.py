"""Logins by AWS: whoever signed the request, if it is that request, of now, and for this daemon."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("botocore", reason="the extra aws is not installed")

from fakes.clock import FakeClock
from fakes.logging_in import LoggingIn
from fakes.serving_https import Answer
from fakes.sts import (
    ADA,
    DEPLOY,
    Key,
    Sts,
    encoded,
    headers_of,
    identity,
    refusal,
    signed,
    with_headers,
)
from fakes.world import World
from leasehold.errors import Denied, Invalid, Unavailable

ACCOUNT = "123456789012"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/deploy"
Login = dict[str, Any]


def now(aws: LoggingIn) -> datetime:
    return datetime.fromtimestamp(aws.now, UTC)


async def test_a_session_stands_for_its_role(aws: LoggingIn) -> None:
    auth = await aws.login(role="ci", **signed(DEPLOY, now(aws)))
    assert auth["policies"] == ["ci"]
    assert auth["metadata"] == {
        "account_id": ACCOUNT,
        "auth_type": "iam",
        "canonical_arn": ROLE_ARN,
        "client_arn": DEPLOY.arn,
        "client_user_id": "AROAEXAMPLE:i-0123456789abcdef0",
    }
    speaker = await aws.speaker(**signed(DEPLOY, now(aws)))
    assert speaker.who == f"aws:account={ACCOUNT},arn={ROLE_ARN},role=deploy"


MATCHES: list[tuple[dict[str, Any], Key]] = [
    ({"account": ACCOUNT, "arn": ADA.arn}, ADA),
    ({"account": ACCOUNT, "globs": {"arn": f"arn:aws:iam::{ACCOUNT}:user/people/*"}}, ADA),
    ({"account": ACCOUNT, "arn": ROLE_ARN}, DEPLOY),
]


@pytest.mark.parametrize(("match", "key"), MATCHES)
async def test_users_and_roles_are_matched_by_their_arn(
    tmp_path: Path, clock: FakeClock, sts: Sts, match: dict[str, Any], key: Key
) -> None:
    async with World(tmp_path, clock) as world:
        aws = LoggingIn(world, "aws", sts.options(), match)
        assert (await aws.login(**signed(key, now(aws))))["policies"] == ["ci"]
        other = ADA if key is DEPLOY else DEPLOY
        refused, _ = await aws.tried(**signed(other, now(aws)))
        assert isinstance(refused, Denied)


async def test_headers_may_be_an_object_with_lists_as_gos_client_has_them(aws: LoggingIn) -> None:
    login = signed(DEPLOY, now(aws), headers={"User-Agent": "x"})
    headers = with_headers(login, User_Agent="unsigned", Accept_Encoding="gzip")
    assert await aws.login(**headers)
    as_lists = {name: [value] for name, value in headers_of(login).items()}
    assert await aws.login(**{**login, "iam_request_headers": as_lists})


async def test_only_what_was_signed_is_sent_on(aws: LoggingIn, sts: Sts) -> None:
    login = with_headers(signed(DEPLOY, now(aws)), amz_sdk_request="attempt=1", Accept="text/html")
    await aws.login(**login)
    [asked] = sts.came
    sent = {name.lower(): value for name, value in asked.headers.items()}
    assert sent["host"] == "sts.amazonaws.com"
    assert "amz-sdk-request" not in sent
    assert sent.get("accept") != "text/html"


def dtd(text: bytes) -> Answer:
    return Answer(body=b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + text)


GOOD = identity(DEPLOY.arn, ACCOUNT).body
NO_ANSWER: dict[str, tuple[Answer, str]] = {
    "failing": (Answer(status=500), "STS answered with status 500"),
    "leading elsewhere": (
        Answer(status=302, headers={"Location": "/"}),
        "STS answered with status 302",
    ),
    "busy": (refusal("Throttling", 400), "STS has no time now (Throttling)"),
    "endless": (Answer(body=GOOD + b" " * 300_000), "answered more than 262144 bytes"),
    "a declaration": (dtd(GOOD), "a document that declares something"),
    "hidden in another encoding": (
        Answer(body=dtd(GOOD).body.decode().encode("utf-16")),
        "something else than XML",
    ),
    "no XML": (Answer(body=b"{}"), "something else than XML"),
    "another document": (Answer(body=b"<a/>"), "something else than a caller's identity"),
    "two identities": (
        Answer(body=GOOD.replace(b"<Arn>", b"<Arn>arn:aws:iam::123456789012:root</Arn><Arn>")),
        "STS answered without one Arn",
    ),
    "nobody": (Answer(body=GOOD.replace(ACCOUNT.encode() + b"</A", b"</A")), "without one Account"),
    "another account": (identity(DEPLOY.arn, "999999999999"), "that contradicts itself"),
    "no ARN": (identity("deploy", ACCOUNT), "that contradicts itself"),
    "an odd refusal": (Answer(status=403, body=b"no"), "something else than XML"),
}


@pytest.mark.parametrize("name", NO_ANSWER)
async def test_what_is_no_answer_is_no_refusal_and_lets_nobody_in(
    aws: LoggingIn, sts: Sts, name: str
) -> None:
    sts.override, words = NO_ANSWER[name]
    refused, audited = await aws.tried(**signed(DEPLOY, now(aws)))
    assert isinstance(refused, Unavailable)
    assert words in str(refused)
    [told] = audited["events"]
    assert (told["event"], told["why"]) == ("no-effect", str(refused))
    assert len(sts.came) == 1, "no redirect is followed"


ODD: dict[str, tuple[str, str]] = {
    "a session without a name": ("sts::123456789012:assumed-role/deploy", "its ARN is that of no"),
    "a session of two": ("sts::123456789012:assumed-role/deploy/a/b", "its ARN is that of no"),
}


@pytest.mark.parametrize("name", ODD)
async def test_an_odd_arn_is_nobodys(aws: LoggingIn, sts: Sts, name: str) -> None:
    arn, reason = ODD[name]
    sts.override = identity(f"arn:aws:{arn}", ACCOUNT)
    refused, audited = await aws.tried(**signed(DEPLOY, now(aws)))
    assert isinstance(refused, Denied)
    assert audited["decision"]["rule"].startswith(reason)


@pytest.mark.parametrize("name", sorted(signed(ADA, datetime(2026, 1, 1, tzinfo=UTC))))
async def test_what_is_missing_or_garbled_is_told(aws: LoggingIn, name: str) -> None:
    login = signed(DEPLOY, now(aws))
    with pytest.raises(Invalid, match=f"^missing {name}$"):
        await aws.login(**{**login, name: None})
    with pytest.raises(Invalid, match=f"^{name}: has 20000 characters; allowed are 16384$"):
        await aws.login(**{**login, name: "A" * 20_000})
    if name != "iam_http_request_method":
        with pytest.raises(Invalid, match=f"^{name}: allowed is base64 of a text$"):
            await aws.login(**{**login, name: "%"})


async def test_headers_that_are_no_object_are_told(aws: LoggingIn) -> None:
    login = {**signed(DEPLOY, now(aws)), "iam_request_headers": encoded("[]")}
    with pytest.raises(Invalid, match=r"^iam_request_headers: allowed is an object"):
        await aws.login(**login)
