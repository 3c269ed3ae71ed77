"""An API server of Kubernetes that reviews tokens over TLS, and nothing else."""

import json
from pathlib import Path
from typing import Any

from fakes.serving_https import Answer, Asked, HttpsServer

REVIEWER = "token-of-the-reviewer"


class ApiServer:
    """Knows `tokens`: the status of the review of each."""

    def __init__(self, folder: Path) -> None:
        self.server = HttpsServer(folder, self._answer)
        self.tokens: dict[str, dict[str, Any]] = {}
        self.override: Answer | None = None

    def options(self, **more: Any) -> dict[str, Any]:
        return {
            **{"cluster": "prod", "url": self.server.url, "audiences": ["leasehold"]},
            **{"ca_file": str(self.server.ca_file), **more},
        }

    def account(self, username: str, **status: Any) -> dict[str, Any]:
        user = {"username": username, "uid": "u-1"}
        return {"authenticated": True, "user": user, "audiences": ["leasehold"], **status}

    def _answer(self, asked: Asked) -> Answer:
        if self.override is not None:
            return self.override
        who = asked.headers.get("Authorization", "").removeprefix("Bearer ")
        known = asked.path == "/apis/authentication.k8s.io/v1/tokenreviews"
        if not known or asked.method != "POST":
            return Answer(status=404)
        if who != REVIEWER and who not in self.tokens:
            return Answer(status=401)
        spec = json.loads(asked.body)["spec"]
        status = self.tokens.get(spec["token"], {"authenticated": False})
        return Answer(status=201, body=json.dumps({"status": status, "spec": spec}).encode())
