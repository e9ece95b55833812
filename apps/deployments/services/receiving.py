"""What a guarded Git host asks before it takes a push: did the portal approve exactly this?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.changes.outside import target_branches
from apps.core.errors import InvalidInput
from apps.deployments import access
from apps.deployments.models import MergeIntent
from apps.repositories.models import Repository

MOST_UPDATES = 500
HEADS = "refs/heads/"
_OID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


@dataclass(frozen=True, slots=True)
class Update:
    """One line of what a ``pre-receive`` hook is told: a ref and its two ends (all zero: it did not or will not exist)."""

    ref: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Received:
    """Whether the Git host may take an update, and in words why not."""

    update: Update
    allowed: bool
    text: str


@transaction.atomic
def judge_push(actor: User, *, repository: Repository, updates: Sequence[Update]) -> list[Received]:
    """Judge each update of one push. Branches into which changes are merged take only the portal's own merges.

    For service accounts that see the repository, and maintainers. A refused push is one entry of the log, with the name of
    the account that asked (the Git host's). Who pushed is not
    believed and not asked: nothing but a decision of the portal opens a target branch.
    """
    access.can_guard(actor, repository).require()
    if not 1 <= len(updates) <= MOST_UPDATES:
        raise InvalidInput("bad_updates", f"A push has 1 to {MOST_UPDATES} updates.", field="updates")
    if any(not _OID.fullmatch(oid) for one in updates for oid in (one.old, one.new)):
        raise InvalidInput("bad_updates", "Give whole object ids, in lower case.", field="updates")
    guarded = guarded_branches(repository)
    found = [_judge(repository, update, guarded) for update in updates]
    refused = [one for one in found if not one.allowed]
    if refused:
        _record(actor, repository, refused)
    return found


def guarded_branches(repository: Repository) -> frozenset[str]:
    """The default branch, and every branch into which the portal merges or has merged.

    Not those of changes that are only proposed: a change could close somebody's branch by naming it as its target.
    """
    merging = MergeIntent.objects.pending().filter(change__repository=repository)
    return target_branches(repository) | frozenset(merging.values_list("revision__target_branch", flat=True))


def _judge(repository: Repository, update: Update, guarded: frozenset[str]) -> Received:
    branch = update.ref.removeprefix(HEADS) if update.ref.startswith(HEADS) else ""
    if branch not in guarded:
        return Received(update, allowed=True, text="No change is merged into it.")
    if not update.new.strip("0"):
        return Received(update, allowed=False, text=f"{branch} is a target branch of the portal and cannot be deleted.")
    intents = MergeIntent.objects.pending().filter(change__repository=repository, merge_commit=update.new)
    if intents.filter(revision__target_branch=branch, revision__target_oid=update.old).exists():
        return Received(update, allowed=True, text="The portal merges it.")
    text = f"{branch} takes only what the portal approved. Push to a branch of your own and open a change for it."
    return Received(update, allowed=False, text=text)


def _record(actor: User, repository: Repository, refused: Sequence[Received]) -> None:
    first = refused[0]
    more = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
    audit.record(
        Actor.of(actor),
        "repository.push_refused",
        target=first.update.ref,
        repository=repository.name,
        summary=f"A push to {first.update.ref}{more} of {repository.name} was refused: {first.text}",
        data={
            "updates": [{"ref": one.update.ref, "old": one.update.old, "new": one.update.new} for one in refused[:50]]
        },
    )
