"""Tests that take long come last, and only while the time allowed for a run lasts; what is left out for it is said.

``scripts/run_tests.py`` sets the end where ``TEST_MINUTES`` is given, as ``.ci/run`` does; without it everything runs.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable

import pytest

END = "PORTAL_TESTS_UNTIL"
"""In the environment: seconds since the epoch."""
LONG = ("slow", "browser")
LEFT_OUT = "NOT RUN: the time allowed for long tests was over"


def is_long(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in LONG)


def skip_when_over(item: pytest.Item) -> None:
    if is_long(item) and time.time() > float(os.environ.get(END, "inf")):
        pytest.skip(LEFT_OUT)


def told(reports: Iterable[pytest.TestReport]) -> str:
    """What to print about ``reports`` of skipped tests; nothing where all had their time."""
    files = Counter(one.nodeid.partition("::")[0] for one in reports if LEFT_OUT in str(one.longrepr))
    if not files:
        return ""
    names = ", ".join(f"{name} ({count})" for name, count in sorted(files.items()))
    return f"*** {LEFT_OUT} for {files.total()} of them; make test runs all: {names} ***"
