"""What stands around every page of one change: header, stepper, next step, menu, tabs."""

from __future__ import annotations

from dataclasses import dataclass

from apps.accounts.models import User
from apps.changes import queries as changes
from apps.changes.models import ChangeRequest
from apps.changes.queries import present_checks
from apps.core.reading import once_per_read
from apps.deployments import access as deployments
from apps.deployments.models import Deployment
from apps.presentation.change_menu import MenuEntry, menu_of
from apps.presentation.change_state import ChangeFacts, DeploymentFact, Standing, standing_of
from apps.presentation.effect_tabs import targets_of
from apps.presentation.emergency_page import EmergencyBanner, emergency_banner
from apps.presentation.merge_notice import MergeNotice, merge_notice
from apps.presentation.next_step import Action, Viewer, next_step
from apps.presentation.policy_change import touches_policy
from apps.repositories.access import capabilities
from apps.repositories.roles import MAINTAIN, REVIEW, WRITE
from apps.reviews import queries as reviews
from apps.reviews.given import reviews_of
from apps.reviews.models import Attention, Review, Thread, VerdictSnapshot


@dataclass(frozen=True, slots=True)
class Tab:
    """One part of the change; ``count`` is ``None`` where a number says nothing."""

    title: str
    url: str
    name: str
    count: int | str | None = None
    current: bool = False


@dataclass(frozen=True, slots=True)
class ChangeFrame:
    """The header of a change for one person. ``turn`` is why it is this person's turn, or empty; ``own`` the verdict of
    this person that stands."""

    change: ChangeRequest
    facts: ChangeFacts
    standing: Standing
    viewer: Viewer
    action: Action | None
    menu: tuple[MenuEntry, ...]
    tabs: tuple[Tab, ...]
    turn: str
    deployments: tuple[Deployment, ...]
    own: Review | None = None
    emergency: EmergencyBanner | None = None
    merge: MergeNotice | None = None

    @property
    def url(self) -> str:
        return f"/changes/{self.change.number}/"


def change_frame(user: User, number: int, *, tab: str = "overview") -> ChangeFrame:
    """The frame of change ``number``; :class:`NotVisible` when ``user`` may not know of it."""
    change = changes.find(user, number)
    newest = newest_deployments(change)
    standing_reviews = latest_verdicts(change)
    facts = _facts(user, change, newest, standing_reviews)
    viewer = _viewer(user, change, standing_reviews)
    standing = standing_of(facts)
    return ChangeFrame(
        change=change,
        facts=facts,
        standing=standing,
        viewer=viewer,
        action=next_step(standing, facts, viewer),
        menu=menu_of(change, viewer),
        tabs=_tabs(change, facts, tab),
        turn=Attention.objects.filter(change=change, user=user).values_list("reason", flat=True).first() or "",
        deployments=newest,
        own=standing_reviews.get(user.pk),
        emergency=emergency_banner(change),
        merge=merge_notice(change),
    )


@once_per_read
def deployments_of(change: ChangeRequest) -> tuple[Deployment, ...]:
    """All deployments of ``change``, the first one first; one query."""
    return tuple(change.deployments.select_related("environment", "requested_by").order_by("number"))


def newest_deployments(change: ChangeRequest) -> tuple[Deployment, ...]:
    """The newest deployment per environment, in the order of the environments."""
    newest = {row.environment_id: row for row in deployments_of(change)}
    return tuple(sorted(newest.values(), key=lambda row: (row.environment.position, row.environment.name)))


def latest_verdicts(change: ChangeRequest) -> dict[int, Review]:
    """The approval or request for changes of each reviewer that stands, at the merge stage, by user id."""
    rows = (row for row in reviews_of(change) if row.stage == Review.Stage.MERGE)
    last = {row.reviewer_id: row for row in rows if row.verdict != Review.Verdict.COMMENT}
    return {person: row for person, row in last.items() if row.withdrawn_at is None}


