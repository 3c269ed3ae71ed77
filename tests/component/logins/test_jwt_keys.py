"""Which keys count for logins with JSON Web Tokens, and how an issuer is asked for them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("joserfc", reason="the extra jwt is not installed")

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc.jwk import ECKey, RSAKey

from fakes.clock import FakeClock
from fakes.issuer import CONFIGURATION, Issuer, forger, rsa_key, signed
from fakes.logging_in import LoggingIn
from fakes.world import World
from leasehold.api.logins import MOST_FAILED
from leasehold.errors import ConfigError, Denied, LimitReached, Unavailable
from leasehold.methods.catalog import load_method_class
from leasehold.methods.registry import Methods

MATCH = {"claims": {"repository": "acme/app"}}


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


WEAK = {
    "RSA of 1024 bits": (
        rsa.generate_private_key(65_537, 1_024),
        "has 1024 bits; allowed are 2048 and more",
    ),
    **{
        curve.name: (
            ec.generate_private_key(curve),
            f"is on {curve.name}; allowed are secp256r1, secp384r1, secp521r1",
        )
        for curve in (ec.SECP256K1(), ec.BrainpoolP256R1())
    },
    "Ed25519": (ed25519.Ed25519PrivateKey.generate(), "is no key of RSA or EC"),
}


@pytest.mark.parametrize("name", WEAK)
async def test_a_key_of_the_policy_that_is_not_trusted_to_sign_is_refused(name: str) -> None:
    private, reason = WEAK[name]
    form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    options = {
        **{"issuer": "i", "audiences": ["a"], "algorithms": ["RS256", "ES256"]},
        "public_keys": [private.public_key().public_bytes(*form).decode()],
    }
    with pytest.raises(ConfigError, match=rf"public_keys\[0\]: {reason}$"):
        Methods({}, load_method_class, lambda: 0.0).build("ci", "jwt", options)


@pytest.mark.filterwarnings("ignore:Key size")
async def test_weak_keys_that_an_issuer_publishes_are_left_out(
    ci: LoggingIn, issuer: Issuer
) -> None:
    weak = RSAKey.generate_key(1024, {"kid": "weak"})
    issuer.published += [weak, ECKey.generate_key("secp256k1", {"kid": "other"})]
    _, audited = await ci.tried(jwt=signed(weak, issuer.claims(ci.now)))
    assert audited["decision"]["rule"].startswith("the issuer has no such key")
    assert await ci.login(jwt=signed(issuer.key, issuer.claims(ci.now)))
