"""Tests that take long come last, and what does not begin within the time allowed for a run is left out; that is said, with names.

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
LONG = ("slow", "browser")
LEFT_OUT = "NOT RUN: the time allowed for tests was over"


def is_long(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in LONG)


def skip_when_over(item: pytest.Item) -> None:
    if time.time() > float(os.environ.get(END_OF_LONG if is_long(item) else END, "inf")):
        pytest.skip(LEFT_OUT)


def told(reports: Iterable[pytest.TestReport]) -> str:
    """What to print about ``reports`` of skipped tests; nothing where all had their time."""
    files = Counter(one.nodeid.partition("::")[0] for one in reports if LEFT_OUT in str(one.longrepr))
    if not files:
        return ""
    names = ", ".join(f"{name} ({count})" for name, count in sorted(files.items()))
    return f"*** {LEFT_OUT} for {files.total()} of them; make test runs all: {names} ***"
