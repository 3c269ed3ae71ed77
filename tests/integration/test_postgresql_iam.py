"""The PostgreSQL engine with tokens of a cloud for passwords: a real server behind a fake login."""

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from fakes.cloud_postgres import CloudPostgres, is_rds_token
from fakes.serving_https import Answer, Asked, HttpsServer
from leasehold.plugin import EnginePermanent, EngineTemporary, ErrorClass
from leasehold.plugin.contract import EngineContract
from leasehold_plugins.postgresql import PostgresqlEngine
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
REGION = "eu-central-1"
SECRET_KEY = "not-a-real-secret-key"


@pytest.fixture(scope="module")
def trusting() -> Iterator[PostgresServer]:
    """A server that lets everybody in at its Unix socket; it has the group of Amazon's."""
    server = PostgresServer()
    server.trust_its_socket()
    server.start()
    server.reset()
    server.execute("CREATE ROLE rds_iam NOLOGIN")
    yield server
    server.remove()


@pytest.fixture(autouse=True)
def no_cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine's own identity at a cloud."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def in_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)


@pytest.fixture
async def front(trusting: PostgresServer, tmp_path: Path) -> AsyncIterator[CloudPostgres]:
    fake = CloudPostgres(tmp_path, trusting.socket, lambda *_: False)

    def of_aws(user: str, password: str) -> bool:
        host = f"localhost:{fake.port}"
        return is_rds_token(password, host=host, user=user, region=REGION, secret_key=SECRET_KEY)

    fake.accepts = of_aws
    async with fake:
        yield fake


def engine_at(front: CloudPostgres, **other: Any) -> PostgresqlEngine:
    connection = {
        "url": front.url,
        "username": PostgresServer.admin,
        "authentication": "aws_iam",
        "aws_region": REGION,
        **other,
    }
    return PostgresqlEngine("main", connection)


class TestTokensOfAws(EngineContract):
    """The whole contract, administrator and accounts without any password."""

    @pytest.fixture
    async def engine(self, front: CloudPostgres, in_aws: None) -> AsyncIterator[PostgresqlEngine]:
        engine = engine_at(front)
        await engine.open()
        yield engine
        await engine.close()

    @pytest.fixture
    def role(self) -> Mapping[str, Any]:
        return {"member_of": ["app_readonly"], "login": "rds_iam"}

    @pytest.fixture
    def unworkable(self) -> Mapping[str, Any]:
        return {"member_of": ["nobody_made_this"], "login": "rds_iam"}

    @pytest.fixture
    def broken(self, front: CloudPostgres, in_aws: None) -> PostgresqlEngine:
        return engine_at(front, url=front.url.replace(str(front.port), "1"))

    async def test_the_server_keeps_no_password_of_an_account(
        self, engine: PostgresqlEngine, role: Mapping[str, Any], trusting: PostgresServer
    ) -> None:
        account = self.account(engine, role)
        issued = await self.issue(engine, account)
        assert await engine.login(issued.credential)
        query = f"SELECT rolpassword FROM pg_authid WHERE rolname = '{account.name}'"
        assert trusting.execute(query) == [(None,)]
        other = {**issued.credential, "username": PostgresServer.admin}
        assert not await engine.login(other)


async def test_rds_iam_without_its_group_says_what_to_run(
    front: CloudPostgres, in_aws: None, trusting: PostgresServer
) -> None:
    engine = engine_at(front)
    await engine.open()
    trusting.execute("ALTER ROLE rds_iam RENAME TO rds_was")
    try:
        health = await engine.check([{"member_of": ["app_readonly"], "login": "rds_iam"}])
    finally:
        trusting.execute("ALTER ROLE rds_was RENAME TO rds_iam")
        await engine.close()
    assert health.missing == ('group rds_iam is missing: CREATE ROLE "rds_iam" NOLOGIN;',)


