"""A token's signature (RFC 7515), by one of the algorithms and keys that the policy trusts.

The token says by which algorithm and key it is signed; that is a wish, looked up among what is
allowed. All algorithms that can be allowed have a public key, so nobody can have one of those taken
for a shared secret.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError

from leasehold.plugin import LoginRefused
from leasehold_plugins.auth_jwt.keys import KeySource

_MALFORMED = "it is no signed JSON Web Token"


async def verified(text: str, algorithms: Collection[str], keys: KeySource) -> Mapping[str, Any]:
    """The claims of a token whose signature is right. Raises LoginRefused, LoginUnavailable."""
    try:
        header = jws.extract_compact(text.encode()).protected
    except (JoseError, ValueError, TypeError, RecursionError):
        raise LoginRefused(_MALFORMED) from None
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise LoginRefused("it is signed by an algorithm that is not allowed")
    if kid is not None and not isinstance(kid, str):
        raise LoginRefused(_MALFORMED)
    found = await keys.find(kid, algorithm)
    if not found:
        raise LoginRefused("the issuer has no such key")
    for key in found:
        try:
            payload = jws.deserialize_compact(text.encode(), key, algorithms=[algorithm]).payload
        except (JoseError, ValueError, TypeError):
            continue
        return _claims(payload)
    raise LoginRefused("the signature is wrong")


def _claims(payload: bytes) -> Mapping[str, Any]:
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError):
        raise LoginRefused(_MALFORMED) from None
    if not isinstance(claims, dict):
        raise LoginRefused(_MALFORMED)
    return claims
