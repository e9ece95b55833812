"""What a racing process can do, by name, and the guards that it can be started without. The acts are the portal's own services."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from apps.accounts.models import Team, User
from apps.accounts.services import deactivate_user, remove_team_member
from apps.audit import services as audit
from apps.changes import transitions
from apps.changes.jobs import take_ref_updates
from apps.changes.models import ChangeRequest
from apps.changes.services import mark_ready, reopen, retarget, withdraw
from apps.deployments.jobs import following, landing, starting
from apps.deployments.models import Deployment
from apps.deployments.services import merge_change, merging
from apps.repositories.models import Repository
from apps.repositories.services import set_member, synchronise
from apps.reviews.services import submit_review, withdraw_review


def user(name: str) -> User:
    return User.objects.get(username=name)


def changed(pk: int) -> ChangeRequest:
    return ChangeRequest.objects.select_related("repository", "revision").get(pk=pk)


def approve(who: str, change: int, revision: int) -> None:
    submit_review(user(who), change=changed(change), revision=revision, verdict="approve")


def take_back(who: str, change: int) -> None:
    row = changed(change)
    withdraw_review(user(who), change=row, review=row.reviews.filter(reviewer__username=who).latest("pk").pk)


def merge(who: str, change: int) -> None:
    merge_change(user(who), change=changed(change))


def demote(who: str) -> None:
    set_member(user("carol"), repository=Repository.objects.get(), member=who, role="viewer")


def leave(who: str) -> None:
    remove_team_member(user("erin"), team=Team.objects.get(name="experts"), user=user(who))


def disable(who: str) -> None:
    deactivate_user(user("erin"), user=user(who))


def look() -> None:
    """What a webhook leads to: fetch, record, make revisions."""
    pk = Repository.objects.get().pk
    synchronise(pk)
    take_ref_updates(pk)


def redirect(change: int, target: str) -> None:
    retarget(user("alice"), change=changed(change), target_branch=target)


def give_up_and_reopen(change: int) -> None:
    alice = user("alice")
    withdraw(alice, change=changed(change))
    reopen(alice, change=changed(change))
    mark_ready(alice, change=changed(change))


def start(deployment: int) -> None:
    starting.start(deployment)


def carry_out(intent: int) -> None:
    landing.carry_out_merge(intent)


def merge_whole(who: str, change: int) -> None:
    """Decide the merge and carry it out, as one portal does."""
    landing.carry_out_merge(merge_change(user(who), change=changed(change)).pk)


def deploy(deployment: int) -> None:
    """Start it and look after it until it is over, as one portal does."""
    starting.start(deployment)
    until = time.monotonic() + 20
    while time.monotonic() < until and Deployment.objects.filter(pk=deployment, status__in=following.ACTIVE).exists():
        following.follow(deployment)
        time.sleep(0.02)


ACTS: dict[str, Callable[..., None]] = {
    act.__name__: act
    for act in (
        approve, take_back, merge, demote, leave, disable, look, redirect, give_up_and_reopen, start, carry_out,
        merge_whole, deploy,
    )
}  # fmt: skip


def without_the_lock_of_the_log() -> None:
    audit.hold_log = lambda: None  # type: ignore[assignment]


def without_judging_at_use() -> None:
    """The verdict is computed when the page is shown, and the click believes it."""
    judge, known = merging.judge, {}

    def merge_as_shown(who: str, change: int) -> None:
        row = changed(change)
        known[change] = judge(row)
        merge_change(user(who), change=row)

    merging.judge = lambda change: known[change.pk]
    ACTS["merge"] = merge_as_shown


def without_compare_and_swap() -> None:
    """Neither the lock of the row nor the condition of the update nor a second look at the state."""

    def merge_unguarded(who: str, change: int) -> None:
        from django.db import transaction

        row = changed(change)
        with transaction.atomic():
            merging.begin_merge(user(who), row)

    def swap(change: ChangeRequest, *, version: int | None = None, **columns: Any) -> None:
        ChangeRequest.objects.filter(pk=change.pk).update(**columns)

    transitions.swap = swap
    ACTS["merge"] = merge_unguarded


GUARDS: dict[str, Callable[[], None]] = {
    guard.__name__: guard
    for guard in (
        without_the_lock_of_the_log, without_judging_at_use, without_compare_and_swap,
    )
}  # fmt: skip
