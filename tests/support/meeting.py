"""Two acts that really meet on PostgreSQL: one stops in the middle of its transaction until the other has to wait for it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connection, connections

LOG = r'"audit_audithead".* FOR NO KEY UPDATE'
PATIENCE = 20.0
Act = Callable[[], object]


class _Thread(threading.Thread):
    """An act on a connection of its own. ``before``: it stops at the first statement that matches, until it may ``go``."""

    def __init__(self, act: Act, before: str = "") -> None:
        super().__init__(daemon=True)
        self.act, self.before = act, before
        self.stopped, self.go = threading.Event(), threading.Event()
        self.backend = 0
        self.problem: Exception | None = None

    def run(self) -> None:
        try:
            connection.ensure_connection()
            self.backend = connection.connection.info.backend_pid
            with connection.execute_wrapper(self._pause):
                self.act()
        except Exception as problem:  # noqa: BLE001 - judged by the test
            self.problem = problem
        finally:
            connections.close_all()

    def _pause(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if self.before and not self.stopped.is_set() and re.search(self.before, sql):
            self.stopped.set()
            self.go.wait(PATIENCE)
        return execute(sql, params, many, context)

    def waits_for_a_lock(self) -> bool:
        if not self.backend:
            return False
        with connection.cursor() as cursor:
            cursor.execute("SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s", [self.backend])
            row = cursor.fetchone()
        return row is not None and row[0] == "Lock"


def meet(first: Act, second: Act, *, before: str = LOG) -> list[str]:
    """Stop ``first`` before the statement that matches ``before``; let ``second`` run until it ends or waits; then both go on.

    What went wrong in either, as words: a deadlock is one of them. Fails where ``first`` never comes to that statement.
    """
    one, other = _Thread(first, before), _Thread(second)
    one.start()
    until = time.monotonic() + PATIENCE
    while not one.stopped.is_set():
        assert one.is_alive(), f"it ended before it came to {before}: {one.problem!r}"
        assert time.monotonic() < until
        time.sleep(0.01)
    other.start()
    while other.is_alive() and not other.waits_for_a_lock():
        assert time.monotonic() < until
        time.sleep(0.01)
    one.go.set()
    one.join(PATIENCE)
    other.join(PATIENCE)
    assert not one.is_alive()
    assert not other.is_alive()
    return [f"{type(found).__name__}: {found}" for found in (one.problem, other.problem) if found is not None]
