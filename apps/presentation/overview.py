"""The overview of a change: why, what it touches, where it goes."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.safestring import SafeString

from apps.changes.effects.targets import names_targets
from apps.changes.inverse_words import GoingBack, going_back
from apps.changes.lifecycle import FOLLOWS_GIT, Status
from apps.changes.models import ChangeRequest
from apps.changes.overlaps import Overlapping, overlaps_of
from apps.deployments.models import MergeSchedule
from apps.deployments.queries.adopted import Gone, adopted_gone
from apps.presentation.effect_tabs import EffectSummary, effect_summary
from apps.presentation.markdown import to_html
from apps.presentation.plain import visible
from apps.presentation.reached import reached_environments
from apps.presentation.schedules import schedule_of
from apps.reviews.queries import policy_of

SHOWN_PATHS = 8


@dataclass(frozen=True, slots=True)
class Reached:
    """An environment that the change reaches when it is merged."""

    name: str
    protected: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """``paths`` are the first :data:`SHOWN_PATHS` changed paths, ``more_paths`` how many follow."""

    description: SafeString
    environments: tuple[Reached, ...]
    paths: tuple[str, ...]
    more_paths: int
    conflicts: tuple[str, ...]
    policy_problems: tuple[str, ...]
    effect: EffectSummary | None = None
    overlaps: tuple[Overlapping, ...] = ()
    schedule: MergeSchedule | None = None
    going_back: GoingBack | None = None
    gone: Gone | None = None


def overview(change: ChangeRequest) -> Overview:
    policy = policy_of(change)
    revision = change.revision
    paths = [visible(path) for path in revision.paths] if revision else []
    return Overview(
        description=to_html(change.description),
        environments=tuple(Reached(row.name, row.protected) for row in reached_environments(change, policy.config)),
        paths=tuple(paths[:SHOWN_PATHS]),
        more_paths=max(len(paths) - SHOWN_PATHS, 0),
        conflicts=tuple(visible(path) for path in revision.conflicts) if revision else (),
        policy_problems=tuple(str(problem) for problem in policy.problems),
        overlaps=tuple(overlaps_of(change)) if change.status in FOLLOWS_GIT else (),
        schedule=schedule_of(change),
        going_back=going_back(change) if change.status != Status.WITHDRAWN else None,
        gone=adopted_gone(change),
        effect=effect_summary(revision) if revision and names_targets(policy.config) else None,
    )
