"""Settling what was pushed past the portal: adopted through the gate that it went around, or taken back."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.models import User
from apps.changes import services as changes
from apps.changes.models import ChangeRequest, OutsideChange
from apps.changes.outside import beneath, is_on, proposal_of
from apps.changes.transitions import Entry
from apps.core.errors import Conflict
from apps.deployments import messages
from apps.deployments.inverses import take_out, write_inverse
from apps.repositories import access as repositories
from apps.repositories.queries import tip
from apps.repositories.roles import WRITE


@transaction.atomic
def adopt_outside_change(actor: User, *, outside: OutsideChange) -> ChangeRequest:
    """Propose what was pushed as a change of its own, judged by the policy from before the push.

    Landing it pushes nothing; what it brought is then deployed like any change. :class:`Conflict` ``settled``,
    ``outside_proposed`` with the open change, ``older_first`` while it stands on another one, or ``gone`` when the branch
    no longer has it.
    """
    row, _ = _begin(actor, outside)
    older = beneath(row)
    if older is not None:
        message = f"{older.new_oid[:10]} was pushed before it and is open still: settle that one first. It may have changed the rules."
        raise Conflict("older_first", message, outside_change=older.pk)
    change = changes.create_adoption(actor, outside=row, title=f"Adopt {_what(row)}")
    OutsideChange.objects.filter(pk=row.pk).update(change=change)
    return change


@transaction.atomic
def revert_outside_change(actor: User, *, outside: OutsideChange) -> ChangeRequest:
    """Propose the inverse of what was pushed, on the present tip, so that what came later stays.

    Refused like :func:`adopt_outside_change`, and with ``revert_conflict`` and the files where later changes stand in the way.
    """
    row, head = _begin(actor, outside)
    git_dir = row.repository.mirror_path
    commit = write_inverse(
        actor,
        git_dir,
        take_out(git_dir, tip=head, before=row.old_oid, after=row.new_oid),
        message=messages.outside_revert_message(row, asked_by=actor),
        left=f"Nothing of this is left on {row.branch}.",
        code="revert_conflict",
        words=("This cannot be taken back", "Write the inverse in Git and open a change for it."),
    )
    title = f"Revert {_what(row)}"
    said = Entry(
        "outside_change.revert_proposed",
        f"{actor.username} proposed to revert what was pushed to {row.branch} past the portal",
        {"old": row.old_oid, "new": row.new_oid, "kind": row.kind},
    )
    change = changes.create_restoring_change(
        actor,
        repository=row.repository,
        target_branch=row.branch,
        title=title,
        description=f"Takes the effect of {row.old_oid}..{row.new_oid} out of {row.branch}. Nobody approved it here.",
        head_oid=commit,
        entry=said,
    )
    OutsideChange.objects.filter(pk=row.pk).update(change=change)
    return change


def _begin(actor: User, outside: OutsideChange) -> tuple[OutsideChange, str]:
    """The row, locked, and the branch's tip; refused where nothing is left to settle."""
    repositories.require(actor, outside.repository, WRITE)
    rows = OutsideChange.objects.select_for_update(of=("self",), no_key=True).select_related("repository")
    row = rows.get(pk=outside.pk)
    if row.settled_at is not None:
        raise Conflict("settled", f"This is settled already: {row.get_outcome_display().lower()}. Reload the page.")
    proposal = proposal_of(row)
    if proposal is not None:
        message = f"{proposal.label} is to settle this already. Review that one, or withdraw it first."
        raise Conflict("outside_proposed", message, change=proposal.number)
    head = tip(row.repository, row.branch)
    if not row.new_oid:
        message = (
            f"{row.branch} was deleted, so there is nothing to adopt or to take back. Push {row.old_oid} to it again."
        )
        raise Conflict("gone", message)
    if not is_on(row, head):
        raise Conflict("gone", f"{row.branch} does not contain this any more. It is settled with the next fetch.")
    return row, head


def _what(row: OutsideChange) -> str:
    return f"what was pushed to {row.branch} past the portal ({row.new_oid[:10]})"[:180]
