"""Checking the chain from its rows, and against the published log. What it proves and what not: docs/audit.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError, connection

from apps.audit import triggers
from apps.audit.canonical import ZERO_HASH, canonical_json
from apps.audit.models import AuditEntry, AuditHead
from apps.audit.published import Held, read
from apps.audit.tlog import Tree, leaf_hash

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
    sentence, empty when ``ok``. ``published``: how many of the entries are those of the published log."""

    entries: int
    ok: bool
    first_bad: int | None
    problem: str
    head: Head
    published: int = 0


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
    published = _Published()
    try:
        published.open()
        last = _trusted(from_seq)
        for entry in _stream(from_seq):
            raw = _check(entry, last)
            last = Head(entry.seq, entry.hash)
            checked += 1
            _check_head(before, last)
            published.compare(entry.seq, raw)
        _check_end(before, last)
        published.compare_end(last)
        _check_triggers()
    except _Broken as broken:
        return Report(checked, ok=False, first_bad=broken.seq, problem=broken.problem, head=last)
    return Report(checked, ok=True, first_bad=None, problem="", head=last, published=published.equal)


class _Published:
    """The newest checkpoint of the published log, if there is one; ``equal``: how many entries were found to be those that it signs."""

    def __init__(self) -> None:
        self.equal = 0
        self._size = 0
        self._root = b""
        self._tree = Tree(keep=False)

    def open(self) -> None:
        try:
            found = read() if settings.PORTAL_AUDIT_PUBLISH else None
        except Held as problem:
            raise _Broken(None, problem.message) from problem
        if found is not None:
            self._size, self._root = found.size, found.checkpoint.root

    def compare(self, seq: int, raw: bytes) -> None:
        """A walk that begins later than at the first entry has no root to compare."""
        if not seq == self._tree.size + 1 <= self._size:
            return
        self._tree.append(raw)
        if seq == self._size:
            if self._tree.root() != self._root:
                raise _Broken(
                    None, f"The first {seq} entries are not those that were published: the log was rewritten."
                )
            self.equal = seq

    def compare_end(self, last: Head) -> None:
        if last.seq < self._size:
            raise _Broken(last.seq + 1, f"Entry {last.seq + 1} is missing: {self._size} are published.")


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


def _check(entry: AuditEntry, last: Head) -> bytes:
    """The bytes that were hashed."""
    if entry.seq != last.seq + 1:
        raise _Broken(last.seq + 1, f"Entry {last.seq + 1} is missing: entry {entry.seq} follows {last.seq}.")
    if entry.prev_hash != last.hash:
        raise _Broken(entry.seq, f"Entry {entry.seq} does not continue entry {last.seq}: the chain is broken.")
    try:
        raw = canonical_json(entry.document())
    except (ValueError, TypeError, AttributeError):
        raw = b""
    if leaf_hash(raw).hex() != entry.hash:
        raise _Broken(entry.seq, f"Entry {entry.seq} was altered: its content does not give its hash.")
    if not isinstance(entry.actor, dict) or entry.actor.get("name") != entry.actor_name:
        raise _Broken(entry.seq, f"Entry {entry.seq} was altered: the indexed name is not the actor's.")
    return raw


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
