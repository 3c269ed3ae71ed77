"""Where servers are: as a policy says it, and as servers say it of each other."""

import pytest

from leasehold.plugin import EnginePermanent
from leasehold_plugins.redis.addresses import Address, parse
from leasehold_plugins.redis.looks import facts, in_cluster, in_replication

SEEN_FROM = Address(host="cache.internal", port=6379, tls=True)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("rediss://cache.internal:6380", Address(host="cache.internal", port=6380, tls=True)),
        ("rediss://cache.internal/0", Address(host="cache.internal", port=6379, tls=True)),
        ("redis://127.0.0.1", Address(host="127.0.0.1", port=6379)),
        ("redis://[::1]:1", Address(host="::1", port=1)),
        ("unix:///run/redis/redis.sock", Address(path="/run/redis/redis.sock")),
    ],
)
def test_an_address_is_read(url: str, address: Address) -> None:
    assert parse(url) == address
    assert address.path or SEEN_FROM.named(str(address)) == SEEN_FROM.beside(
        address.host, address.port
    )


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://cache.internal", "only TLS keeps"),
        ("redis://10.0.0.1:6379", "only TLS keeps"),
        ("rediss://me:secret@cache.internal", "write username and password beside it"),
        ("rediss://cache.internal?ssl_cert_reqs=none", "has parameters"),
        ("rediss://cache.internal/some", "is no address"),
        ("rediss://cache.internal:many", "is no address"),
        ("http://cache.internal", "is no address"),
        ("unix://run/redis.sock", "is no address"),
        ("cache.internal:6379", "is no address"),
    ],
)
def test_an_address_that_cannot_be_used_or_is_not_safe_is_refused(url: str, told: str) -> None:
    with pytest.raises(EnginePermanent, match=told) as refusal:
        parse(url)
    assert "secret" not in str(refusal.value)


def test_a_primary_names_its_replicas() -> None:
    info = facts(
        "# Replication\r\nrole:master\r\nconnected_slaves:2\r\n"
        "slave0:ip=10.0.0.2,port=6380,state=online,offset=1,lag=0\r\n"
        "slave1:ip=fd00::2,port=6381,state=wait_bgsave,offset=0,lag=0\r\n"
    )
    assert list(map(str, in_replication(info, SEEN_FROM))) == ["10.0.0.2:6380", "[fd00::2]:6381"]


def test_a_replica_names_its_primary_and_its_own_replicas() -> None:
    info = facts(
        "role:slave\r\nmaster_host:cache-0\r\nmaster_port:6379\r\nslave_read_only:1\r\n"
        "slave_repl_offset:7\r\nconnected_slaves:1\r\n"
        "slave0:ip=10.0.0.3,port=6379,state=online,offset=1,lag=0\r\n"
    )
    assert list(map(str, in_replication(info, SEEN_FROM))) == ["cache-0:6379", "10.0.0.3:6379"]


CLUSTER = """\
a1 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-5460
a2 10.0.0.2:7000@17000,redis-2.internal master - 0 1 2 connected 5461-10922 [93->-a1]
a3 10.0.0.3:7000@17000,redis-3.internal,shard-id=x slave a2 0 1 2 connected
a4 10.0.0.4:7000@17000 master,fail - 1 1 3 disconnected
a5 :0@0 master,noaddr - 1 1 3 disconnected
a6 10.0.0.6:7000@17000 handshake - 0 0 0 disconnected
a7 :7007@17007 myself,slave a1 0 0 1 connected
"""


def test_a_cluster_names_all_that_it_has_not_forgotten_and_who_holds_slots() -> None:
    plain = Address(host="10.0.0.1", port=7000)
    assert {str(found): leads for found, leads in in_cluster(CLUSTER, plain)} == {
        "10.0.0.1:7000": True,
        "10.0.0.2:7000": True,
        "10.0.0.3:7000": False,
        "10.0.0.4:7000": False,
        "10.0.0.1:7007": False,
    }
    named = [str(found) for found, _ in in_cluster(CLUSTER, SEEN_FROM)]
    assert "redis-2.internal:7000" in named, "a certificate has names"
    assert "redis-3.internal:7000" in named
