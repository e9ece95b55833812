"""Letting one change through a freeze or outside its windows: an approval of its own, with a reason."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.changes.transitions import lock_change
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput, NotVisible
from apps.reviews import access
from apps.reviews.effects import known_effects, require_known
from apps.reviews.facts import approval_facts, policy_of, require_environment
from apps.reviews.models import Review, WindowOverride
from apps.reviews.services.recording import record_act, refusals_on_record
from apps.reviews.signals import gate_opened
from apps.reviews.transitions import mark_stale

LONGEST_REASON = 500
WHO_MAY_NOT = ("not_viewer", "contributor", "service_account", "not_in_group")
"""Refusals that are on record: the window does not name who tried, or they had a part in the change."""


def override_window(
    actor: User, *, change: ChangeRequest, reason: str, stage: str = Review.Stage.MERGE, environment: str = ""
) -> WindowOverride:
    """Let ``change`` as it is now through every window that holds its gate at this moment; it lasts a day.

    For those whom each of these windows names under ``override``, never for a contributor. :class:`Conflict`
    ``nothing_holds`` when no window holds; who may instead stands in the refusal of somebody who may not, which is on record.
    """
    with refusals_on_record(actor, change, "window.override_refused", WHO_MAY_NOT):
        return _override(actor, change, reason, stage, environment)


@transaction.atomic
def _override(actor: User, change: ChangeRequest, reason: str, stage: str, environment: str) -> WindowOverride:
    reason = _checked(reason, stage, environment)
    row = lock_change(change)
    access.can_comment(actor, row).require()
    policy = policy_of(row)
    require_environment(policy, environment)
    facts = approval_facts(row, stage=stage, environment=environment, policy=policy)
    if not facts.holds or row.revision is None:
        raise Conflict(
            "nothing_holds", f"No freeze and no window holds {row.label} now, so there is nothing to override."
        )
    access.can_override(actor, row, facts).require()
    windows = sorted({name for hold in facts.holds for name in hold.windows})
    override = WindowOverride.objects.create(
        change=row,
        revision=row.revision,
        stage=stage,
        environment=environment,
        windows=windows,
        reason=reason,
        subject=row.revision.subject,
        effects=require_known(known_effects(policy, row.revision), row.label),
        given_by=actor,
        created_at=now(),
    )
    quoted = " and ".join(f"“{name}”" for name in windows)
    where = f" for {environment}" if environment else ""
    record_act(
        actor,
        row,
        "window.overridden",
        f"let {row.label} through {quoted[:150]}{where}: {reason[:200]}",
        _data(override),
    )
    mark_stale(row)
    transaction.on_commit(lambda: gate_opened.send(sender=None, change_id=row.pk))
    return override


@transaction.atomic
def withdraw_override(actor: User, *, change: ChangeRequest, override: int) -> WindowOverride:
    """Take an own override back; maintainers take back those of others, too. It does not count from now on."""
    lock_change(change)
    row = change.window_overrides.select_related("given_by").filter(pk=override).first()
    if row is None:
        raise NotVisible("unknown_override", f"{change.label} has no such override.")
    access.can_withdraw_override(actor, change, row).require()
    if not WindowOverride.objects.filter(pk=row.pk, withdrawn_at=None).update(withdrawn_at=now()):
        raise Conflict("already_withdrawn", "This override was taken back already.")
    what = f"took back that {row.given_by.username} let {change.label} through {', '.join(row.windows)}"
    record_act(actor, change, "window.override_withdrawn", what, _data(row))
    mark_stale(change)
    return row


def _checked(reason: str, stage: str, environment: str) -> str:
    reason = " ".join(reason.split())
    if not 1 <= len(reason) <= LONGEST_REASON:
        text = f"Say why it cannot wait, in at most {LONGEST_REASON} characters: the reason stays on record."
        raise InvalidInput("reason_missing", text, field="reason")
    if (stage == Review.Stage.DEPLOY) != bool(environment):
        text = "An override at the stage deploy names an environment; one at the stage merge names none."
        raise InvalidInput("bad_environment", text, field="environment")
    return reason


def _data(row: WindowOverride) -> dict[str, object]:
    return {
        "override": row.pk,
        "windows": row.windows,
        "stage": str(row.stage),
        "environment": row.environment,
        "reason": row.reason,
        "revision": row.revision.number,
    }
