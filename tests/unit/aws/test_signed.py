"""Which hosts are asked, and who an ARN is: read strictly, whatever else it looks like."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold.plugin import LoginRefused, LoginUnavailable
from leasehold_plugins.auth_aws.answer import CallerIdentity
from leasehold_plugins.auth_aws.principal import principal_of
from leasehold_plugins.auth_aws.signed import SERVER_ID, Signed, headers_of, read

HEADERS = {
    "content-type": "application/x-www-form-urlencoded",
    "x-amz-date": "20260101T000000Z",
    SERVER_ID: "me",
    "authorization": "AWS4-HMAC-SHA256 Credential=AKIAADA/20260101/us-east-1/sts/aws4_request,"
    f" SignedHeaders=host;x-amz-date;{SERVER_ID}, Signature={'0' * 64}",
}
BODY = "Version=2011-06-15&Action=GetCallerIdentity"
ACCOUNT = "123456789012"


def at(url: str, also: str | None = None) -> Signed:
    return read(method="POST", url=url, body=BODY, headers=HEADERS, also=also)


@pytest.mark.parametrize(
    "host",
    [
        "sts.amazonaws.com",
        "sts.eu-central-1.amazonaws.com",
        "sts.ap-southeast-5.amazonaws.com",
        "sts.us-gov-west-1.amazonaws.com",
        "sts-fips.us-east-1.amazonaws.com",
        "sts.cn-north-1.amazonaws.com.cn",
    ],
)
def test_sts_is_asked_wherever_aws_has_it(host: str) -> None:
    for url in (f"https://{host}/", f"https://{host}", f"https://{host}:443/"):
        assert at(url).host == host


@pytest.mark.parametrize(
    "host",
    [
        "amazonaws.com",
        "iam.amazonaws.com",
        "sts.amazonaws.com.evil.example",
        "evil-sts.amazonaws.com",
        "sts.amazonaws.com.",
        "stsxamazonaws.com",
        "sts.bucket.s3.amazonaws.com",
        "sts.eu-central-1.amazonaws.co",
        "sts.eu-central-1.elb.amazonaws.com",
        "127.0.0.1",
        "localhost",
    ],
)
def test_nobody_else_is_asked(host: str) -> None:
    with pytest.raises(LoginRefused, match=r"^its host is none of STS$"):
        at(f"https://{host}/")


@given(st.text(max_size=60))
def test_no_url_leads_anywhere_but_to_sts(text: str) -> None:
    for url in (text, f"https://{text}", f"https://sts.amazonaws.com{text}", f"https://{text}/"):
        try:
            host = at(url, also="vpce.internal").host
        except LoginRefused:
            continue
        assert re.fullmatch(r"sts[a-z0-9.-]*\.amazonaws\.com(\.cn)?|vpce\.internal", host)


def test_the_endpoint_of_the_policy_counts_as_sts() -> None:
    assert at("https://vpce.internal/", also="vpce.internal").host == "vpce.internal"


@given(st.integers(min_value=-1_000, max_value=1_000))
def test_a_request_holds_from_a_minute_before_its_date_until_it_is_too_old(late_s: int) -> None:
    now = datetime.fromtimestamp(datetime(2026, 1, 1, tzinfo=UTC).timestamp() + late_s, UTC)
    sent = at("https://sts.amazonaws.com/")
    if -60 <= late_s <= 300:
        sent.check("me", now, 300)
    else:
        with pytest.raises(LoginRefused):
            sent.check("me", now, 300)


@given(st.dictionaries(st.text(max_size=20), st.one_of(st.text(max_size=20), st.integers())))
def test_headers_that_are_taken_are_known_and_of_one_line(given_headers: dict[str, object]) -> None:
    try:
        found = headers_of({**given_headers, "Host": "h"})
    except LoginRefused:
        return
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in found)
    assert all(value.isascii() and (value.isprintable() or not value) for value in found.values())


def test_a_header_that_stands_twice_in_json_is_refused() -> None:
    with pytest.raises(LoginRefused, match="a header stands twice"):
        headers_of('{"Host": "sts.amazonaws.com", "Host": "sts.eu-west-1.amazonaws.com"}')


SAID = [
    ("arn:aws:iam::123456789012:user/ada", "arn:aws:iam::123456789012:user/ada", None, "ada"),
    ("arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:root", None, "root"),
    (
        "arn:aws-cn:sts::123456789012:assumed-role/deploy/me@x",
        "arn:aws-cn:iam::123456789012:role/deploy",
        "deploy",
        "deploy",
    ),
    (
        "arn:aws:sts::123456789012:federated-user/bob",
        "arn:aws:sts::123456789012:federated-user/bob",
        None,
        "bob",
    ),
]


@pytest.mark.parametrize(("arn", "canonical", "role", "short"), SAID)
def test_a_session_is_its_role_and_all_others_are_themselves(
    arn: str, canonical: str, role: str | None, short: str
) -> None:
    who = principal_of(CallerIdentity(ACCOUNT, arn, "AIDAX"))
    assert (who.arn, who.role, who.short) == (canonical, role, short)


@given(st.text(max_size=40))
def test_no_name_of_a_session_makes_it_another_role(session: str) -> None:
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/{session}"
    try:
        who = principal_of(CallerIdentity(ACCOUNT, arn, "AROAX:s"))
    except (LoginRefused, LoginUnavailable):
        return
    assert (who.role, who.arn) == ("deploy", f"arn:aws:iam::{ACCOUNT}:role/deploy")
