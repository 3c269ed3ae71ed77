"""Passwords that are rotated, as calls."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from leasehold.client.calls import Calls


class RotationCalls(Calls):
    """For operators."""

    def rotations(self) -> Mapping[str, Any]:
        """How each password that leasehold rotates stands."""
        data: Mapping[str, Any] = self._get("leasehold/rotations", {}).body["data"]
        return data

    def rotate_root(self, mount: str, engine: str, *, reset: bool = False) -> None:
        """Give the administrator of an engine another password, proved before this returns.

        With `reset` it is what the policy refers to, which is used again from then on.
        """
        self._put(f"{quote(mount)}/rotate-root/{quote(engine)}", {"reset": reset})
