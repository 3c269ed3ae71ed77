"""Logins with JSON Web Tokens: one that is right in all its parts, and each single defect."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("joserfc", reason="the extra jwt is not installed")

from joserfc.jwk import ECKey, RSAKey

from fakes.clock import FakeClock
from fakes.issuer import CONFIGURATION, Issuer, rsa_key, shared_secret, signed, unsigned
from fakes.logging_in import LoggingIn
from fakes.policy import HOLDER, NOBODY_KNOWN
from fakes.world import World
from leasehold.api.logins import MOST_FAILED
from leasehold.errors import ConfigError, Denied, Invalid, LimitReached, Unavailable
from leasehold.failures import WINDOW_S
from leasehold.methods.catalog import load_method_class
from leasehold.methods.registry import Methods

OTHER = ECKey.generate_key("P-256", {"kid": "first"})
MATCH = {"claims": {"repository": "acme/app"}}


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    made = Issuer(tmp_path / "issuer")
    with made.server.running():
        yield made


@pytest.fixture
async def ci(tmp_path: Path, issuer: Issuer) -> AsyncIterator[LoggingIn]:
    options = issuer.options(
        claims=["repository", "ref", "groups"], bound_claims={"repository": ["acme/app", "acme/b"]}
    )
    async with World(tmp_path, FakeClock()) as world:
        yield LoggingIn(world, "jwt", options, {"issuer": issuer.url, **MATCH})


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


def forger() -> Any:
    """A key that has the issuer's name and is another."""
    return RSAKey.import_key({**rsa_key("forger").as_dict(private=True), "kid": "first"})


Forge = Callable[[LoggingIn, Issuer], str]


