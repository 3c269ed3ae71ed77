"""What every group of calls stands on: a GET and a PUT below `/v1/`."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from leasehold.client.replies import Reply


class Calls(ABC):
    """A group of calls; `Client` says how a request is sent."""

    @abstractmethod
    def _get(self, target: str, query: Mapping[str, object]) -> Reply:
        """The reply to a GET of `/v1/<target>`."""

    @abstractmethod
    def _put(
        self, target: str, body: Mapping[str, object], headers: Mapping[str, str] | None = None
    ) -> Reply:
        """The reply to a PUT of `body` to `/v1/<target>`, with more `headers`."""
