"""TLS to the nodes: whom we trust. The file is read anew at each look."""

import asyncio
import ssl

from leasehold.plugin import EnginePermanent, ErrorClass


class Trust:
    """One context for all connections, from the file `authorities` or the system's."""

    def __init__(self, authorities: str | None) -> None:
        self._authorities = authorities
        self._context: ssl.SSLContext | None = None

    async def context(self) -> ssl.SSLContext:
        """The context, with what the file holds now. Raises EnginePermanent."""
        self._context = await asyncio.to_thread(self._read)
        return self._context

    def _read(self) -> ssl.SSLContext:
        try:
            # A new context would mean new connections, so the one there is learns what is new.
            context = self._context or ssl.create_default_context(cafile=self._authorities)
            if self._authorities:
                context.load_verify_locations(self._authorities)
        except (OSError, ssl.SSLError) as error:
            raise EnginePermanent(
                f"connection.tls_ca: the file cannot be used ({type(error).__name__}); it has to be"
                " PEM that the daemon may read",
                error_class=ErrorClass.INVALID,
            ) from error
        return context
