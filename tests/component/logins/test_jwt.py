"""Logins with JSON Web Tokens: one that is right in all its parts, and each single defect."""

import math
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("joserfc", reason="the extra jwt is not installed")

from joserfc.jwk import ECKey

from fakes.issuer import Issuer, forger, shared_secret, signed, unsigned
from fakes.logging_in import LoggingIn
from fakes.policy import HOLDER, NOBODY_KNOWN
from leasehold.api.logins import MOST_FAILED
from leasehold.errors import Denied, Invalid, LimitReached
from leasehold.failures import WINDOW_S

HUGE = 10**400
OTHER = ECKey.generate_key("P-256", {"kid": "first"})


async def test_the_token_stands_for_what_the_issuer_signed(ci: LoggingIn, issuer: Issuer) -> None:
    claims = issuer.claims(ci.now, ref="a,b %c", groups=["x", "y"], other="left out")
    auth = await ci.login(jwt=signed(issuer.key, claims))
    assert auth["policies"] == ["ci"]
    speaker = await ci.speaker(jwt=signed(issuer.key, claims), role="ci")
    assert speaker.who == (
        f"jwt:audience=leasehold,claims.groups=x,claims.groups=y,claims.ref=a%2Cb%20%25c,"
        f"claims.repository=acme/app,claims.sub=repo:acme/app,issuer={issuer.url}"
    )
    issued = await ci.world.audited()
    assert speaker.who in [line["caller"].get("who") for line in issued[""] if "caller" in line]


Forge = Callable[[LoggingIn, Issuer], str]


def of(**changes: Any) -> Forge:
    """A token with other claims; a number is seconds from now."""

    def forged(ci: LoggingIn, issuer: Issuer) -> str:
        made = {
            name: ci.now + value if type(value) is int and value < HUGE else value
            for name, value in changes.items()
        }
        return signed(issuer.key, issuer.claims(ci.now, **made))

    return forged


def by(key: Any, **header: Any) -> Forge:
    """A token that another key signed, or with another header."""
    return lambda ci, issuer: signed(key(issuer), issuer.claims(ci.now), **header)


DEFECTS: dict[str, tuple[Forge, str]] = {
    "expired": (of(exp=-61), "the token has expired"),
    "without an end": (of(exp=None), "the claim exp is missing"),
    "early": (of(nbf=61), "the token does not hold yet"),
    "made in the future": (of(iat=61), "the token was made in the future"),
    "an end that is no number": (of(exp="soon"), "the claim exp is not an instant"),
    "an end after all times": (of(exp=1e15), "the claim exp is not an instant"),
    "an end that no float holds": (of(exp=HUGE), "the claim exp is not an instant"),
    "an end that is true": (of(exp=True), "the claim exp is not an instant"),
    "infinity": (of(exp=math.inf), "the claim exp is not an instant"),
    "no number": (of(nbf=math.nan), "the claim nbf is not an instant"),
    "wrong audience": (of(aud=["other"]), "the token is for another audience"),
    "without audience": (of(aud=None), "the token is for another audience"),
    "wrong issuer": (of(iss="https://other.example"), "the token is of another issuer"),
    "wrong key": (by(lambda _: forger()), "the signature is wrong"),
    "a key of another kind": (by(lambda _: OTHER, alg="ES256"), "the issuer has no such key"),
    "key id unknown": (by(lambda it: it.key, kid="second"), "the issuer has no such key"),
    "algorithm none": (
        lambda ci, issuer: unsigned(issuer.claims(ci.now)),
        "it is signed by an algorithm that is not allowed",
    ),
    "HS for RS": (
        lambda ci, issuer: shared_secret(issuer.key, issuer.claims(ci.now)),
        "it is signed by an algorithm that is not allowed",
    ),
    "an algorithm that is not listed": (
        by(lambda it: it.key, alg="RS512"),
        "it is signed by an algorithm that is not allowed",
    ),
    "EC for RSA": (by(lambda it: it.key, alg="PS256"), "it is signed by an algorithm"),
    "claim missing": (of(repository=None), "the claim repository is missing"),
    "claim of another": (of(repository="acme/evil"), "the claim repository is not what"),
    "no token at all": (lambda *_: "not.a.token", "it is no signed JSON Web Token"),
    "signature cut": (
        lambda ci, issuer: signed(issuer.key, issuer.claims(ci.now))[:-4],
        "the signature is wrong",
    ),
}


@pytest.mark.parametrize("name", DEFECTS)
async def test_each_defect_is_refused_plainly_and_told_in_the_audit(
    ci: LoggingIn, issuer: Issuer, name: str
) -> None:
    forge, reason = DEFECTS[name]
    await ci.login(jwt=signed(issuer.key, issuer.claims(ci.now)))
    refused, audited = await ci.tried(jwt=forge(ci, issuer))
    assert isinstance(refused, Denied)
    assert str(refused) == "permission denied"
    assert audited["decision"]["rule"].startswith(reason)
    assert (audited["decision"]["verb"], audited["decision"]["allowed"]) == ("login", False)


async def test_whoever_is_no_identity_gets_no_token(ci: LoggingIn, issuer: Issuer) -> None:
    token = signed(issuer.key, issuer.claims(ci.now, repository="acme/b", ref="main"))
    refused, audited = await ci.tried(jwt=token)
    assert isinstance(refused, Denied)
    assert audited["caller"]["who"].startswith("jwt:")
    assert audited["decision"]["note"] == "ci has another claims.repository"


async def test_a_role_is_an_identity_that_the_login_must_be(ci: LoggingIn, issuer: Issuer) -> None:
    token = signed(issuer.key, issuer.claims(ci.now))
    refused, audited = await ci.tried(jwt=token, role="holder")
    assert isinstance(refused, Denied)
    assert audited["decision"]["rule"] == "the login is not the identity that it asks to be"


async def test_a_role_counts_for_what_the_connection_proves_as_well(ci: LoggingIn) -> None:
    assert (await ci.login(HOLDER, "unix", role="holder"))["policies"] == ["holder"]
    with pytest.raises(Denied):
        await ci.login(HOLDER, "unix", role="operator")


async def test_within_the_leeway_clocks_may_differ(ci: LoggingIn, issuer: Issuer) -> None:
    await ci.login(jwt=signed(issuer.key, issuer.claims(ci.now + 59)))
    await ci.login(jwt=signed(issuer.key, issuer.claims(ci.now - 359)))


async def test_a_proof_that_is_nobodys_is_a_failed_login_too(ci: LoggingIn, issuer: Issuer) -> None:
    nobodys = signed(issuer.key, issuer.claims(ci.now, repository="acme/b"))
    for _ in range(MOST_FAILED):
        assert isinstance((await ci.tried(jwt=nobodys))[0], Denied)
    with pytest.raises(LimitReached):
        await ci.login(jwt=nobodys)


async def test_a_token_that_is_missing_is_told_as_such(ci: LoggingIn) -> None:
    with pytest.raises(Invalid, match=r"^missing token$"):
        await ci.login(role="ci")


async def test_a_peer_whose_logins_fail_has_to_wait(ci: LoggingIn, issuer: Issuer) -> None:
    good = signed(issuer.key, issuer.claims(ci.now))
    for _ in range(MOST_FAILED):
        assert isinstance((await ci.tried(jwt="not.a.token"))[0], Denied)
    with pytest.raises(LimitReached) as limited:
        await ci.login(NOBODY_KNOWN, jwt=good)
    assert limited.value.retry_after_s == WINDOW_S
    ci.world.clock.advance(ms=int(WINDOW_S * 1000))
    assert await ci.login(NOBODY_KNOWN, jwt=good)
