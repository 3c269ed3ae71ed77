"""Issue on a MariaDB that ten thousand accounts stand on, beside the same when there were none.

Its statements that make accounts take longer the more there are, whoever asks. Accounts that were
made ahead are handed out without it. All ten thousand are there, made by a script.
"""

import os
from statistics import median

from bench import shelf
from bench.report import Budget, Figure
from bench.scale import Scale
from bench.worker import Worker
from bench.world import World
from servers.daemon import Daemon
from servers.mysql import PrivateMariadb

ACCOUNTS = 10_000
ROUND = 100
AHEAD, ON_DEMAND = "database/creds/ahead", "database/creds/on-demand"
BUDGET = Budget("ratio", most=1.5)
POLICY = """\
engines:
  main:
    type: mysql
    mount: database
    connection:
      url: "mysql://127.0.0.1:{port}"
      username: "{username}"
      password: env:TEST_MYSQL_PASSWORD
roles:
  main/ahead: {{member_of: [app_readonly], warm: {{accounts: {waiting}}}}}
  main/on-demand: {{member_of: [app_readonly]}}
identities:
  tests: {{owner: the-tests, tenant: tests, match: [{{unix: {{uid: {uid}}}}}]}}
access:
  - {{identities: [tests], paths: ["database/creds/*"], verbs: [issue]}}
  - {{identities: [tests], paths: ["*"], verbs: [operate]}}
"""


def measure(world: World, scale: Scale) -> list[Figure]:
    what = f"issue, MariaDB, {ACCOUNTS:,} accounts"
    ahead = Figure(f"{what}, made ahead, p50", "ms", ROUND, BUDGET)
    on_demand = Figure(f"{what}, made on demand, p50", "ms", ROUND)
    mariadb = PrivateMariadb().start()
    try:
        mariadb.reset()
        mariadb.execute(
            "SET GLOBAL general_log = OFF", "SET GLOBAL innodb_flush_log_at_trx_commit = 1"
        )
        policy = POLICY.format(
            port=mariadb.port, username=mariadb.admin, uid=os.getuid(), waiting=ROUND
        )
        env = {"TEST_MYSQL_PASSWORD": mariadb.password}
        daemon = Daemon(world.folder / "ahead", env, policy=policy).start()
        callers = Worker("bench.callers", socket=str(daemon.socket))
        try:
            before = [_round(daemon, callers) for _ in range(scale.expiry_rounds)]
            _fill(mariadb)
            for first in before:
                now = _round(daemon, callers)
                ahead.add(now[0], first[0])
                on_demand.add(now[1], first[1])
        finally:
            callers.close()
            daemon.stop()
    finally:
        mariadb.remove()
    return [ahead, on_demand]


def _round(daemon: Daemon, callers: Worker) -> tuple[float, float]:
    """The median of a hundred that were made ahead, and of a hundred that were not, in ms."""
    spans = []
    for path in (AHEAD, ON_DEMAND):
        shelf.wait_until_full(daemon, AHEAD, ROUND)
        requests = [("GET", f"/v1/{path}", None)] * ROUND
        spans.append(median(callers.do("ask", callers=1, requests=requests)["spans_s"]) * 1000)
    return spans[0], spans[1]


def _fill(mariadb: PrivateMariadb) -> None:
    verifier = "*" + "A" * 40
    for start in range(0, ACCOUNTS, 500):
        names = ", ".join(
            f"'others_{number}'@'%' IDENTIFIED WITH mysql_native_password AS '{verifier}'"
            for number in range(start, start + 500)
        )
        mariadb.execute(f"CREATE USER {names}")
