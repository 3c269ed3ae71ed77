"""One question to a server by HTTP, for login methods: bounded in time and size, never elsewhere.

No redirect is followed, no proxy of the environment is used, no cookie is kept. Certificates are
verified; only loopback is asked without TLS.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from yarl import URL

from leasehold.hosts import is_loopback
from leasehold.plugin.login import LoginUnavailable

DEADLINE_S = 5.0
MOST_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `body` may hold secrets."""

    status: int
    body: bytes = field(repr=False)


async def ask(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    ca_file: Path | None = None,
) -> Answer:
    """Ask once. `ca_file` has the authorities that count instead of the host's.

    Raises LoginUnavailable, which names the host, when there is no whole answer in time.
    """
    target = URL(url, encoded=True)
    host = target.host or ""
    if target.scheme != "https" and not (target.scheme == "http" and is_loopback(host)):
        raise LoginUnavailable(f"{host} would be asked without TLS")
    try:
        async with asyncio.timeout(DEADLINE_S):
            context = await asyncio.to_thread(ssl.create_default_context, cafile=ca_file)
            async with (
                aiohttp.ClientSession(
                    cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
                ) as session,
                session.request(
                    method,
                    target,
                    headers={"Accept-Encoding": "identity", **(headers or {})},
                    data=body,
                    ssl=context,
                    allow_redirects=False,
                ) as response,
            ):
                return Answer(response.status, await _body(response, host))
    except TimeoutError:
        raise LoginUnavailable(f"{host} gave no answer within {DEADLINE_S:g} s") from None
    except (aiohttp.ClientError, OSError) as error:
        # The text of a library may quote headers; its kind says enough.
        raise LoginUnavailable(f"{host} cannot be asked ({type(error).__name__})") from None


async def _body(response: aiohttp.ClientResponse, host: str) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_chunked(16_384):
        size += len(part)
        if size > MOST_BYTES:
            raise LoginUnavailable(f"{host} answered more than {MOST_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)