@pytest.mark.parametrize("kind", ["aws_iam", "gcp_iam", "azure_entra"])
async def test_without_an_identity_the_engine_says_which_cloud_knows_none(
    front: CloudPostgres, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    engine = engine_at(front, authentication=kind)
    with pytest.raises(EnginePermanent, match="the daemon has no identity at") as raised:
        await engine.open()
    assert raised.value.error_class is ErrorClass.DENIED
    assert front.asked == []
    await engine.close()


async def test_without_a_region_the_engine_asks_for_one(front: CloudPostgres, in_aws: None) -> None:
    engine = PostgresqlEngine(
        "main", {"url": front.url, "username": "leasehold", "authentication": "aws_iam"}
    )
    with pytest.raises(EnginePermanent, match=r"set connection\.aws_region"):
        await engine.open()
    await engine.close()


async def test_a_token_is_for_one_host(front: CloudPostgres, in_aws: None) -> None:
    engine = engine_at(front, url="postgresql://a.example,b.example/app")
    with pytest.raises(EnginePermanent, match="names no single host"):
        await engine.open()
    await engine.close()


def google(folder: Path, monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], Answer]) -> Any:
    """The token endpoint of Google, which judges the service account's signature."""
    key = RSAKey.generate_key(2048)
    account = "leasehold@project.iam.gserviceaccount.com"

    def asked(request: Asked) -> Answer:
        [assertion] = parse_qs(request.body.decode())["assertion"]
        claims = jwt.decode(assertion, key).claims
        assert claims["iss"] == account
        return answer(claims["scope"])

    server = HttpsServer(folder, asked)
    file = folder / "account.json"
    file.write_text(
        json.dumps(
            {
                "type": "service_account",
                "client_email": account,
                "private_key": key.as_pem(private=True).decode(),
                "token_uri": f"{server.url}/token",
            }
        )
    )
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.ca_file))
    return server


async def test_cloud_sql_is_opened_with_a_token_of_google(
    front: CloudPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(scope: str) -> Answer:
        assert scope == "https://www.googleapis.com/auth/sqlservice.login"
        return Answer(body=json.dumps({"access_token": "ya29.x", "expires_in": 3600}).encode())

    front.accepts = lambda user, password: password == "ya29.x"
    with google(tmp_path, monkeypatch, answer).running() as server:
        engine = engine_at(front, authentication="gcp_iam")
        await engine.open()
        assert (await engine.check([{"member_of": ["app_readonly"]}])).ok
        await engine.close()
    assert server.asked["/token"] == 1  # a token is used until it is nearly over


async def test_a_cloud_that_gives_no_token_is_worth_another_try(
    front: CloudPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with google(tmp_path, monkeypatch, lambda _: Answer(status=403)).running():
        engine = engine_at(front, authentication="gcp_iam")
        with pytest.raises(EngineTemporary, match="Google Cloud gives no token"):
            await engine.open()
        await engine.close()


async def test_azure_is_opened_with_a_token_of_its_managed_identity(
    front: CloudPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: Asked) -> Answer:
        asked = parse_qs(urlsplit(request.path).query)
        assert asked["resource"] == ["https://ossrdbms-aad.database.windows.net"]
        assert request.headers["X-IDENTITY-HEADER"] == "proof"
        over = str(int(time.time()) + 3600)
        body = {"access_token": "eyJ.x", "expires_on": over, "token_type": "Bearer"}
        return Answer(body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})

    front.accepts = lambda user, password: password == "eyJ.x"
    server = HttpsServer(tmp_path, answer)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.url}/token")
    monkeypatch.setenv("IDENTITY_HEADER", "proof")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.ca_file))
    with server.running():
        engine = engine_at(front, authentication="azure_entra")
        await engine.open()
        await engine.close()
    assert {*front.asked} == {(PostgresServer.admin, "eyJ.x")}


def test_rds_iam_goes_with_member_of() -> None:
    role = {"login": "rds_iam", "creation_statements": 'CREATE ROLE "{{name}}" LOGIN'}
    assert "login: rds_iam goes with member_of, not with creation_statements" in (
        PostgresqlEngine.faults(role)
    )
