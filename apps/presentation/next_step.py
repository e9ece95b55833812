"""The primary action of a change: it names the next step for *this* person, or why there is none yet (UX §2.4, §2.13). Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from apps.presentation.change_state import ChangeFacts, DeploymentFact, Standing


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks: what the access rules say of this person and this change."""

    writes: bool = False
    owns: bool = False
    contributed: bool = False
    reviews: bool = False
    reviewed_this: bool = False
    merges: bool = False
    deploys: bool = False
    maintains: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """One button. ``where``: ``post`` sends to the sub-path ``to``; ``link`` opens ``to`` (sub-path of the change);
    ``deployment`` opens the deployment page, or its sub-path ``to``; ``blocked`` is shown, focusable, and leads to its reason."""

    label: str
    where: str
    to: str = ""
    busy: str = ""
    number: int = 0


def next_step(standing: Standing, facts: ChangeFacts, viewer: Viewer) -> Action | None:
    """The one button of the header; ``None`` when nothing is this person's to do."""
    choose = _STEPS.get(standing.state)
    return choose(facts, viewer) if choose else None


def _requested(facts: ChangeFacts, viewer: Viewer) -> Action | None:
    return Action("Attach a branch", "link", "attach/") if viewer.writes else None


def _draft(facts: ChangeFacts, viewer: Viewer) -> Action | None:
    return Action("Mark ready", "post", "ready/", "Marking ready…") if viewer.writes else None


def _in_review(facts: ChangeFacts, viewer: Viewer) -> Action | None:
    if viewer.contributed and facts.open_threads:
        return _answer(facts)
    if viewer.reviews and not viewer.contributed and not viewer.reviewed_this:
        return Action("Review", "link", "diff/#review")
    if viewer.merges:
        return Action(_merge_label(facts), "blocked", "#why")
    return None


def _answer(facts: ChangeFacts) -> Action:
    threads = f"{facts.open_threads} thread{'s' if facts.open_threads != 1 else ''}"
    return Action(f"Answer {threads}", "link", "#threads")


def _changes_requested(facts: ChangeFacts, viewer: Viewer) -> Action | None:
    if viewer.contributed:
        return _answer(facts) if facts.open_threads else Action("See what is asked", "link", "approvals/")
    return _in_review(facts, viewer)


def _conflict(facts: ChangeFacts, viewer: Viewer) -> Action | None:
    return Action("Resolve the conflict", "link", "diff/") if viewer.contributed else None


def _merge_label(facts: ChangeFacts) -> str:
    return "Merge and deploy" if facts.deploys else "Merge"


def _ready(facts: ChangeFacts, viewer: Viewer) -> Action | None:
    if viewer.merges:
        return Action(_merge_label(facts), "post", "merge/", "Merging…")
    return _in_review(facts, viewer)


def _merging(facts: ChangeFacts, viewer: Viewer) -> Action | None:
    return Action("Abort the merge", "post", "merge/abort/", "Aborting…") if viewer.merges or viewer.reviews else None


def _first(facts: ChangeFacts, *statuses: str) -> DeploymentFact | None:
    return next((row for row in facts.deployments if row.status in statuses), None)


def _to_deployment(label: str, *statuses: str, needs: str = "") -> Callable[[ChangeFacts, Viewer], Action | None]:
    def choose(facts: ChangeFacts, viewer: Viewer) -> Action | None:
        row = _first(facts, *statuses)
        if row is None or (needs and not getattr(viewer, needs)):
            return None
        return Action(label.format(row.environment), "deployment", number=row.number)

    return choose


def _to_start(facts: ChangeFacts, viewer: Viewer) -> Action | None:
    rows = [row for row in facts.deployments if row.only_start]
    if not viewer.deploys:
        return Action(f"See what {rows[0].environment} waits for", "deployment", number=rows[0].number)
    if len(rows) > 1:
        return Action(f"Start in {len(rows)} environments…", "link", "start/")
    return Action(f"Start in {rows[0].environment}…", "deployment", "start/", number=rows[0].number)


def _merged(facts: ChangeFacts, viewer: Viewer) -> Action | None:
    return Action("Deploy…", "link", "deployments/") if viewer.deploys and facts.deploys else None


def _failed(facts: ChangeFacts, viewer: Viewer) -> Action | None:
    label = "Open error, retry or roll back" if viewer.deploys else "Open error"
    return _to_deployment(label, "failed")(facts, viewer)


def _deployed(facts: ChangeFacts, viewer: Viewer) -> Action | None:
    return Action("Deployments and roll-back", "link", "deployments/") if viewer.deploys else None


def _withdrawn(facts: ChangeFacts, viewer: Viewer) -> Action | None:
    return Action("Reopen", "post", "reopen/", "Reopening…") if viewer.owns or viewer.maintains else None


_STEPS: dict[str, Callable[[ChangeFacts, Viewer], Action | None]] = {
    "requested": _requested,
    "draft": _draft,
    "in_review": _in_review,
    "changes_requested": _changes_requested,
    "conflict": _conflict,
    "ready": _ready,
    "merging": _merging,
    "merged": _merged,
    "queued": _to_deployment("See what {0} waits for", "pending"),
    "to_start": _to_start,
    "deploying": _to_deployment("Watch {0}", "running", "dispatching"),
    "deploy_failed": _failed,
    "unknown": _to_deployment("Decide what happened in {0}", "unknown", needs="deploys"),
    "cancelled": _to_deployment("Retry {0}", "cancelled", needs="deploys"),
    "deployed": _deployed,
    "withdrawn": _withdrawn,
}
