"""Writing the log: one call of ``record`` in the transaction of every mutating use case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import transaction

from apps.audit.actions import ACTIONS
from apps.audit.actors import Actor
from apps.audit.canonical import ZERO_HASH, entry_hash
from apps.audit.models import AuditEntry, AuditHead
from apps.audit.published import Held, require_current, size_to_have
from apps.audit.sanitising import clean_data, clean_text
from apps.core.clock import now
from apps.core.context import request_id
from apps.core.errors import Conflict, PortalError

REFUSED_AGAIN = timedelta(minutes=1)
"""Within this time the same refusal of the same person is one entry, or a loop would fill the log."""


class AuditMisuse(RuntimeError):
    """A mistake in our code, never in what a person did: no transaction, or an unlisted action."""


def record(
    actor: Actor,
    action: str,
    *,
    target: str = "",
    repository: str = "",
    change: int | None = None,
    environment: str = "",
    deployment: int | None = None,
    summary: str,
    data: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Append one entry to the chain, inside the caller's transaction.

    Committed or rolled back together with what it tells about, so ``seq`` has no gap. Call it
    last: the head stays locked until the transaction ends. Raises :class:`AuditMisuse` outside
    a transaction and for an action that ``audit.actions`` does not list; :class:`Conflict`
    ``audit_head_missing`` when the head of a log that has entries is gone.
    """
    if not transaction.get_connection().in_atomic_block:
        raise AuditMisuse(f"audit.record({action!r}) outside a transaction: the act could happen without its entry.")
    if action not in ACTIONS:
        raise AuditMisuse(f"audit.record({action!r}): add the action to apps/audit/actions.py.")
    head = _locked_head()
    entry = AuditEntry(
        seq=head.seq + 1,
        at=now(),
        action=action,
        actor={key: clean_text(v, 300) if isinstance(v, str) else v for key, v in actor.as_json().items()},
        target=clean_text(target, 300),
        repository=repository,
        change_number=change,
        environment=clean_text(environment, 120),
        deployment_number=deployment,
        summary=clean_text(summary, 500),
        data=clean_data(data),
        request_id=request_id.get()[:64],
        prev_hash=head.hash,
    )
    entry.actor["name"] = entry.actor_name = clean_text(actor.name, 150)
    entry.hash = entry_hash(entry.document())
    entry.save(force_insert=True)
    AuditHead.objects.filter(pk=AuditHead.ONLY).update(seq=entry.seq, hash=entry.hash)
    return entry


@contextmanager
def refusals_on_record(
    actor: Actor, action: str, *codes: str, target: str, repository: str, change: int
) -> Iterator[None]:
    """What is done inside may be refused; with one of ``codes`` that is recorded, once its own transaction is undone.

    The refusal goes on to the caller. Others (what is not visible, bad shapes, lost races) say nothing about a gate.
    """
    try:
        yield
    except PortalError as refusal:
        if refusal.code in codes:
            with transaction.atomic():
                _record_refusal(actor, action, refusal, target=target, repository=repository, change=change)
        raise


def _record_refusal(
    actor: Actor, action: str, refusal: PortalError, *, target: str, repository: str, change: int
) -> None:
    latest = AuditEntry.objects.filter(
        action=action, actor_name=actor.name, change_number=change, at__gt=now() - REFUSED_AGAIN
    )
    if any(entry.data.get("code") == refusal.code for entry in latest):
        return
    summary = f"{ACTIONS[action]} for {actor.name}: {refusal.message}"
    record(
        actor, action, target=target, repository=repository, change=change, summary=summary, data={"code": refusal.code}
    )


def hold_log() -> None:
    """Nothing else is recorded, so nothing else that matters is changed, until the caller's transaction ends.

    Whatever takes a role, a membership, an account or an approval away records that in its own transaction. Who judges
    under this lock therefore sees everything that was committed before, and what comes later comes after the act that was judged:
    no check of a counter is needed, because the place in the log is the counter (RELIABILITY §3.3, T3).
    """
    if not transaction.get_connection().in_atomic_block:
        raise AuditMisuse("audit.hold_log() outside a transaction holds nothing.")
    _locked_head()


def lock_head() -> AuditHead:
    """The head, locked until the transaction ends (on SQLite the transaction itself is the lock), whatever is known against it."""
    locked = AuditHead.objects.select_for_update(no_key=True).filter(pk=AuditHead.ONLY)
    head = locked.first()
    if head is None:
        # Waits for another first writer; afterwards there is one row, whoever wrote it.
        fresh = AuditHead(pk=AuditHead.ONLY, seq=0, hash=ZERO_HASH)
        AuditHead.objects.bulk_create([fresh], ignore_conflicts=True)
        head = locked.get()
    return head


def _locked_head() -> AuditHead:
    """The head, locked, where something may be recorded behind it."""
    size = size_to_have()
    head = lock_head()
    if head.held:
        raise Held("audit_log_held", f"Nothing can be recorded, so nothing can be done. {head.held}")
    require_current(head.seq, size)
    if head.seq == 0 and AuditEntry.objects.exists():
        # Starting again at zero would hide that somebody removed the head.
        raise Conflict(
            "audit_head_missing",
            "The audit log has entries but its head is missing, so nothing can be recorded or changed. "
            "An administrator must run `manage.py verify_audit_log` and restore the database.",
        )
    return head
