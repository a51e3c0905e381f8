"""Run benches by name and print what they found."""

import argparse
import gc
import importlib
import sys
import tempfile
from pathlib import Path

from tests.bench.figures import Plan, Result, surroundings, watched, write_json

NAMES = (
    "checkins",
    "checkins_postgres",
    "latency",
    "start",
    "boards",
    "peers",
    "store",
    "talk",
    "pictures",
    "fraud",
)
FULL_SIZE, QUICK_SIZE = 1_000_000, 20_000
"""Postings in the largest store of `store`, unless `--size` says otherwise."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"{', '.join(NAMES)}, profile")
    parser.add_argument("--json", type=Path, help="write everything there as well")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small, to see that it runs")
    parser.add_argument("--size", type=int, metavar="POSTINGS", help="store: how large it grows")
    options = parser.parse_args()
    names = options.names or NAMES
    if unknown := set(names) - {*NAMES, "profile"}:
        parser.error(f"there is no bench {', '.join(sorted(unknown))}")
    print(" · ".join(f"{name} {value}" for name, value in surroundings().items()))
    results: list[Result] = []
    for name in names:
        result = Result(name)
        with tempfile.TemporaryDirectory(prefix=f"qunying-bench-{name}-") as folder:
            rounds = 1 if options.quick else options.rounds
            size = options.size or (QUICK_SIZE if options.quick else FULL_SIZE)
            plan = Plan(rounds, options.quick, Path(folder), size)
            with watched(result):
                importlib.import_module(f"tests.bench.{name}").run(plan, result)
        gc.collect()
        result.show()
        results.append(result)
        if options.json:
            write_json(options.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
