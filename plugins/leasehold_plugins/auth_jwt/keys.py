"""The keys of an issuer: given in the policy, or fetched, kept for a while, and fetched anew.

Keys rotate: a token that names a key we do not know makes us look again, at most once a minute,
since anybody can make up a name. When the issuer does not answer, what we have counts for an hour.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from leasehold.plugin import LoginUnavailable
from leasehold.plugin.http import ask

Key = RSAKey | ECKey

FRESH_S, STALE_S, AGAIN_S = 600.0, 3_600.0, 60.0
MOST_KEYS = 64
LEAST_RSA_BITS = 2_048
"""RFC 7518, 3.3."""
_SOURCES = ("discovery_url", "jwks_url", "public_keys")
_KINDS: Mapping[str, type[Key]] = {"RSA": RSAKey, "EC": ECKey}
_KIND_OF = {"RS": "RSA", "PS": "RSA", "ES": "EC"}
_CURVE_OF = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
"""RFC 7518, 3.4; in the names of SEC 2, as cryptography has them."""
_CONFIGURATION = "/.well-known/openid-configuration"


class KeySource:
    """The keys that count now."""

    def __init__(self, options: Mapping[str, Any], clock: Callable[[], float]) -> None:
        """Raises ValueError for options that name no source of keys, or two, or no public key."""
        given = [name for name in _SOURCES if name in options]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"found {found}; allowed is one of {', '.join(_SOURCES)}")
        self._options = options
        self._clock = clock
        self._fixed = given == ["public_keys"]
        self._keys: Sequence[Key] = tuple(
            _from_pem(index, text) for index, text in enumerate(options.get("public_keys", ()))
        )
        self._fetched_s: float | None = None
        self._tried_s: float | None = None
        self._trouble = ""
        self._fetching = asyncio.Lock()

    async def find(self, kid: str | None, algorithm: str) -> Sequence[Key]:
        """The keys called `kid`, or all if it is None, that sign by `algorithm`.

        Raises LoginUnavailable when there are no keys that could still count.
        """
        if not self._fixed:
            await self._refresh(FRESH_S)
        found = self._known(kid, algorithm)
        if not found and not self._fixed:
            await self._refresh(AGAIN_S)
            found = self._known(kid, algorithm)
        return found

    def _known(self, kid: str | None, algorithm: str) -> Sequence[Key]:
        return [
            key
            for key in self._keys
            if _fits(key, algorithm) and (kid is None or self._fixed or key.get("kid") == kid)
        ]

    async def _refresh(self, most_s: float) -> None:
        """Have keys that are at most `most_s` old, if a minute has passed since the last try."""
        async with self._fetching:
            now = self._clock()
            age_s = STALE_S if self._fetched_s is None else now - self._fetched_s
            if age_s >= most_s and (self._tried_s is None or now - self._tried_s >= AGAIN_S):
                tried_s, self._tried_s = self._tried_s, now
                try:
                    self._keys = await self._fetch()
                except asyncio.CancelledError:  # whoever asked hung up: that says nothing of keys
                    self._tried_s = tried_s
                    raise
                except LoginUnavailable as trouble:
                    self._trouble = str(trouble)
                else:
                    self._fetched_s, age_s = now, 0.0
            if age_s >= STALE_S:
                self._keys = ()
                raise LoginUnavailable(f"the issuer's keys cannot be had: {self._trouble}")

    async def _fetch(self) -> Sequence[Key]:
        url = self._options.get("jwks_url") or await self._discovered()
        found = (await self._document(url)).get("keys")
        if not isinstance(found, list):
            raise LoginUnavailable("what should be a set of keys is none")
        return tuple(_usable(found[:MOST_KEYS]))

    async def _discovered(self) -> str:
        base = self._options["discovery_url"].removesuffix("/").removesuffix(_CONFIGURATION)
        told = await self._document(base + _CONFIGURATION)
        if told.get("issuer") != self._options["issuer"]:
            raise LoginUnavailable("the OpenID configuration is of another issuer")
        url = told.get("jwks_uri")
        if not isinstance(url, str):
            raise LoginUnavailable("the OpenID configuration names no jwks_uri")
        return url

    async def _document(self, url: str) -> Mapping[str, Any]:
        ca_file = self._options.get("ca_file")
        answer = await ask(url, ca_file=None if ca_file is None else Path(ca_file))
        if answer.status != 200:
            raise LoginUnavailable(f"the issuer answered with status {answer.status}")
        try:
            found = json.loads(answer.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise LoginUnavailable("the issuer answered with something else than a JSON object")
        return found


def _usable(found: list[Any]) -> Iterator[Key]:
    """The keys that signatures can be checked with; what else an issuer publishes is left out."""
    for each in found:
        kind = _KINDS.get(str(each.get("kty"))) if isinstance(each, dict) else None
        if kind is None or each.get("use", "sig") != "sig":
            continue
        try:
            key = kind.import_key(each)
            weakness = _weakness(key.public_key)  # reads the numbers, which may be none
        except (JoseError, ValueError, TypeError, KeyError, UnsupportedAlgorithm):
            continue
        if not weakness:
            yield key


def _weakness(public: object) -> str:
    """Why a public key is not trusted to sign; empty when it is."""
    match public:
        case rsa.RSAPublicKey(key_size=bits):
            least = f"allowed are {LEAST_RSA_BITS} and more"
            return "" if bits >= LEAST_RSA_BITS else f"has {bits} bits; {least}"
        case ec.EllipticCurvePublicKey(curve=curve):
            allowed = _CURVE_OF.values()
            known = curve.name in allowed
            return "" if known else f"is on {curve.name}; allowed are {', '.join(allowed)}"
        case _:
            return "is no key of RSA or EC"


def _fits(key: Key, algorithm: str) -> bool:
    """Whether the key signs by this algorithm."""
    if key.key_type != _KIND_OF[algorithm[:2]] or key.get("alg", algorithm) != algorithm:
        return False
    public = key.public_key
    return not isinstance(public, ec.EllipticCurvePublicKey) or (
        public.curve.name == _CURVE_OF[algorithm]
    )


def _from_pem(index: int, text: str) -> Key:
    try:
        public = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"public_keys[{index}]: is no public key in PEM") from None
    if weakness := _weakness(public):
        raise ValueError(f"public_keys[{index}]: {weakness}")
    kind = RSAKey if isinstance(public, rsa.RSAPublicKey) else ECKey
    return kind.import_key(text)