def _facts(user: User, change: ChangeRequest, newest: tuple[Deployment, ...], given: dict[int, Review]) -> ChangeFacts:
    allowed, met, needed = _requirements(change)
    revision = change.revision
    return ChangeFacts(
        status=change.status,
        conflict=bool(revision and revision.conflicts),
        allowed=allowed,
        met=met,
        needed=needed,
        objections=sum(row.verdict == Review.Verdict.REQUEST_CHANGES for row in given.values()),
        open_threads=_to_answer(user, change),
        closed_reason=change.closed_reason,
        rolled_back=_is_rolled_back(change),
        deployments=tuple(
            DeploymentFact(row.number, row.environment.name, row.status, row.only_start) for row in newest
        ),
    )


def _to_answer(user: User, change: ChangeRequest) -> int:
    """Threads of others that nobody has answered. An answered blocking one waits for its opener: the verdict names it."""
    waiting = Thread.objects.filter(change=change, state=Thread.State.OPEN)
    return waiting.exclude(created_by=user).count()


def _is_rolled_back(change: ChangeRequest) -> bool:
    if change.status not in {"merged", "done"}:
        return False
    return change.rollbacks.filter(status__in=("merged", "done")).exists()


def _requirements(change: ChangeRequest) -> tuple[bool, int, int]:
    """Allowed, met, needed: from the listed snapshot while it is fresh, judged anew otherwise."""
    if change.status != "in_review":
        return False, 0, 0
    snapshot = VerdictSnapshot.objects.filter(change=change, stale=False, change_version=change.version).first()
    if snapshot is not None:
        return snapshot.allowed, snapshot.met, snapshot.total
    verdict = reviews.verdict_of(change)
    rows = [row for row in verdict.requirements if str(row.state) != "not_needed"]
    return verdict.allowed, sum(str(row.state) == "met" for row in rows), len(rows)


def _viewer(user: User, change: ChangeRequest, given: dict[int, Review]) -> Viewer:
    can = capabilities(user, change.repository)
    mine = given.get(user.pk)
    own = user.pk in {change.requester_id, change.owner_id}
    return Viewer(
        writes=WRITE in can,
        owns=own,
        contributed=own or bool(changes.contribution_of(user, change)),
        reviews=REVIEW in can,
        reviewed_this=mine is not None and mine.revision_id == change.revision_id,
        merges=deployments.can_merge(user, change).allowed,
        deploys=deployments.can_deploy(user, change).allowed,
        maintains=MAINTAIN in can,
    )


def _tabs(change: ChangeRequest, facts: ChangeFacts, current: str) -> tuple[Tab, ...]:
    """Tabs that mean something for this change; the number is what is behind them."""
    url = f"/changes/{change.number}/"
    files = change.revision.files_changed if change.revision and not change.revision.conflicts else None
    wanted: list[tuple[str, str, str, int | str | None]] = [("Overview", "", "overview", None)]
    if change.revision:
        wanted.append(("Changes", "diff/", "diff", files))
        is_rendered, is_planned = targets_of(change.revision_id) if change.revision_id else (0, 0)
        wanted += [("Rendered", "rendered/", "rendered", is_rendered)] if is_rendered else []
        wanted += [("Plan", "plan/", "plan", is_planned)] if is_planned else []
        needed = f"{facts.met}/{facts.needed}" if facts.needed else None
        wanted += [("Policy", "policy/", "policy", None)] if touches_policy(change) else []
        checks = _checks(change)
        wanted += [("Checks", "checks/", "checks", checks)] if checks else []
        wanted.append(("Approvals", "approvals/", "approvals", needed))
    if change.status in {"merging", "merged", "done"} or facts.deployments:
        wanted.append(("Deploys", "deployments/", "deployments", len(facts.deployments) or None))
    wanted.append(("History", "history/", "history", None))
    return tuple(Tab(title, url + path, name, count, name == current) for title, path, name, count in wanted)


def _checks(change: ChangeRequest) -> str:
    """``9/10`` succeeded; empty where no pipeline reported anything of the present result."""
    rows = present_checks(change)
    return f"{sum(row.state == 'success' for row in rows)}/{len(rows)}" if rows else ""
