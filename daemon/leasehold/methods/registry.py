"""The login methods of the served policy, each call guarded.

A plugin may hang or raise what it should not; what comes out of here is facts, or an error of the
plugin's interface, in time. A method whose options stay the same outlives a change of policy, and
keeps what it has learnt, such as the keys of an issuer.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from leasehold.errors import ConfigError
from leasehold.login import MethodType
from leasehold.model import Login
from leasehold.plugin import (
    BadLogin,
    LoginMethod,
    LoginRefused,
    LoginRequest,
    LoginUnavailable,
    Proven,
    SecretIdMethod,
    SecretIdRole,
)

logger = logging.getLogger(__name__)

ATTEST_S = 15.0
MOST_CHARS = 4_096
"""How much all facts of one login may have, since they stand in each line of the audit."""


@dataclass(frozen=True, slots=True)
class Built:
    """One method, and what it was made of."""

    type: str
    options: Mapping[str, Any]
    method: LoginMethod


class Methods:
    """Holds the methods that are served, by name; `types` are those that there could be.

    `load` imports the class of a type. `clock` gives seconds, monotonic.
    """

    def __init__(
        self,
        types: Mapping[str, MethodType],
        load: Callable[[str], type[LoginMethod]],
        clock: Callable[[], float],
    ) -> None:
        self.types = types
        self._load = load
        self._clock = clock
        self._served: Mapping[str, Built] = {}

    def build(self, name: str, kind: str, options: Mapping[str, Any]) -> Built:
        """The method `name` of a policy, made or as it is. Raises ConfigError."""
        served = self._served.get(name)
        if served is not None and (served.type, served.options) == (kind, options):
            return served
        method_class = self._load(kind)
        try:
            method = method_class(name, options, self._clock)
        except ValueError as wrong:
            raise ConfigError(str(wrong)) from None
        return Built(kind, options, method)

    def serve(self, built: Mapping[str, Built]) -> None:
        """Serve these from now on."""
        self._served = built

    def roles(self, name: str) -> Mapping[str, SecretIdRole]:
        """The roles of the method `name` that secret ids are made for; none of other methods."""
        built = self._served.get(name)
        return built.method.roles if built and isinstance(built.method, SecretIdMethod) else {}

    async def attest(self, name: str, request: LoginRequest) -> tuple[Login, Proven]:
        """Who logs in by the method `name`. Raises what `LoginMethod.attest` does."""
        built = self._served.get(name)
        if built is None:
            raise LoginUnavailable(f"{name} cannot be used; the daemon's log says why")
        try:
            async with asyncio.timeout(ATTEST_S):
                proven = await built.method.attest(request)
        except TimeoutError:
            raise LoginUnavailable(f"{name} came to nothing within {ATTEST_S:g} s") from None
        except (BadLogin, LoginRefused, LoginUnavailable):
            raise
        except Exception as defect:
            # Its text may quote what was sent (rule L2).
            logger.error("login method %s failed: a %s", name, type(defect).__name__)
            raise LoginUnavailable(f"{name} failed; the daemon's log says more") from None
        return _login(built.type, request, proven), proven


def _login(kind: str, request: LoginRequest, proven: Proven) -> Login:
    facts = tuple(sorted(set(proven.facts)))
    chars = sum(len(name) + len(value) for name, value in facts)
    if chars > MOST_CHARS:
        raise LoginRefused(f"its facts have {chars} characters; allowed are {MOST_CHARS}")
    if not facts:
        raise LoginRefused("nothing is proven")
    return Login(kind, facts, request.address)
