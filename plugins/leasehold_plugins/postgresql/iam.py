"""Passwords that a cloud makes for its own identities: they live for minutes and are kept nowhere.

A managed PostgreSQL takes such a token where a password is asked for. Who the daemon is to the
cloud is found by the cloud's own library: the identity of an instance or a pod, the environment, a
profile. The libraries do not know asyncio, so they work in a thread.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from leasehold.plugin import EnginePermanent, EngineTemporary, ErrorClass, Secret

DEADLINE_S = 5
GCP_SCOPE = "https://www.googleapis.com/auth/sqlservice.login"
"""Cloud SQL for PostgreSQL, "Log in using IAM database authentication"."""
AZURE_SCOPE = "https://ossrdbms-aad.database.windows.net/.default"
"""Azure Database for PostgreSQL, "Use Microsoft Entra ID for authentication"."""


class Tokens(Protocol):
    """Makes tokens."""

    def make(self, host: str, port: int, user: str) -> str:
        """A token that opens the server at `host` as `user`; blocks."""


class AwsTokens:
    """Amazon RDS and Aurora: a signed URL, good for 15 minutes, for one host, port and user."""

    def __init__(self, region: str | None) -> None:
        self._region = region
        self._client: Any = None

    def make(self, host: str, port: int, user: str) -> str:
        """See `Tokens`."""
        from botocore import exceptions, session

        try:
            if self._client is None:
                self._client = session.get_session().create_client("rds", region_name=self._region)
            return str(
                self._client.generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user)
            )
        except exceptions.NoRegionError as error:
            raise _invalid("no AWS region is known; set connection.aws_region") from error
        except (
            exceptions.NoCredentialsError,
            exceptions.PartialCredentialsError,
            exceptions.ProfileNotFound,
        ) as error:
            raise _unknown("AWS") from error
        except exceptions.BotoCoreError as error:
            raise EngineTemporary("AWS gives no credentials at the moment") from error


class GcpTokens:
    """Cloud SQL for PostgreSQL: an OAuth 2 access token, good for an hour at most."""

    def __init__(self) -> None:
        self._credentials: Any = None

    def make(self, host: str, port: int, user: str) -> str:
        """See `Tokens`."""
        import google.auth
        from google.auth import exceptions
        from google.auth.transport.requests import Request

        try:
            if self._credentials is None:
                self._credentials, _ = google.auth.default(scopes=[GCP_SCOPE])
            if not self._credentials.valid:
                self._credentials.refresh(Request())
        except exceptions.DefaultCredentialsError as error:
            raise _unknown("Google Cloud") from error
        except exceptions.GoogleAuthError as error:
            raise EngineTemporary("Google Cloud gives no token at the moment") from error
        return str(self._credentials.token)


class AzureTokens:
    """Azure Database for PostgreSQL: a Microsoft Entra access token, good for an hour or so."""

    def __init__(self) -> None:
        self._credential: Any = None

    def make(self, host: str, port: int, user: str) -> str:
        """See `Tokens`."""
        from azure.core.exceptions import AzureError, ClientAuthenticationError
        from azure.identity import DefaultAzureCredential

        try:
            if self._credential is None:
                self._credential = DefaultAzureCredential()
            return str(self._credential.get_token(AZURE_SCOPE).token)
        except ClientAuthenticationError as error:
            raise _unknown("Azure") from error
        except AzureError as error:
            raise EngineTemporary("Microsoft Entra cannot be reached") from error


MAKERS: dict[str, Callable[[str | None], Tokens]] = {
    "aws_iam": AwsTokens,
    "gcp_iam": lambda _: GcpTokens(),
    "azure_entra": lambda _: AzureTokens(),
}
_EXTRAS = {"aws_iam": "aws", "gcp_iam": "gcp", "azure_entra": "azure"}


class TokenPasswords:
    """Tokens of one kind, a key of MAKERS, made in a thread."""

    def __init__(self, kind: str, region: str | None) -> None:
        self._kind = kind
        self._maker = MAKERS[kind](region)
        # One thread: what the libraries remember of an identity is not all made for several.
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="leasehold iam")

    async def make(self, host: str, port: int, user: str) -> Secret:
        """A password for `user` now. Raises EngineError."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(DEADLINE_S):
                token = loop.run_in_executor(self._threads, self._maker.make, host, port, user)
                return Secret(await token)
        except TimeoutError as error:
            raise EngineTemporary(
                f"no {self._kind} token within {DEADLINE_S} s; the cloud does not answer"
            ) from error
        except ImportError as error:
            raise _invalid(
                f"authentication {self._kind} needs a library:"
                f" pip install 'leasehold[{_EXTRAS[self._kind]}]'"
            ) from error

    def close(self) -> None:
        """Make no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _unknown(cloud: str) -> EnginePermanent:
    return EnginePermanent(
        f"the daemon has no identity at {cloud} that gives it a token;"
        " give its machine or its environment one",
        error_class=ErrorClass.DENIED,
    )


def _invalid(reason: str) -> EnginePermanent:
    return EnginePermanent(reason, error_class=ErrorClass.INVALID)
