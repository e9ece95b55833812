"""Shared fixtures: a data directory of its own for each test, and transactional tests that respect the audit log."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from django.test import TransactionTestCase

from tests.support import allowance, schema
from tests.support.lock_order import LOCK_ORDER

SELDOM = (100_000, 50, 1000)
"""How many new objects, and rounds, the collector of garbage lets come before it looks; the tests save a twelfth of their time."""


def _empty_the_database(_: TransactionTestCase) -> None:
    """Transactional tests end with a flush, which the append-only triggers would refuse.

    Nothing that Django writes after a migration (permissions, kinds of content) is used here, so it is not written again.
    """
    from apps.audit import triggers

    with triggers.suspended(connections["default"]):
        call_command("flush", verbosity=0, interactive=False, reset_sequences=False, inhibit_post_migrate=True)


TransactionTestCase._fixture_teardown = _empty_the_database  # type: ignore[method-assign]


def pytest_collection_finish() -> None:
    """What is loaded by now stays: the collector of garbage need not walk through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SELDOM)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=allowance.place)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    allowance.skip_when_over(item)


def pytest_configure(config: pytest.Config) -> None:
    LOCK_ORDER.start()
    if cache := getattr(config, "cache", None):  # `-p no:cacheprovider` leaves it out
        schema.remember_in(cache.mkdir("schema"))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """What pytest-django calls before it makes the test database."""
    schema.copy_next()


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """Mirrors, runs and local repositories of one test live in its own directory."""
    settings.PORTAL_DATA_DIR = tmp_path / "portal-data"
    settings.PORTAL_DATA_DIR.mkdir()
    settings.PORTAL_LOCAL_REPOSITORY_DIRS = [str(tmp_path)]
    settings.PORTAL_ENGINE = "none"
    # Steps leave witnesses beside the portal's data; where a machine can shut nothing in, they run in the open.
    settings.PORTAL_STEP_WRITABLE, settings.PORTAL_STEPS_UNFENCED = [tempfile.gettempdir()], True
    settings.PORTAL_STEP_FOLDERS = [sys.prefix, sys.base_prefix]  # steps that are Python programs
    return settings.PORTAL_DATA_DIR


@pytest.fixture(autouse=True)
def one_order_of_locks() -> Iterator[None]:
    """No act of this test locks what others may hold after the head of the log (ADR 26)."""
    LOCK_ORDER.found.clear()
    yield
    assert not LOCK_ORDER.found, "\n".join(LOCK_ORDER.found)


@pytest.fixture(autouse=True)
def same_umask() -> Iterator[None]:
    """What a process inherits from a test would break others far away, so a test leaves it as it was."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    after = os.umask(before)
    assert after == before, f"the umask is {after:04o} after this test and was {before:04o}"


@pytest.fixture
def shared_data() -> Path:
    """Real repositories and official API descriptions; a loud skip where they are not at hand."""
    place = Path(os.environ.get("PORTAL_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not place.is_dir():
        pytest.skip(f"NOT RUN: no shared data at {place}; set PORTAL_SHARED_DATA")
    return place


@pytest.fixture
def says(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """What a test found out beside passing: seeds, counts and rates, shown at the end of the run."""
    return lambda text: record_property("says", text)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    told = [(report.nodeid, text) for report in reports for key, text in report.user_properties if key == "says"]
    for place, text in told:
        terminalreporter.write_line(f"{place}\n{text}")
    if text := allowance.told(terminalreporter.getreports("skipped")):
        terminalreporter.write_line(text)
