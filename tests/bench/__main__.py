"""``python -m tests.bench [--quick] [--rounds N] [name …]``: all benchmarks, or those that are named."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.measuring import ROOT, Plan, Result, machine, table, write_json

BENCHMARKS = (
    "diff_engine",
    "diff_pages",
    "whole_diff",
    "interdiff",
    "highlighting",
    "throughput",
    "growth",
    "browser_cost",
    "board",
    "history_pages",
    "list_pages",
    "open_changes",
    "verdict",
    "log_fan_out",
    "fan_out_peers",
    "event_latency",
    "engine_rates",
    "log_append",
    "expert_choice",
    "rendering",
    "second_start",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small workloads, one round: shows only that it runs")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="folder for the figures (default: bench/ in PORTAL_DATA_DIR or var)")
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHMARKS))
    options = parser.parse_args()
    before, results = machine(), []
    with TemporaryDirectory(prefix="portal-bench-") as folder:
        plan = Plan(options.quick, 1 if options.quick else options.rounds, Path(folder))
        for name in options.names or BENCHMARKS:
            run: Callable[[Plan], Result] = import_module(f"tests.bench.{name}").run
            result = run(plan)
            results.append(result)
            print(table([result]), flush=True)
    target = options.json or Path(os.environ.get("PORTAL_DATA_DIR") or ROOT / "var") / "bench"
    load = " ".join(f"{value:.1f}" for value in before["load"])
    print(f"\n{before['cores']} cores, load before {load}; figures in {write_json(results, before, target)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
