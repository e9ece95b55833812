"""Submitting a review: a verdict on exactly the revision that the reviewer saw."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.changes.inverse_words import as_shown, going_back
from apps.changes.models import ChangeRequest, Revision
from apps.changes.transitions import lock_change
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput
from apps.core.failpoints import failpoint
from apps.reviews import access
from apps.reviews.attestation import Displayed, attest, seen_keys
from apps.reviews.content import files_of
from apps.reviews.effects import known_effects, require_known
from apps.reviews.facts import policy_of, require_environment
from apps.reviews.marks import marks_of
from apps.reviews.models import Review
from apps.reviews.preauthorising import require_preauthorisable
from apps.reviews.prospects import approval_worth
from apps.reviews.resources import seen_resources
from apps.reviews.services.recording import refusals_on_record
from apps.reviews.services.telling import review_given
from apps.reviews.services.threads_drafts import Published, has_pending, publish_drafts
from apps.reviews.signals import review_submitted
from apps.reviews.supposing import Worth
from apps.reviews.transitions import end_turn, mark_stale

MAX_BODY = 20_000
RENEWABLE = timedelta(minutes=1)
"""An approval that expires is given anew; within this time it is a double click."""
APPROVE = Review.Verdict.APPROVE
WHO_MAY_NOT = ("contributor", "service_account", "not_reviewer")
"""Refusals that are on record: somebody tried what their part in the change, or their role, does not allow."""


@dataclass(frozen=True, slots=True)
class _Gate:
    """What a review is for, and how sure it is who gave it."""

    stage: str
    environment: str
    reauthenticated: bool
    rollback: str = ""


def submit_review(
    actor: User,
    *,
    change: ChangeRequest,
    revision: int,
    verdict: str,
    body: str = "",
    stage: str = Review.Stage.MERGE,
    environment: str = "",
    displayed: Displayed | None = None,
    via: str = "page",
    reauthenticated: bool = False,
    rollback: str = "",
) -> Review:
    """Record what ``actor`` says about revision number ``revision``.

    Guarantees: the review is bound to the revision that was current inside this transaction, or nothing is written
    (:class:`Conflict` ``stale_revision``); refused are a contributor's approval, one for a rule whose parts ``actor``
    has not viewed or that asks who signs in again (``reauthenticated``), and a repeated identical verdict, so a double
    click makes one review. What was viewed is looked up here; ``displayed`` is only told along with it.
    ``rollback``: the digest of the inverse that was shown; with it an approval is given for a roll-back that is exactly that,
    too (:class:`Conflict` ``inverse_moved``, ``inverse_not_possible``; :class:`InvalidInput` where the policy knows no such thing).
    Who may not give one at all is refused on record, everything else that is refused writes nothing.
    The reviewer's pending comments are said with it, or stay drafts; a mere comment that has some needs no ``body``.
    """
    gate = _Gate(stage, environment, reauthenticated, rollback.strip())
    with refusals_on_record(actor, change, "review.refused", WHO_MAY_NOT):
        return _submit(actor, change, revision, gate, verdict=verdict, body=body, displayed=displayed, via=via)


@transaction.atomic
def _submit(
    actor: User,
    change: ChangeRequest,
    revision: int,
    gate: _Gate,
    *,
    verdict: str,
    body: str,
    displayed: Displayed | None,
    via: str,
) -> Review:
    more = verdict == Review.Verdict.COMMENT and has_pending(actor, change)
    check_shape(verdict=verdict, stage=gate.stage, environment=gate.environment, body=body, says_more=more)
    locked = lock_change(change)
    access.can_review(actor, locked, verdict=verdict, stage=gate.stage).require_or_conflict()
    if gate.environment:
        require_environment(policy_of(locked), gate.environment)
    current = require_current(locked, revision)
    shown = _attested(actor, locked, current, displayed, via)
    _require_new(actor, locked, current, shown, gate, verdict=verdict)
    effects = _require_informed(actor, locked, current, shown, gate) if verdict == APPROVE else {}
    inverse = _inverse_shown(locked, gate, verdict)
    review = Review.objects.create(
        change=locked, revision=current, inverse=inverse, reviewer=actor, verdict=verdict, body=body.strip(), stage=gate.stage,
        environment=gate.environment, subject=current.subject, effects=effects, shown=shown, via=via,
        with_rollback=bool(gate.rollback), reauthenticated=gate.reauthenticated, created_at=now(),
    )  # fmt: skip
    _record(actor, review, publish_drafts(locked, actor))
    end_turn(locked, actor)
    review_given(review)
    mark_stale(locked)
    transaction.on_commit(lambda: review_submitted.send(sender=Review, change_id=locked.pk, review_id=review.pk))
    transaction.on_commit(lambda: failpoint("K2"))
    failpoint("K1")
    return review


def _attested(
    actor: User, change: ChangeRequest, revision: Revision, displayed: Displayed | None, via: str
) -> dict[str, Any]:
    files = files_of(change, revision)
    seen = seen_resources(actor, change)
    return attest(files, marks_of(actor, change, files), displayed, via=via, resources=seen)


def _inverse_shown(change: ChangeRequest, gate: _Gate, verdict: str) -> dict[str, Any]:
    """How the approved revision is undone, as known now; refuses a roll-back that is another one or cannot be approved beforehand."""
    if verdict != APPROVE:
        if gate.rollback:
            text = "Only an approval can be given for the roll-back, too. Approve, or leave `rollback` out."
            raise InvalidInput("rollback_without_approval", text, field="rollback")
        return {}
    found = going_back(change)
    if gate.rollback:
        require_preauthorisable(policy_of(change), change, found, gate.rollback)
    return as_shown(found)


def _record(actor: User, review: Review, said: Published) -> None:
    change, revision = review.change, review.revision
    audit.record(
        Actor.of(actor),
        "review.submitted",
        repository=change.repository.name,
        change=change.number,
        environment=review.environment,
        target=f"{change.label} {revision.label}",
        summary=f"{actor.username} {_past(review.verdict)} {change.label} {revision.label}",
        data={
            "verdict": str(review.verdict),
            "revision": revision.number,
            "subject": review.subject,
            "effects": review.effects,
            "stage": str(review.stage),
            "via": review.via,
            "reauthenticated": review.reauthenticated,
            **said.as_data(),
            "viewed": len(review.shown["viewed"]),
            "not_displayed": len(review.shown["not_displayed"]),
            "inverse": {name: review.inverse.get(name, "") for name in ("state", "digest")},
            "with_rollback": review.with_rollback,
        },
    )


def check_shape(*, verdict: str, stage: str, environment: str, body: str, says_more: bool = False) -> None:
    """Refuse what is not a review at all, naming the field. ``says_more``: comments go out with it."""
    if verdict not in Review.Verdict.values:
        raise InvalidInput("bad_verdict", "The verdict is approve, request_changes or comment.", field="verdict")
    if stage not in Review.Stage.values:
        raise InvalidInput("bad_stage", "The stage is merge or deploy.", field="stage")
    if (stage == Review.Stage.DEPLOY) != bool(environment):
        raise InvalidInput(
            "bad_environment", "Name the environment for a deploy review, and only for one.", field="environment"
        )
    if verdict != Review.Verdict.APPROVE and not says_more and not body.strip():
        raise InvalidInput("body_required", "Say what should change, or what you want to say.", field="body")
    if len(body) > MAX_BODY:
        raise InvalidInput("body_too_long", f"A review has at most {MAX_BODY:,} characters.", field="body")


def require_current(change: ChangeRequest, number: int) -> Revision:
    """The present revision if it is ``number``; otherwise a conflict that names what moved."""
    current = change.revision
    if current is None:
        raise Conflict("no_revision", f"{change.label} has no code yet, so there is nothing to review.")
    if current.number != number:
        raise Conflict(
            "stale_revision",
            f"{change.label} is now at {current.label} ({current.get_cause_display()}); you looked at r{number}. "
            f"Look at what changed and submit your review again; your text is kept.",
            current=current.number,
            seen=number,
        )
    return current


def _require_new(
    actor: User, change: ChangeRequest, revision: Revision, shown: dict[str, Any], gate: _Gate, *, verdict: str
) -> None:
    """A second review that says the same is a double click; one that is worth more, or follows a withdrawal, is not."""
    if verdict == Review.Verdict.COMMENT:
        return
    latest = (
        Review.objects.filter(change=change, reviewer=actor, stage=gate.stage, environment=gate.environment)
        .exclude(verdict=Review.Verdict.COMMENT)
        .last()
    )
    if latest is None or latest.withdrawn_at is not None or latest.verdict != verdict:
        return
    is_same = latest.revision_id == revision.pk and seen_keys(latest.shown) == seen_keys(shown)
    is_worth_more = (gate.reauthenticated and not latest.reauthenticated) or now() - latest.created_at > RENEWABLE
    is_other = latest.with_rollback != bool(gate.rollback)
    if is_same and not is_worth_more and not is_other:
        raise Conflict(
            "already_reviewed", f"You already {_past(verdict)} {change.label} {revision.label}.", review=latest.pk
        )


def _require_informed(
    actor: User, change: ChangeRequest, revision: Revision, shown: dict[str, Any], gate: _Gate
) -> dict[str, str]:
    """What an approval is bound to beside the source: target → digest. Refuses one that a rule would not take."""
    effects = require_known(known_effects(policy_of(change), revision), f"{change.label} {revision.label}")
    worth = approval_worth(
        actor,
        change,
        seen_keys(shown),
        stage=gate.stage,
        environment=gate.environment,
        reauthenticated=gate.reauthenticated,
    )
    if worth.must_sign_in:
        raise InvalidInput(
            "reauthenticate",
            "A rule takes this approval only from somebody who has just signed in again, on the page and not with a "
            "token. Confirm who you are at /accounts/reauthenticate/, then submit your review again; your text is kept.",
        )
    _require_seen(worth)
    return effects


def _require_seen(worth: Worth) -> None:
    """No approval by somebody who has not viewed what a rule asks for: it would not count."""
    if worth.unseen:
        raise InvalidInput(
            "not_all_seen",
            f"A rule asks you to have seen this before you approve: {worth.unseen_words}. "
            f"Open the files, mark them as viewed, and submit your review again; your text is kept.",
            unseen=[part.label for part in worth.unseen],
        )


def _past(verdict: str) -> str:
    return {
        Review.Verdict.APPROVE: "approved",
        Review.Verdict.REQUEST_CHANGES: "requested changes of",
        Review.Verdict.COMMENT: "commented on",
    }[Review.Verdict(verdict)]