def of(**changes: Any) -> Forge:
    """A token with other claims; a number is seconds from now."""

    def forged(ci: LoggingIn, issuer: Issuer) -> str:
        made = {
            name: ci.now + value if isinstance(value, int) else value
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


async def test_a_new_key_is_found_at_once_but_looked_for_once_a_minute(
    ci: LoggingIn, issuer: Issuer
) -> None:
    await ci.login(jwt=signed(issuer.key, issuer.claims(ci.now)))
    second = rsa_key("second")
    issuer.published.append(second)
    token = signed(second, issuer.claims(ci.now))
    for _ in range(3):
        await ci.tried(jwt=token)
    assert issuer.server.asked["/keys"] == 1, "a minute has not passed since the last look"
    ci.world.clock.advance(s=60)
    assert (await ci.login(jwt=token))["accessor"]
    await ci.tried(jwt=signed(rsa_key("forger"), issuer.claims(ci.now)))
    assert issuer.server.asked["/keys"] == 2


async def test_an_issuer_that_is_away_is_told_and_its_keys_count_for_an_hour(
    ci: LoggingIn, issuer: Issuer
) -> None:
    issuer.away = True
    token = signed(issuer.key, issuer.claims(ci.now))
    refused, audited = await ci.tried(jwt=token)
    assert isinstance(refused, Unavailable)
    assert "the issuer answered with status 503" in audited["events"][-1]["why"]
    issuer.away = False
    ci.world.clock.advance(s=60)
    await ci.login(jwt=token)
    issuer.away = True
    ci.world.clock.advance(s=3_599)
    await ci.login(jwt=signed(issuer.key, issuer.claims(ci.now)))
    ci.world.clock.advance(s=1)
    token = signed(issuer.key, issuer.claims(ci.now))
    assert isinstance((await ci.tried(jwt=token))[0], Unavailable)


async def hang_up(ci: LoggingIn, issuer: Issuer, token: str) -> None:
    """Log in, and give up while the issuer is asked."""
    issuer.asked.clear()
    issuer.answers.clear()
    async with asyncio.TaskGroup() as group:
        login = group.create_task(ci.login(jwt=token))
        await asyncio.to_thread(issuer.asked.wait, 10)
        login.cancel()
    issuer.answers.set()


async def test_a_proof_that_is_nobodys_is_a_failed_login_too(ci: LoggingIn, issuer: Issuer) -> None:
    nobodys = signed(issuer.key, issuer.claims(ci.now, repository="acme/b"))
    for _ in range(MOST_FAILED):
        assert isinstance((await ci.tried(jwt=nobodys))[0], Denied)
    with pytest.raises(LimitReached):
        await ci.login(jwt=nobodys)


async def test_who_hangs_up_locks_nobody_out_and_cannot_do_so_for_ever(
    ci: LoggingIn, issuer: Issuer
) -> None:
    token = signed(issuer.key, issuer.claims(ci.now))
    for _ in range(MOST_FAILED - 1):
        await hang_up(ci, issuer, token)
    assert await ci.login(jwt=token)
    assert isinstance((await ci.tried(jwt="not.a.token"))[0], Denied)
    with pytest.raises(LimitReached):
        await ci.login(jwt=token)


async def test_a_configuration_of_another_issuer_gives_no_keys(
    tmp_path: Path, issuer: Issuer
) -> None:
    options = issuer.options(issuer="https://other.example")
    async with World(tmp_path, FakeClock()) as world:
        ci = LoggingIn(world, "jwt", options, {"issuer": issuer.url, **MATCH})
        refused, _ = await ci.tried(jwt=signed(issuer.key, issuer.claims(ci.now)))
    assert "of another issuer" in str(refused)
    assert issuer.server.asked == {CONFIGURATION: 1}


async def test_a_server_that_is_not_trusted_gives_no_keys(tmp_path: Path, issuer: Issuer) -> None:
    options = issuer.options()
    del options["ca_file"]
    async with World(tmp_path, FakeClock()) as world:
        ci = LoggingIn(world, "jwt", options, {"issuer": issuer.url, **MATCH})
        refused, _ = await ci.tried(jwt=signed(issuer.key, issuer.claims(ci.now)))
    assert "localhost cannot be asked (ClientConnectorCertificateError)" in str(refused)


async def test_keys_may_stand_in_the_policy(tmp_path: Path, issuer: Issuer) -> None:
    options = issuer.options(public_keys=[issuer.key.as_pem(private=False).decode()])
    del options["discovery_url"]
    async with World(tmp_path, FakeClock()) as world:
        ci = LoggingIn(world, "jwt", {**options, "claims": ["repository"]}, MATCH)
        assert await ci.login(jwt=signed(issuer.key, issuer.claims(ci.now), kid=None))
        assert (await ci.tried(jwt=signed(forger(), issuer.claims(ci.now))))[1]
    assert not issuer.server.asked


SIGNERS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"},
}


@pytest.mark.parametrize("algorithm", SIGNERS)
async def test_every_algorithm_that_may_be_listed_is_understood(
    tmp_path: Path, algorithm: str
) -> None:
    kind = SIGNERS[algorithm]
    if kind == "RSA":
        key: Any = rsa_key("first")
    else:
        key = ECKey.generate_key(kind, {"kid": "first"})
    options = {
        **{"issuer": "i", "audiences": ["a"], "algorithms": [algorithm]},
        "public_keys": [key.as_pem(private=False).decode()],
    }
    async with World(tmp_path, FakeClock()) as world:
        ci = LoggingIn(world, "jwt", options, {"issuer": "i", "audience": "a"})
        claims = {"iss": "i", "aud": ["a", "b"], "exp": ci.now + 60}
        assert (await ci.login(jwt=signed(key, claims, alg=algorithm)))["policies"] == ["ci"]


async def test_a_private_key_in_the_policy_is_refused_and_not_quoted(issuer: Issuer) -> None:
    pem = issuer.key.as_pem(private=True).decode()
    options = {**issuer.options(), "public_keys": [pem]}
    del options["discovery_url"]
    with pytest.raises(ConfigError, match=r"public_keys\[0\]: is no public key in PEM$"):
        Methods({}, load_method_class, lambda: 0.0).build("ci", "jwt", options)


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
