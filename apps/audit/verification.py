"""Checking the chain from the rows alone. What it proves and what not: docs/audit.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import DatabaseError, connection

from apps.audit import triggers
from apps.audit.canonical import ZERO_HASH, entry_hash
from apps.audit.models import AuditEntry, AuditHead

CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: ``seq`` 0 for an empty log."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Report:
    """``entries``: how many were checked and found good. ``first_bad``: the ``seq`` at which the chain
    breaks, ``None`` if it does not, or if only the head or the triggers are wrong. ``problem``: a
    sentence, empty when ``ok``."""

    entries: int
    ok: bool
    first_bad: int | None
    problem: str
    head: Head


class _Broken(Exception):
    def __init__(self, seq: int | None, problem: str) -> None:
        super().__init__(problem)
        self.seq = seq
        self.problem = problem


def verify(*, from_seq: int = 1) -> Report:
    """Walk the chain from ``from_seq`` to its end, in constant memory.

    Writers may go on meanwhile. With ``from_seq`` above 1 the entry before it is trusted.
    """
    checked = 0
    last = Head(0, ZERO_HASH)
    before = _stored_head()
    try:
        last = _trusted(from_seq)
        for entry in _stream(from_seq):
            _check(entry, last)
            last = Head(entry.seq, entry.hash)
            checked += 1
            _check_head(before, last)
        _check_end(before, last)
        _check_triggers()
    except _Broken as broken:
        return Report(checked, ok=False, first_bad=broken.seq, problem=broken.problem, head=last)
    return Report(checked, ok=True, first_bad=None, problem="", head=last)


def _stored_head() -> Head | None:
    row = AuditHead.objects.filter(pk=AuditHead.ONLY).first()
    return Head(row.seq, row.hash) if row else None


def _trusted(from_seq: int) -> Head:
    if from_seq <= 1:
        return Head(0, ZERO_HASH)
    entry = AuditEntry.objects.filter(seq=from_seq - 1).first()
    if entry is None:
        raise _Broken(from_seq - 1, f"Entry {from_seq - 1} is missing, so the chain cannot be checked from {from_seq}.")
    return Head(entry.seq, entry.hash)


def _stream(from_seq: int) -> Iterator[AuditEntry]:
    seen = from_seq - 1
    try:
        for entry in AuditEntry.objects.filter(seq__gte=from_seq).order_by("seq").iterator(chunk_size=CHUNK):
            yield entry
            seen = entry.seq
    except (ValueError, TypeError, DatabaseError) as error:
        raise _Broken(seen + 1, f"A row after entry {seen} cannot be read: {error}.") from error


def _check(entry: AuditEntry, last: Head) -> None:
    if entry.seq != last.seq + 1:
        raise _Broken(last.seq + 1, f"Entry {last.seq + 1} is missing: entry {entry.seq} follows {last.seq}.")
    if entry.prev_hash != last.hash:
        raise _Broken(entry.seq, f"Entry {entry.seq} does not continue entry {last.seq}: the chain is broken.")
    try:
        good = entry_hash(entry.document()) == entry.hash
    except (ValueError, TypeError, AttributeError):
        good = False
    if not good:
        raise _Broken(entry.seq, f"Entry {entry.seq} was altered: its content does not give its hash.")
    if not isinstance(entry.actor, dict) or entry.actor.get("name") != entry.actor_name:
        raise _Broken(entry.seq, f"Entry {entry.seq} was altered: the indexed name is not the actor's.")


def _check_head(head: Head | None, entry: Head) -> None:
    if head is not None and entry.seq == head.seq and entry.hash != head.hash:
        raise _Broken(entry.seq, f"The head names another hash for entry {entry.seq}: entries were rewritten.")


def _check_triggers() -> None:
    if absent := triggers.missing(connection):
        raise _Broken(None, f"Triggers that keep the log append-only are missing: {', '.join(absent)}.")


def _check_end(before: Head | None, last: Head) -> None:
    """The end of the rows against the head, which may have moved on since ``before`` was read."""
    after = _stored_head()
    if after is None:
        if last.seq:
            raise _Broken(None, "The head of the log is missing.")
        return
    if before is not None and last.seq < before.seq:
        raise _Broken(last.seq + 1, f"Entry {last.seq + 1} is missing: the head stands at {before.seq}.")
    if last.seq > after.seq:
        raise _Broken(after.seq + 1, f"Entry {after.seq + 1} is not covered by the head: it was added by hand.")
    if last.seq == after.seq and last.hash != after.hash:
        raise _Broken(last.seq or None, "The head names another hash than the last entry has.")
