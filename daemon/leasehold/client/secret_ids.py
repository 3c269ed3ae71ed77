"""What a client does with the roles of AppRole: has secret ids made, sees and ends them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from leasehold.client.calls import Calls
from leasehold.errors import NotFound
from leasehold.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedSecretId:
    """A secret id, which ends in `ttl_s` seconds or after `uses` logins, 0 for any number."""

    text: Secret
    accessor: str
    ttl_s: int
    uses: int


class SecretIdCalls(Calls):
    """The calls of a client that are about secret ids. `method` is a login method of the policy."""

    def role_id(self, role: str, *, method: str = "approle") -> str:
        """By what a login names the role."""
        data = self._get(f"{_path(method, role)}/role-id", {}).body["data"]
        return str(data["role_id"])

    def create_secret_id(
        self, role: str, *, method: str = "approle", **asked: object
    ) -> IssuedSecretId:
        """A new secret id; `asked` is `ttl`, `num_uses`, `cidr_list`, `metadata`."""
        data = self._put(f"{_path(method, role)}/secret-id", asked).body["data"]
        return IssuedSecretId(
            text=Secret(data["secret_id"]),
            accessor=data["secret_id_accessor"],
            ttl_s=data["secret_id_ttl"],
            uses=data["secret_id_num_uses"],
        )

    def wrapped_secret_id(
        self, role: str, wrap_ttl: str, *, method: str = "approle", **asked: object
    ) -> Secret:
        """A token that unwraps a new secret id once, within `wrap_ttl`."""
        path = f"{_path(method, role)}/secret-id"
        body = self._put(path, asked, {"X-Vault-Wrap-TTL": wrap_ttl}).body
        return Secret(body["wrap_info"]["token"])

    def unwrapped_secret_id(self, token: Secret) -> Secret:
        """The secret id that a wrapping token is for. Raises Invalid for any other one."""
        body = self._put("sys/wrapping/unwrap", {"token": token.reveal()}).body
        return Secret((body.get("data") or {}).get("secret_id", ""))

    def secret_ids(self, role: str, *, method: str = "approle") -> Sequence[Mapping[str, Any]]:
        """Those of a role that may still be used, without their texts."""
        path = _path(method, role)
        try:
            keys = self._get(f"{path}/secret-id", {"list": "true"}).body["data"]["keys"]
        except NotFound:
            return []
        asked = ({"secret_id_accessor": accessor} for accessor in keys)
        return [self._put(f"{path}/secret-id-accessor/lookup", it).body["data"] for it in asked]

    def destroy_secret_id(self, role: str, accessor: str, *, method: str = "approle") -> None:
        """End the secret id that is called so. Raises NotFound."""
        path = f"{_path(method, role)}/secret-id-accessor/destroy"
        self._put(path, {"secret_id_accessor": accessor})


def _path(method: str, role: str) -> str:
    return f"auth/{quote(method, safe='')}/role/{quote(role, safe='')}"
