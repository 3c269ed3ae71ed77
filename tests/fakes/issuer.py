"""An issuer of JSON Web Tokens with OpenID discovery over TLS, whose keys a test turns over."""

import base64
import functools
import hashlib
import hmac
import json
import threading
from pathlib import Path
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from fakes.serving_https import Answer, Asked, HttpsServer

Key = RSAKey | ECKey
CONFIGURATION = "/.well-known/openid-configuration"


class Issuer:
    """Publishes `published`; signs by whatever key it is told to."""

    def __init__(self, folder: Path) -> None:
        self.server = HttpsServer(folder, self._answer)
        self.url = self.server.url
        self.key = rsa_key("first")
        self.published: list[Key] = [self.key]
        self.away = False
        self.asked, self.answers = threading.Event(), threading.Event()
        self.answers.set()

    def options(self, **more: Any) -> dict[str, Any]:
        """Options of a login method that trusts this issuer, by discovery."""
        return {
            "issuer": self.url,
            "audiences": ["leasehold"],
            "algorithms": ["RS256", "ES256"],
            "discovery_url": self.url,
            "ca_file": str(self.server.ca_file),
            **more,
        }

    def claims(self, now: float, **more: Any) -> dict[str, Any]:
        """Claims of a good token; None leaves one out."""
        whole = {
            **{"iss": self.url, "aud": "leasehold", "sub": "repo:acme/app", "iat": now},
            **{"nbf": now, "exp": now + 300, "repository": "acme/app", **more},
        }
        return {name: value for name, value in whole.items() if value is not None}

    def _answer(self, asked: Asked) -> Answer:
        self.asked.set()
        self.answers.wait(10)
        if self.away:
            return Answer(status=503)
        if asked.path == CONFIGURATION:
            told: dict[str, Any] = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        else:
            told = {"keys": [key.as_dict(private=False) for key in self.published]}
        return Answer(body=json.dumps(told).encode())


@functools.cache
def rsa_key(kid: str) -> RSAKey:
    """A key of this name; the same for all tests of a process, since making one takes long."""
    return RSAKey.generate_key(2048, {"kid": kid})


def forger() -> RSAKey:
    """A key that has the name of the issuer's first and is another."""
    return RSAKey.import_key({**rsa_key("forger").as_dict(private=True), "kid": "first"})


def signed(key: Key, claims: dict[str, Any], **header: Any) -> str:
    """A token; `header` may say anything, as forgers do."""
    whole = {"alg": "RS256", "kid": key.kid, **header}
    whole = {name: value for name, value in whole.items() if value is not None}
    text: str = jws.serialize_compact(
        whole, json.dumps(claims).encode(), key, algorithms=[whole["alg"]]
    )
    return text


def unsigned(claims: dict[str, Any]) -> str:
    """A token of algorithm none."""
    parts = ({"alg": "none"}, claims)
    return ".".join((*(_part(json.dumps(each).encode()) for each in parts), ""))


def shared_secret(key: Key, claims: dict[str, Any]) -> str:
    """A token of HS256 whose shared secret is the text of the public key."""
    parts = ({"alg": "HS256", "kid": key.kid}, claims)
    body = ".".join(_part(json.dumps(each).encode()) for each in parts)
    mac = hmac.digest(key.as_pem(private=False), body.encode(), hashlib.sha256)
    return f"{body}.{_part(mac)}"


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
