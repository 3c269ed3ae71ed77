"""Logging in with the token of a Kubernetes service account, which its API server judges.

The server is asked (TokenReview, authentication.k8s.io/v1) at every login, so a token whose pod or
account was deleted proves nothing any more, however long it was made for. That cannot be seen in
the token itself.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from leasehold.plugin import (
    BadLogin,
    LoginMethod,
    LoginRefused,
    LoginRequest,
    Proven,
    Secret,
    hookimpl,
)
from leasehold.plugin.http import ask
from leasehold_plugins.auth_kubernetes.review import Reviewed, question, reviewed

MOST_CHARS = 16_384
_PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
_PLAIN = frozenset(map(chr, range(0x21, 0x7F)))
"""What a token consists of; anything else could end the header that bears it."""


class KubernetesLogin(LoginMethod):
    """One cluster."""

    type: ClassVar[str] = "kubernetes"

    def __init__(self, name: str, options: Mapping[str, Any], clock: Callable[[], float]) -> None:
        self._name = name
        self._cluster: str = options["cluster"]
        self._url = options["url"].removesuffix("/") + _PATH
        self._audiences: list[str] = options["audiences"]
        self._ca_file = Path(options["ca_file"])
        self._reviewer: Secret | None = options.get("reviewer_token")

    async def attest(self, request: LoginRequest) -> Proven:
        """Whose service account the token is, if the API server says so."""
        token = request.text("jwt")
        if not token:
            raise BadLogin("missing jwt")
        if not request.text("role"):
            raise BadLogin("missing role")
        if len(token) > MOST_CHARS or not _PLAIN.issuperset(token):
            raise LoginRefused("it is no token of Kubernetes")
        account = await self._review(token)
        return Proven(
            facts=[
                ("cluster", self._cluster),
                ("namespace", account.namespace),
                ("service_account", account.name),
            ],
            name=f"{self._name}-{account.namespace}-{account.name}",
            meta={
                "role": request.text("role"),
                "service_account_name": account.name,
                "service_account_namespace": account.namespace,
                "service_account_uid": account.uid,
            },
        )

    async def _review(self, token: str) -> Reviewed:
        asking = token if self._reviewer is None else self._reviewer.reveal()
        answer = await ask(
            self._url,
            method="POST",
            headers={"Authorization": f"Bearer {asking}", "Content-Type": "application/json"},
            body=question(token, self._audiences),
            ca_file=self._ca_file,
        )
        return reviewed(answer, self._audiences, own=self._reviewer is None)


@hookimpl
def leasehold_login_method() -> type[LoginMethod]:
    """See `leasehold.plugin.hooks`."""
    return KubernetesLogin
