"""A database that is away is no failure of what was to be done: everything goes on as soon as it is back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import InterfaceError, OperationalError, connection

from apps.core.work import Job
from apps.worker import embedded
from apps.worker.database import is_away
from apps.worker.embedded import Engine
from tests.support.engine_process import wait_until


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the database is away; nobody waits for long."""
    told = [True]
    monkeypatch.setattr(embedded, "is_away", lambda problem: told[0] and isinstance(problem, OperationalError))
    monkeypatch.setattr(embedded, "AWAY_SECONDS", 0.02)
    return told


def run(done: Callable[[], bool], *jobs: Job) -> None:
    engine = Engine({job.name: job for job in jobs})
    engine.start()
    try:
        wait_until(done, 10)
    finally:
        engine.stop()


def test_a_unit_that_found_no_database_is_tried_as_soon_as_there_is_one(away: list[bool]) -> None:
    tried: list[int] = []

    def work(pk: int) -> None:
        tried.append(pk)
        if len(tried) < 8:
            raise OperationalError
        away[0] = False

    run(lambda: not away[0], Job("x.unit", lambda _: [1], work, every=3600))  # eight failures are two minutes of pauses
    assert len(tried) == 8


def test_a_sweep_that_found_no_database_asks_for_everything_when_it_is_back(away: list[bool]) -> None:
    asked: list[str] = []
    done: list[int] = []

    def due(_: int) -> list[int]:
        asked.append("first")
        if len(asked) < 8:
            raise OperationalError
        away[0] = False
        return [1]

    def other(_: int) -> list[int]:
        asked.append("second")
        return [2]

    jobs = Job("x.first", due, done.append, every=3600), Job("x.second", other, done.append, every=3600)
    run(lambda: sorted(done) == [1, 2], *jobs)
    assert asked == ["first"] * 8 + ["second"]


def test_what_fails_by_itself_waits_longer_each_time(away: list[bool]) -> None:
    away[0] = False
    tried: list[int] = []
    others: list[int] = []

    def work(pk: int) -> None:
        tried.append(pk)
        raise OperationalError

    run(
        lambda: len(others) > 20,
        Job("x.unit", lambda _: [1], work, every=0.01),
        Job("x.other", lambda _: [1], others.append, every=0.01),
    )
    assert tried == [1]


@pytest.mark.django_db(transaction=True)
def test_a_question_that_fails_says_nothing_of_the_database() -> None:
    assert not is_away(OperationalError("database is locked"))
    assert not is_away(ValueError("something else"))


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_cut_tells_that_the_database_is_away() -> None:
    with connection.cursor() as cursor:
        with pytest.raises(OperationalError) as cut:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        assert is_away(cut.value)
    connection.close()
    connection.ensure_connection()
    assert is_away(cut.value), "whoever asks may have a new connection by now"
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 50")
        with pytest.raises(OperationalError) as canceled:
            cursor.execute("SELECT pg_sleep(5)")
        assert not is_away(canceled.value)
    connection.close()
    assert is_away(InterfaceError("connection already closed"))
