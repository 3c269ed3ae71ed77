"""Passwords that are rotated, as calls."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from leasehold.client.calls import Calls
from leasehold.secret import Secret


class RotationCalls(Calls):
    """For those who read static credentials, and for operators."""

    def static(self, path: str) -> Mapping[str, str | int | Secret]:
        """The credential of a static role at `path` (`database/static-creds/billing`).

        It has `username`, `password`, `last_vault_rotation`, and `ttl`, the seconds until the next
        rotation where one is planned. It is no lease: there is nothing to renew or revoke.
        """
        data: Mapping[str, Any] = self._get(quote(path.strip("/")), {}).body["data"]
        return {**data, "password": Secret(data["password"])}

    def acknowledge(self, path: str) -> Mapping[str, Any]:
        """Say that the caller uses what is given out at `path` now; what lived on may then end."""
        mount, _, name = path.strip("/").split("/")
        target = f"leasehold/static/{quote(mount)}/{quote(name)}/acknowledge"
        data: Mapping[str, Any] = self._put(target, {}).body["data"]
        return data

    def rotations(self) -> Mapping[str, Any]:
        """How each password that leasehold rotates stands."""
        data: Mapping[str, Any] = self._get("leasehold/rotations", {}).body["data"]
        return data

    def rotate_root(self, mount: str, engine: str, *, reset: bool = False) -> None:
        """Give the administrator of an engine another password, proved before this returns.

        With `reset` it is what the policy refers to, which is used again from then on.
        """
        self._put(f"{quote(mount)}/rotate-root/{quote(engine)}", {"reset": reset})

    def rotate(self, path: str, *, force: bool = False) -> None:
        """Give the static role at `path` another password, proved before this returns.

        With `force` also while the last one of a pair lives on, which then ends.
        """
        mount, _, name = path.strip("/").split("/")
        self._put(f"{quote(mount)}/rotate-role/{quote(name)}", {"force": force})
