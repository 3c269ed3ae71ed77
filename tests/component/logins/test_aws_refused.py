"""Logins by AWS with one thing wrong: each is refused, and STS hears of what only it can judge."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

pytest.importorskip("botocore", reason="the extra aws is not installed")

from fakes.logging_in import LoggingIn
from fakes.sts import (
    ADA,
    DEPLOY,
    HEADER,
    Key,
    Sts,
    encoded,
    fields,
    headers_of,
    signed,
    with_covered,
    with_headers,
)
from leasehold.errors import Denied

Login = dict[str, Any]


def for_another_service(at: datetime) -> str:
    return headers_of(signed(DEPLOY, at))["Authorization"].replace("/sts/", "/iam/")


Tampering = Callable[[datetime], Login]
REFUSED: dict[str, tuple[Tampering, str]] = {
    "a host that is none of STS": (
        lambda at: signed(DEPLOY, at, host="sts.amazonaws.com.example.org"),
        "its host is none of STS",
    ),
    "another host in the header": (
        lambda at: with_headers(signed(DEPLOY, at), Host="sts.eu-west-1.amazonaws.com"),
        "its header host is another one",
    ),
    "another host in the URL": (
        lambda at: {
            **signed(DEPLOY, at, headers={"Host": None}),
            "iam_request_url": encoded("https://iam.amazonaws.com/"),
        },
        "its host is none of STS",
    ),
    "another port": (
        lambda at: {
            **signed(DEPLOY, at),
            "iam_request_url": encoded("https://sts.amazonaws.com:8443/"),
        },
        "its URL is not https://HOST/",
    ),
    "a user before the host": (
        lambda at: {
            **signed(DEPLOY, at),
            "iam_request_url": encoded("https://sts.amazonaws.com@example.org/"),
        },
        "its URL is not https://HOST/",
    ),
    "no TLS": (
        lambda at: {**signed(DEPLOY, at), "iam_request_url": encoded("http://sts.amazonaws.com/")},
        "its URL is not https://HOST/",
    ),
    "a query": (
        lambda at: {
            **signed(DEPLOY, at),
            "iam_request_url": encoded("https://sts.amazonaws.com/?Action=AssumeRole"),
        },
        "its URL is not https://HOST/",
    ),
    "another method": (lambda at: signed(DEPLOY, at, method="GET"), "it is no POST"),
    "another action": (
        lambda at: signed(DEPLOY, at, body="Action=GetSessionToken&Version=2011-06-15"),
        "its body is not GetCallerIdentity",
    ),
    "another version": (
        lambda at: signed(DEPLOY, at, body="Action=GetCallerIdentity&Version=2012-01-01"),
        "its body is not GetCallerIdentity",
    ),
    "two actions": (
        lambda at: signed(
            DEPLOY, at, body="Action=GetCallerIdentity&Action=AssumeRole&Version=2011-06-15"
        ),
        "its body is not GetCallerIdentity",
    ),
    "one more parameter": (
        lambda at: signed(DEPLOY, at, body="Action=GetCallerIdentity&Version=2011-06-15&RoleArn=x"),
        "its body is not GetCallerIdentity",
    ),
    "a body that is no form": (
        lambda at: signed(DEPLOY, at, headers={"Content-Type": "application/json"}),
        "its body is not said to be a form",
    ),
    "a wrong length": (
        lambda at: with_headers(signed(DEPLOY, at), Content_Length="1"),
        "its content-length is not that of its body",
    ),
    "no server id": (
        lambda at: signed(DEPLOY, at, headers={HEADER: None}),
        "its signature does not cover x-vault-aws-iam-server-id",
    ),
    "a server id that is not signed": (
        lambda at: with_headers(
            signed(DEPLOY, at, headers={HEADER: None}), **{HEADER: "leasehold.example.org"}
        ),
        "its signature does not cover x-vault-aws-iam-server-id",
    ),
    "the server id of another daemon": (
        lambda at: signed(DEPLOY, at, headers={HEADER: "other.example.org"}),
        "it was signed for another server id",
    ),
    "a date that is not signed": (
        lambda at: with_covered(signed(DEPLOY, at), without="x-amz-date"),
        "its signature does not cover x-amz-date",
    ),
    "a host that is not signed": (
        lambda at: with_covered(signed(DEPLOY, at), without="host"),
        "its signature does not cover host",
    ),
    "a session token that is not signed": (
        lambda at: with_headers(signed(ADA, at), X_Amz_Security_Token="x"),
        "its signature does not cover a header of AWS",
    ),
    "a header that was signed and left out": (
        lambda at: with_headers(signed(DEPLOY, at), X_Amz_Security_Token=None),
        "its signature covers a header that was not sent",
    ),
    "a header of another service": (
        lambda at: with_headers(signed(DEPLOY, at), X_Amz_Target="x"),
        "a header is none that may be sent on",
    ),
    "a header in a header": (
        lambda at: with_headers(signed(DEPLOY, at), User_Agent="a\r\nX-Evil: 1"),
        "a header has a value that could be read as another",
    ),
    "a header twice": (
        lambda at: with_headers(signed(DEPLOY, at), host="sts.amazonaws.com"),
        "a header stands twice",
    ),
    "a header with two values": (
        lambda at: fields("POST", "https://sts.amazonaws.com/", "x", {"Host": ["a", "b"]}),
        "a header has not one text",
    ),
    "a signature for another service": (
        lambda at: with_headers(signed(DEPLOY, at), Authorization=for_another_service(at)),
        "its header authorization is no signature for STS",
    ),
    "no signature": (
        lambda at: with_headers(signed(DEPLOY, at), Authorization=None),
        "its header authorization is no signature for STS",
    ),
    "one that is replayed later": (
        lambda at: signed(DEPLOY, at - timedelta(seconds=301)),
        "it was signed too long ago",
    ),
    "one from the future": (
        lambda at: signed(DEPLOY, at + timedelta(seconds=61)),
        "it was signed in the future",
    ),
    "a date that was set forward": (
        lambda at: with_headers(
            signed(DEPLOY, at - timedelta(hours=1)), X_Amz_Date=at.strftime("%Y%m%dT%H%M%SZ")
        ),
        "STS says that the signature is wrong",
    ),
    "no date": (
        lambda at: with_headers(signed(DEPLOY, at), X_Amz_Date="yesterday"),
        "x-amz-date is no instant",
    ),
    "another secret": (
        lambda at: signed(Key(DEPLOY.id, "guessed", DEPLOY.arn, DEPLOY.session), at),
        "STS says that the signature is wrong",
    ),
    "an unknown key": (
        lambda at: signed(Key("AKIANOBODY", "x", DEPLOY.arn), at),
        "STS does not know the key",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_each_defect_is_refused_plainly_and_told_in_the_audit(
    aws: LoggingIn, sts: Sts, name: str
) -> None:
    tampering, reason = REFUSED[name]
    refused, audited = await aws.tried(**tampering(datetime.fromtimestamp(aws.now, UTC)))
    assert isinstance(refused, Denied)
    assert str(refused) == "permission denied"
    assert audited["decision"]["rule"].startswith(reason)
    assert bool(sts.came) == reason.startswith("STS"), "what is wrong in itself is not sent on"
