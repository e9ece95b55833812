"""The demo organisation, told through the portal's own use cases: nothing is written past them."""

from __future__ import annotations

from collections.abc import Callable

from apps.demo.story import current, finished, fleet
from apps.demo.story.plan import plans_of_the_pipeline
from apps.demo.story.setting import set_the_scene
from apps.demo.story.world import World

CHAPTERS: tuple[Callable[[World], None], ...] = (
    finished.first_deployment,
    finished.more_replicas,
    finished.undone,
    finished.quota_exceeded,
    current.withdrawn,
    current.backlog,
    current.draft,
    current.changes_requested,
    current.waiting_for_experts,
    current.conflicting,
    current.waiting_for_release,
    current.ready_to_merge,
    current.full_desks,
    current.edited_by_hand,
    fleet.finer_metrics,
    fleet.safer_backups,
    plans_of_the_pipeline,
    fleet.later_on_staging,
    fleet.longer_history,
)


def tell() -> None:
    """Tell the whole story, in order."""
    world = set_the_scene()
    for chapter in CHAPTERS:
        chapter(world)
