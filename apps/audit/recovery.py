"""When the database and the published log are not one any more: taking back what was forgotten, or beginning anew."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.db import transaction

from apps.audit.actors import SYSTEM
from apps.audit.canonical import canonical_json
from apps.audit.models import AuditEntry, AuditHead, Publication
from apps.audit.published import REF, Held, entries_after, git_dir, note, read, take_as_current
from apps.audit.publishing import begin_anew, require_same_log
from apps.audit.services import lock_head, record
from apps.audit.tlog import BadTiles, leaf_hash
from apps.core.errors import Conflict, InvalidInput
from apps.vcs.errors import ObjectMissing
from apps.vcs.refs import resolve


def take_back() -> int:
    """Append the published entries that the database has forgotten; how many.

    :class:`Held` when the two logs part before the end of the database: then nothing is taken.
    """
    with transaction.atomic():
        head = lock_head()
        found = read()
        if found is None:
            return 0
        if found.size <= head.seq:
            require_same_log(found, head.seq)
        last, taken = head.hash, 0
        for raw in entries_after(found, head.seq):
            entry = _entry(raw, last)
            entry.save(force_insert=True)
            last, taken = entry.hash, taken + 1
        AuditHead.objects.filter(pk=AuditHead.ONLY).update(seq=head.seq + taken, hash=last, held="")
        if taken:
            data = {"after": head.seq, "entries": taken, "commit": found.commit}
            record(SYSTEM, "audit.recovered", summary=f"{taken} forgotten entries were taken back from Git", data=data)
    _look_soon()
    return taken


def start_over(reason: str) -> None:
    """Begin a new published log with all that the database has; the old one stays in the history of the repository."""
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why a new log is begun: auditors will ask.", field="reason")
    old = resolve(git_dir(), REF) if git_dir().is_dir() else None
    if old is None:
        raise InvalidInput("nothing_published", "Nothing is published yet, so there is nothing to begin anew.")
    with transaction.atomic():
        lock_head()
        AuditHead.objects.filter(pk=AuditHead.ONLY).update(held="")
        take_as_current()
        data = {"reason": reason.strip(), "commit": old, "checkpoint": _said(old)}
        entry = record(
            SYSTEM, "audit.begun_anew", summary=f"A new published log was begun: {reason.strip()}", data=data
        )
        # Before the commit here: should that fail, the entry is published and can be taken back.
        if begin_anew(old, entry.seq) is None:
            raise Conflict(
                "publisher_running", "The log was published at this moment. Stop the portal and run this again."
            )
    _look_soon()


def _said(commit: str) -> str:
    try:
        return note(commit)
    except (BadTiles, ObjectMissing):
        return ""


def _look_soon() -> None:
    Publication.objects.update(retry_at=None, failure="")


def _entry(raw: bytes, last: str) -> AuditEntry:
    """The row of published bytes; :class:`Held` unless it follows the entry whose hash is ``last``."""
    try:
        entry = _read(raw)
    except (ValueError, KeyError, TypeError):
        entry = None
    if entry is None or entry.prev_hash != last or canonical_json(entry.document()) != raw:
        raise Held(
            "audit_log_forked",
            "A published entry does not follow the last entry of the database: the two logs parted before it. "
            "Nothing was taken back. `manage.py recover_audit_log --begin-anew` begins a new log.",
        )
    return entry


def _read(raw: bytes) -> AuditEntry:
    said: dict[str, Any] = json.loads(raw)
    return AuditEntry(
        seq=said["seq"],
        at=datetime.fromisoformat(said["at"]),
        action=said["action"],
        actor=said["actor"],
        actor_name=said["actor"]["name"],
        target=said["target"],
        repository=said["repository"],
        change_number=said["change"],
        environment=said["environment"],
        deployment_number=said["deployment"],
        summary=said["summary"],
        data=said["data"],
        request_id=said["request_id"],
        prev_hash=said["prev_hash"],
        hash=leaf_hash(raw).hex(),
    )
