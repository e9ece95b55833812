"""The order of tests, and what is left out when the time allowed for a run is over; that is said, with names.

``scripts/run_tests.py`` sets both ends where ``TEST_MINUTES`` is given, as ``.ci/run`` does; without it everything runs. On a machine
that is slow beyond measure a run that ends and says what is missing is worth more than one that is killed.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable

import pytest

END_OF_LONG, END = "PORTAL_LONG_TESTS_UNTIL", "PORTAL_TESTS_UNTIL"
"""In the environment: seconds since the epoch."""
LAST = 2
LEFT_OUT = "NOT RUN: the time allowed for tests was over"


def place(item: pytest.Item) -> int:
    """Those of the browser first, so that none of them is left out; what takes long, or many processes, last."""
    if item.get_closest_marker("browser"):
        return 0
    return LAST if item.get_closest_marker("slow") else 1


def skip_when_over(item: pytest.Item) -> None:
    if time.time() > float(os.environ.get(END_OF_LONG if place(item) == LAST else END, "inf")):
        pytest.skip(LEFT_OUT)


def told(reports: Iterable[pytest.TestReport]) -> str:
    """What to print about ``reports`` of skipped tests; nothing where all had their time."""
    files = Counter(one.nodeid.partition("::")[0] for one in reports if LEFT_OUT in str(one.longrepr))
    if not files:
        return ""
    names = ", ".join(f"{name} ({count})" for name, count in sorted(files.items()))
    return f"*** {LEFT_OUT} for {files.total()} of them; make test runs all: {names} ***"
