"""`make bench`: measure, print a table, write JSON. It measures and never judges: exit code 0.

Ours and bare psycopg take turns on one server, round after round, and their ratio is taken round by
round, so that a machine that is busy for a while slows both. What is shown is the median of the
rounds, and the ratio's minimum and maximum as well, which is the noise.
"""

import argparse
import datetime
import signal
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
NAMES = ("issue", "ahead", "expiry", "look", "restart", "idle", "help", "crowd")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no million of leases")
    parser.add_argument("--only", choices=NAMES, action="append", help="may be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="default: bench-<date>.json")
    wanted = parser.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that no server is left
    sys.path[0] = str(TESTS)
    from bench import ahead, crowd, expiring, issuing, looking, report, restarting, resting
    from bench.machine import facts, load
    from bench.scale import FULL, QUICK
    from bench.world import world

    scale = QUICK if wanted.quick else FULL
    measures = {
        "issue": issuing.measure,
        "ahead": ahead.measure,
        "look": looking.measure,
        "expiry": expiring.measure,
        "restart": restarting.measure,
        "idle": resting.measure,
        "help": resting.measure_help,
        "crowd": crowd.measure,
    }
    today = datetime.datetime.now(datetime.UTC).date()
    figures: list[report.Figure] = []
    with world() as made:
        machine = {**facts(made), "load before": load()}
        for name in wanted.only or NAMES:
            print(f"measuring: {name}", file=sys.stderr, flush=True)
            figures += measures[name](made, scale)
        machine["load after"] = load()
    print(report.table(figures, machine))
    file = wanted.json or Path(f"bench-{today}.json")
    file.write_text(report.as_json(figures, machine, today, quick=wanted.quick))
    print(f"\nwritten to {file}")


if __name__ == "__main__":
    main()
