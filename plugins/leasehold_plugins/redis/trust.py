"""TLS to the servers: whom we trust, and what we show. Files are read anew at each look."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

from leasehold.plugin import EnginePermanent, ErrorClass


class Trust:
    """One context for all connections, from the options `tls_…` of a connection."""

    def __init__(self, connection: Mapping[str, Any]) -> None:
        self._authorities = connection.get("tls_ca")
        self._certificate = connection.get("tls_certificate")
        self._key = connection.get("tls_key")
        self._context: ssl.SSLContext | None = None

    async def context(self) -> ssl.SSLContext:
        """The context, with what the files hold now. Raises EnginePermanent."""
        self._context = await asyncio.to_thread(self._read)
        return self._context

    def _read(self) -> ssl.SSLContext:
        option = "tls_ca"
        try:
            context = self._context or ssl.create_default_context(cafile=self._authorities)
            if self._authorities:
                context.load_verify_locations(self._authorities)
            option = "tls_certificate"
            if self._certificate:
                context.load_cert_chain(self._certificate, self._key)
        except (OSError, ssl.SSLError) as error:
            raise EnginePermanent(
                f"connection.{option}: the file cannot be used ({type(error).__name__}); it has to"
                " be PEM that the daemon may read, and a certificate needs its tls_key",
                error_class=ErrorClass.INVALID,
            ) from error
        return context
