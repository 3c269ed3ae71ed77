"""The route that describes all the others."""

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from leasehold.api.described import described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply


class SpecHandlers:
    """Makes the document when it is first asked for."""

    def __init__(self, document: Callable[[], Mapping[str, Any]]) -> None:
        self._make = document

    @cached_property
    def _document(self) -> bytes:
        return json.dumps(self._make()).encode()

    @described(refusals=(), enveloped=False)
    async def openapi(self, ask: Ask) -> Reply:
        """`sys/internal/specs/openapi`: this document, in OpenAPI 3.1."""
        return Reply(raw=self._document)
