"""Rounds, medians, ratios, and one table: what every benchmark shares.

Only ratios inside one run are compared with anything: the machine may be shared, but the baseline of a
ratio is measured in the same rounds, between the things that it is compared with.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Row:
    """One line of the table: a value in its unit, and, where there is a baseline, the ratio and the aim for it."""

    what: str
    value: float
    unit: str = "ms"
    ratio: float | None = None
    aim: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """``ok`` or ``MISS`` where there is an aim; it is about the ratio, or about the value where there is none."""
        if self.aim is None:
            return ""
        return "ok" if (self.value if self.ratio is None else self.ratio) <= self.aim else "MISS"


@dataclass
class Result:
    """What one benchmark found."""

    name: str
    rows: list[Row] = field(default_factory=list)

    def add(self, what: str, value: float, **columns: Any) -> None:
        self.rows.append(Row(what, value, **columns))


@dataclass(frozen=True)
class Plan:
    """How much is done: ``quick`` shows only that everything runs."""

    quick: bool
    rounds: int
    place: Path


def timed(call: Callable[[], object]) -> float:
    """Milliseconds that one call takes."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1_000


def rounds(count: int, calls: dict[str, Callable[[int], object]]) -> dict[str, float]:
    """Each call once per round, in turn; the median milliseconds of each. A call is told the number of its round."""
    seen: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(count):
        for name, call in calls.items():
            started = time.perf_counter()
            call(number)
            seen[name].append((time.perf_counter() - started) * 1_000)
    return {name: statistics.median(values) for name, values in seen.items()}


def percentile(values: list[float], share: float) -> float:
    """The value that ``share`` (0…1) of ``values`` do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def table(results: list[Result]) -> str:
    """All results as one text."""
    lines = []
    for result in results:
        lines.append(f"\n{result.name}")
        for row in result.rows:
            ratio = "" if row.ratio is None else f"{row.ratio:7.2f}x"
            aim = "" if row.aim is None else f"aim {row.aim:g}"
            lines.append(
                f"  {row.what:<46}{row.value:>12,.1f} {row.unit:<8}{ratio:>9}  {aim:<9}{row.verdict:<5}{row.note}".rstrip()
            )
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    """What the figures were seen on, with its load."""
    return {
        "cores": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()],
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def write_json(results: list[Result], before: dict[str, Any], folder: Path) -> Path:
    """The figures as ``<time>.json`` in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"
    body = {
        "machine": {"before": before, "after": machine()},
        "results": [
            {"name": result.name, "rows": [{**vars(row), "verdict": row.verdict} for row in result.rows]}
            for result in results
        ],
    }
    target.write_text(json.dumps(body, indent=1) + "\n")
    return target
