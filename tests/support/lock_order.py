"""Whether every transaction of a test locks rows in the order of ADR 26: what others may hold first, the head of the log after that.

On PostgreSQL the statements say what they lock. SQLite has no such clause, so one that it reads as a comment is written for it: the
order is the same there, and that is where most tests run.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.transaction import Atomic, get_connection

HEAD = "audit_audithead"
BEFORE_THE_HEAD = frozenset(
    {
        "changes_changerequest", "changes_outsidechange", "repositories_repository", "repositories_branchtip",
        "deployments_environment", "deployments_driftwatch", "deployments_connection", "accounts_user", "accounts_team",
    }
)  # fmt: skip
LOCKS = re.compile(
    r'^UPDATE "(?P<updated>\w+)"|^INSERT INTO "(?P<made>\w+)"|^SELECT .*? FROM "(?P<read>\w+)"', re.DOTALL
)
CLAUSE = re.compile(r"FOR (?:NO KEY )?UPDATE(?: OF .+?)?(?P<skips> SKIP LOCKED)?(?: \*/)?\s*$")
TAIL = 200
"""Characters at the end of a statement in which a clause stands that locks."""
OUR_CODE = ("/apps/", "/tests/")


@dataclass
class Held:
    """What the present transaction of one connection has locked: rows, whole tables (which rows is not known), the head."""

    rows: set[tuple[str, object]] = field(default_factory=set)
    tables: set[str] = field(default_factory=set)
    head: bool = False


class LockOrder:
    """``found``: each lock that came too late, in words, since it was emptied."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._held: dict[BaseDatabaseWrapper, Held] = {}

    def start(self) -> None:
        """Watch every connection that is made from now on."""
        enter = Atomic.__enter__

        def entered(block: Atomic) -> None:
            at = get_connection(block.using)
            if not _is_in_transaction(at):
                self._held[at] = Held()
            enter(block)

        Atomic.__enter__ = entered  # type: ignore[method-assign]
        connection_created.connect(self._watch, weak=False)

    def _watch(self, connection: BaseDatabaseWrapper, **_: Any) -> None:
        if connection.vendor == "sqlite":
            _let_statements_say_what_they_lock(connection)
        if self._look not in connection.execute_wrappers:
            connection.execute_wrappers.append(self._look)

    def _look(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        at = context["connection"]
        if at in self._held and _is_in_transaction(at) and not many:
            self._note(self._held[at], str(sql), params)
        return execute(sql, params, many, context)

    def _note(self, held: Held, sql: str, params: Any) -> None:
        kind = sql[:6]
        if kind == "SELECT" and "UPDATE" not in sql[-TAIL:]:  # nearly every statement: it takes no time
            return
        locks = LOCKS.match(sql) if kind in {"UPDATE", "INSERT", "SELECT"} else None
        if locks is None:
            return
        if locks["made"]:
            held.tables.add(locks["made"])  # which number it has is not known here
            return
        clause = CLAUSE.search(sql[-TAIL:]) if locks["read"] else None
        table = locks["updated"] or (locks["read"] if clause and not clause["skips"] else "")
        if table == HEAD:
            held.head = True
        elif table in BEFORE_THE_HEAD:
            self._lock(held, table, sql, params)

    def _lock(self, held: Held, table: str, sql: str, params: Any) -> None:
        rows = {(table, key) for key in _keys(table, sql, tuple(params or ()))}
        is_held = table in held.tables or (bool(rows) and rows <= held.rows)
        if held.head and not is_held:
            self.found.append(f"{table} after the head of the log: {_where()}")
        held.rows |= rows
        if not rows:
            held.tables.add(table)


def _is_in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Whether what runs now is in a transaction of its own; that of a test, which is around all of it, is none."""
    return any(not block._from_testcase for block in connection.atomic_blocks)


def _keys(table: str, sql: str, params: tuple[Any, ...]) -> list[object]:
    """The primary keys that the conditions of ``sql`` name, as far as they are plain parameters."""
    where = sql.find(" WHERE ")
    if where < 0:
        return []
    first = sql.count("%s", 0, where)
    found: list[object] = []
    for match in re.finditer(rf'"{table}"\."id" (?:= (%s)|IN \(((?:%s(?:, )?)+)\))', sql[where:]):
        at = first + sql.count("%s", where, where + match.start())
        found += params[at : at + match.group(0).count("%s")]
    return found


def _where() -> str:
    ours = [one for one in traceback.extract_stack() if any(part in one.filename for part in OUR_CODE)]
    ours = [one for one in ours if "site-packages" not in one.filename and "support/lock_order" not in one.filename]
    return " > ".join(
        f"{one.filename.rsplit('/', 2)[-2]}/{one.filename.rsplit('/', 1)[-1]}:{one.name}" for one in ours[-7:]
    )


def _let_statements_say_what_they_lock(connection: BaseDatabaseWrapper) -> None:
    features, clause = connection.features, connection.ops.for_update_sql
    for name in ("", "_of", "_no_key", "_skip_locked", "_nowait"):
        setattr(features, f"has_select_for{name}_update" if name == "_no_key" else f"has_select_for_update{name}", True)
    if not hasattr(connection, "says_what_it_locks"):
        connection.says_what_it_locks = True  # type: ignore[attr-defined]
        connection.ops.for_update_sql = lambda **how: f"/* {clause(**how)} */"  # type: ignore[method-assign]


LOCK_ORDER = LockOrder()
