"""The decision to merge: judged in the transaction that writes the intent; a job carries it out."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.changes import transitions as changes
from apps.changes.lifecycle import Status, words
from apps.changes.models import ChangeRequest
from apps.changes.transitions import lock_change
from apps.core.clock import now
from apps.core.errors import Conflict
from apps.core.failpoints import failpoint
from apps.core.work import request_work
from apps.deployments import access, messages
from apps.deployments.models import MergeIntent
from apps.deployments.queries import open_freeze
from apps.deployments.queries.freezes import words_of
from apps.deployments.services.rollback import widen_rollback
from apps.deployments.transitions import merge_key, note_emergency
from apps.reviews.queries import Judgement, judge


def merge_change(actor: User, *, change: ChangeRequest) -> MergeIntent:
    """Merge ``change`` if its verdict, judged again here and now, allows it.

    Refusals change nothing: :class:`NotAllowed` for a wrong role, :class:`Conflict` ``verdict`` with
    the whole verdict in ``details``, ``already_merging``, ``wrong_state``. The first two are on record. A roll-back
    whose automatic merge is under way answers that one's intent.
    """
    with audit.refusals_on_record(
        Actor.of(actor),
        "merge.refused",
        "verdict",
        "not_deployer",
        target=change.label,
        repository=change.repository.name,
        change=change.number,
    ):
        return _merge(actor, change)


@transaction.atomic
def _merge(actor: User, change: ChangeRequest) -> MergeIntent:
    locked = lock_change(change)
    access.require_merge(actor, locked)
    intent = MergeIntent.objects.pending().filter(change=locked).first()
    if intent is None:
        return begin_merge(actor, locked)
    if locked.kind == ChangeRequest.Kind.ROLLBACK:
        return intent
    raise Conflict(
        "already_merging",
        f"{locked.label} is being merged already ({intent.requested_by.shown_name} asked for it). Watch it on its page.",
        change=locked.number,
    )


def begin_merge(actor: User, change: ChangeRequest) -> MergeIntent:
    """Judge whether ``actor`` and the verdict may, then write intent and new state together; ``change`` is locked by the caller."""
    if change.status != Status.IN_REVIEW:
        raise Conflict(
            "wrong_state",
            f"{change.label} is {words(change.status)}; only a change in review can be merged. Reload its page.",
            status=change.status,
        )
    if change.kind == ChangeRequest.Kind.ROLLBACK:
        widen_rollback(change)
    audit.hold_log()  # a demotion or a withdrawal is before this, and seen, or after the merge, and too late
    actor.refresh_from_db(fields=["is_active", "is_superuser"])
    access.require_merge(actor, change)
    freeze = open_freeze(change.repository_id, change.target_branch)
    if freeze is not None:
        raise Conflict("frozen", words_of(freeze), freeze=freeze.pk)
    judged = judge(change)
    verdict = judged.verdict
    if not verdict.allowed or change.revision is None:
        raise Conflict("verdict", verdict.text or verdict.summary, verdict=verdict.to_dict())
    changes.begin_merge(change, version=change.version, actor=Actor.of(actor))
    return _write_intent(actor, change, judged)


@transaction.atomic
def abort_merge(actor: User, *, change: ChangeRequest) -> MergeIntent:
    """Take the decision back while nothing was sent to the Git host: the change is in review again.

    :class:`Conflict` ``not_merging``, or ``too_late`` once the merge may have been pushed: a revert goes through the gate.
    """
    locked = lock_change(change)
    access.can_abort(actor, locked).require()
    intent = MergeIntent.objects.pending().filter(change=locked).first()
    if intent is None:
        raise Conflict("not_merging", f"{locked.label} is {words(locked.status)}, so there is no merge to abort.")
    said = f"{actor.username} aborted it before it was pushed."
    # The worker writes the commit before it pushes, and only on an intent that is pending: one of the two wins.
    rows = MergeIntent.objects.pending().filter(pk=intent.pk, merge_commit="")
    outcome = {"code": "aborted", "message": said}
    if not rows.update(state=MergeIntent.State.RETURNED, ended_at=now(), lease_until=None, outcome=outcome):
        message = (
            f"Too late: the merge of {locked.label} is being pushed. When it has landed, roll its deployments back, or "
            "open a change that reverts it."
        )
        raise Conflict("too_late", message)
    summary = f"{actor.username} aborted the merge of {locked.label} before it was pushed"
    entry = changes.Entry("merge.cancelled", summary, {"revision": intent.revision.number})
    changes.return_to_review(locked, said, actor=Actor.of(actor), entry=entry)
    intent.refresh_from_db()
    return intent


def _write_intent(actor: User, change: ChangeRequest, judged: Judgement) -> MergeIntent:
    if change.revision is None:
        raise Conflict("verdict", f"{change.label} has no revision yet. Push to its branch first.")
    key = merge_key(change, change.revision)
    author = messages.signature_of(actor)
    intent = MergeIntent.objects.create(
        key=key,
        change=change,
        revision=change.revision,
        requested_by=actor,
        verdict=judged.to_stored(),
        message=messages.merge_message(change, judged.verdict, merged_by=actor, key=key),
        author_name=author.name,
        author_email=author.email,
        created_at=now(),
    )
    if judged.is_emergency:
        note_emergency(change)
    transaction.on_commit(lambda: failpoint("K8"))
    request_work("deployments.carry_out_merges", intent.pk)
    failpoint("K7")
    return intent
