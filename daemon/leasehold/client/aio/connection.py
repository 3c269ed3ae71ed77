"""One HTTP request to the daemon, as `leasehold.client.connection` sends it, awaited."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

import aiohttp
from yarl import URL

from leasehold.client.connection import headers_of, payload_of, tls_context
from leasehold.client.endpoint import Endpoint, UnixSocket
from leasehold.client.replies import HELD, Reply, reply_of, unreachable

NEVER_S = 10 * 365 * 86_400.0


async def send(
    endpoint: Endpoint,
    timeout_s: float,
    method: str,
    target: str,
    body: Mapping[str, object] | None,
) -> Reply:
    """Send one request to the daemon at `endpoint` and return its reply; see `sending`."""
    async with sending(endpoint, timeout_s, method, target, body) as reply:
        return reply


@contextlib.asynccontextmanager
async def sending(
    endpoint: Endpoint,
    timeout_s: float,
    method: str,
    target: str,
    body: Mapping[str, object] | None,
) -> AsyncIterator[Reply]:
    """Send one request; within, the connection stays open if a lease is bound to it.

    Raises Unreachable when nobody answers within `timeout_s`, ConfigError for files of TLS that
    cannot be used, else the error that the daemon's refusal stands for.
    """
    if isinstance(endpoint, UnixSocket):
        connector: aiohttp.BaseConnector = aiohttp.UnixConnector(
            str(endpoint.path), keepalive_timeout=NEVER_S
        )
        place = "http://localhost"
    else:
        # Files are read, which may take its time.
        context = await asyncio.to_thread(tls_context, endpoint)
        connector = aiohttp.TCPConnector(ssl=context, keepalive_timeout=NEVER_S)
        place = str(endpoint)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        try:
            async with session.request(
                method,
                URL(place + target, encoded=True),
                data=payload_of(body),
                headers=headers_of(endpoint, body),
                allow_redirects=False,
            ) as response:
                raw = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable(endpoint, _beneath(error), timeout_s) from error
        reply = reply_of(endpoint, response.status, response.headers.get, raw)
        if reply.lease != HELD:
            await session.close()
        yield reply


def _beneath(error: Exception) -> Exception:
    """The error of the system that aiohttp wrapped."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error
    return error.__cause__ if isinstance(error.__cause__, OSError) else error
