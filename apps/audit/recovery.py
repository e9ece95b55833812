"""When the database and the published log are not one any more: taking back what was forgotten, or beginning anew."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.db import transaction

from apps.audit.actors import SYSTEM
from apps.audit.canonical import canonical_json
from apps.audit.models import AuditEntry, AuditHead, Publication
from apps.audit.published import Held, entries_after, git_dir, newest, note_if_any, read, take_as_current
from apps.audit.publishing import begin_anew, open_log, require_same_log
from apps.audit.services import lock_head, record
from apps.audit.tlog import leaf_hash
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput
from apps.core.failpoints import failpoint
from apps.vcs.objects import is_sound


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
    """Begin a new published log with all that the database has; the old one stays in the history of the repository.

    One that is damaged is set aside as a whole, beside the new one.
    """
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why a new log is begun: auditors will ask.", field="reason")
    row = Publication.objects.first() or Publication()
    old = newest() or row.commit
    if not old:
        raise InvalidInput("nothing_published", "Nothing is published yet, so there is nothing to begin anew.")
    data = {"reason": reason.strip(), "commit": old, "checkpoint": note_if_any(old)}
    if not data["checkpoint"]:
        data |= {"size": row.size, "root": row.root}
    parent = _parent()
    with transaction.atomic():
        lock_head()
        AuditHead.objects.filter(pk=AuditHead.ONLY).update(held="")
        take_as_current()
        entry = record(
            SYSTEM, "audit.begun_anew", summary=f"A new published log was begun: {reason.strip()}", data=data
        )
        # Before the commit here: should that fail, the entry is published and can be taken back.
        if not begin_anew(entry.seq, old=old, parent=parent):
            raise Conflict(
                "publisher_running", "The log was published at this moment. Stop the portal and run this again."
            )
        failpoint("K16N")
    _look_soon()


def _parent() -> str:
    """What a new log goes on from: the old one with its whole history, or what the copy elsewhere has, or nothing."""
    if newest() is None or not is_sound(git_dir()):
        if git_dir().exists():
            git_dir().rename(git_dir().with_name(f"{git_dir().name}.damaged-{now():%Y%m%dT%H%M%S}"))
        open_log(judged=False)
    return newest() or ""


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
