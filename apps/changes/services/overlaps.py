"""Open changes that touch the same: found when their effects are known, and compared in both orders.

"A, then B" and "B, then A" are merged as the portal would merge them. Where both are clean and end in the same tree, the changes
commute; where the trees differ, the rendered results of both orders are compared as resources.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import structlog
from django.db import transaction

from apps.changes.effects.git_tree import GitTree
from apps.changes.effects.outcomes import outcome_of
from apps.changes.effects.targets import Sides, rendered_target
from apps.changes.effects.tools import fingerprint_of
from apps.changes.models import Overlap, Rendering, RenderingPlan, Revision, TouchedThing
from apps.changes.snapshots import result_commit
from apps.changes.transitions import announce
from apps.core.clock import now
from apps.core.errors import PortalError
from apps.core.work import request_work
from apps.policies.config import is_policy
from apps.policies.queries import policy_at
from apps.rendering.model import RenderError
from apps.repositories.models import Repository
from apps.vcs import merging, objects, trees
from apps.vcs.paths import display

log = structlog.get_logger(__name__)
COMPARE = "changes.compare_overlap"
LEASE_SECONDS = 600
MOST_THINGS = 2_000
"""What one revision is known to touch; a change of more touches nearly everything."""
MOST_OVERLAPS = 20
"""Other changes with which one revision is compared, the newest ones."""
SHOWN = 20
State = Rendering.State


def find_overlaps(plan_id: int) -> None:
    """Write down what a revision touches, and queue a comparison with each open change that touches the same. Idempotent."""
    plan = RenderingPlan.objects.select_related("revision__change").get(pk=plan_id)
    revision = plan.revision
    things = _touched(revision)
    with transaction.atomic():
        # One at a time in each repository: two that look at the same moment would not see each other.
        Repository.objects.select_for_update(no_key=True).get(pk=revision.change.repository_id)
        if not RenderingPlan.objects.filter(pk=plan_id, compared_at=None).update(compared_at=now()):
            return
        TouchedThing.objects.filter(revision=revision).delete()
        TouchedThing.objects.bulk_create(
            [TouchedThing(revision=revision, key=key, label=label) for key, label in things.items()], batch_size=500
        )
        for other, labels in _others(revision, things).items():
            _queue(revision, other, labels)


def compare_overlap(overlap_id: int) -> None:
    """Merge and render two changes in both orders. Idempotent; a lost lease lets the result be forgotten."""
    fence = Overlap.objects.claim(overlap_id, seconds=LEASE_SECONDS, state=Overlap.State.QUEUED)
    if fence is None:
        return
    row = Overlap.objects.select_related("first__change__repository", "second__change__repository").get(pk=overlap_id)
    try:
        columns: dict[str, Any] = {"state": Overlap.State.KNOWN, **_compared(row.first, row.second)}
    except (PortalError, RenderError) as error:
        log.info("overlap_not_compared", overlap=row.pk, code=getattr(error, "code", type(error).__name__))
        columns = {"state": Overlap.State.FAILED, "message": str(error)[:500]}
    held = Overlap.objects.filter(pk=row.pk, fence=fence, state=Overlap.State.QUEUED)
    with transaction.atomic():
        if held.update(lease_until=None, **columns):
            announce(row.first.change)
            announce(row.second.change)


def _touched(revision: Revision) -> dict[str, str]:
    """Digest → label: the resources that were rendered, then the paths."""
    labels: dict[str, str] = {}
    for row in revision.renderings.defer("document"):
        for kind, _, namespace, name, _ in row.facts.get("resources", ()):
            place = f"{namespace}/{name}" if namespace else name
            label = f"{kind} {place} in {row.environment}"
            labels[_key("resource", row.environment, kind, namespace, name)] = label[:300]
    for path in revision.paths:
        labels[_key("path", path)] = path[:300]
    return dict(list(labels.items())[:MOST_THINGS])


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:40]


def _others(revision: Revision, things: dict[str, str]) -> dict[int, list[str]]:
    """Key of the other revision → labels of what both touch, of the newest :data:`MOST_OVERLAPS` changes."""
    change = revision.change
    rows = TouchedThing.objects.filter(
        revision__in=Revision.objects.beside(change.repository_id, revision.target_branch).exclude(change=change),
        key__in=list(things),
    )
    found: dict[int, list[str]] = {}
    for other, label in rows.order_by("-revision__change__number", "pk").values_list("revision", "label"):
        found.setdefault(other, []).append(label)
    return dict(list(found.items())[:MOST_OVERLAPS])


def _queue(revision: Revision, other_id: int, labels: list[str]) -> None:
    other = Revision.objects.select_related("change").get(pk=other_id)
    first, second = sorted((revision, other), key=lambda one: one.change.number)
    row, _ = Overlap.objects.get_or_create(
        first=first,
        second=second,
        defaults={"things": labels[:SHOWN], "count": len(labels), "created_at": now()},
    )
    request_work(COMPARE, row.pk)
    for one in (first, second):
        announce(one.change)


# --- both orders ---------------------------------------------------------------------------


def _compared(first: Revision, second: Revision) -> dict[str, Any]:
    git_dir = first.change.repository.mirror_path
    if not (first.result_tree and second.result_tree):
        return {"conflicts": [], "message": "One of them conflicts with the target branch."}
    after_first, after_second = _one_then_other(git_dir, first, second), _one_then_other(git_dir, second, first)
    conflicts = sorted({display(path) for merged in (after_first, after_second) for path in merged.conflicts})
    if conflicts:
        return {"conflicts": conflicts[:SHOWN], "same_end": False, "first_stays": False, "second_stays": False}
    differs = _differences(git_dir, (first, second), after_first.tree or "", after_second.tree or "")
    return {
        "same_end": not differs,
        "differs": differs[:SHOWN],
        "first_stays": _stays(git_dir, first, second, after_second.tree or ""),
        "second_stays": _stays(git_dir, second, first, after_first.tree or ""),
    }


def _one_then_other(git_dir: Path, one: Revision, other: Revision) -> merging.MergeResult:
    """As the portal merges: the head of the other into the commit that merging the first one makes."""
    landed = result_commit(
        git_dir, one.change.number, one.number, tree=one.result_tree, target=one.target_oid, head=one.head_oid
    )
    return merging.merge(git_dir, landed, other.head_oid)


def _differences(git_dir: Path, revisions: tuple[Revision, Revision], tree: str, other: str) -> list[str]:
    """Where the two orders end differently: targets whose resources differ, or paths where nothing is rendered."""
    if tree == other:
        return []
    rows = _rows(*revisions)
    if not rows:
        return sorted(
            {
                display(path)
                for row in trees.diff_trees(git_dir, tree, other)
                for path in (row.old_path, row.new_path)
                if path
            }
        )
    sides = Sides(GitTree(git_dir, tree), GitTree(git_dir, other))
    hide = fingerprint_of(revisions[0])
    return [row.label for row in rows if outcome_of(rendered_target(row), sides, hide).difference.changes]


def _stays(git_dir: Path, change: Revision, landed: Revision, both: str) -> bool | None:
    """Whether approvals of ``change`` carry over once ``landed`` is merged (DESIGN §5), and ``both`` is the tree of the two.

    ``None``: it cannot be told before.
    """
    policy = policy_at(landed.change.repository, landed.target_branch, landed.target_oid)
    if any(is_policy(path, policy.config.rego.directory) for path in landed.paths):
        return None  # the rules and targets by which it is judged are others then
    before = objects.commit_tree_oid(git_dir, change.target_oid)
    if merging.merge_trees(git_dir, before, landed.result_tree, change.result_tree).tree != both:
        return False
    theirs = {row.label for row in landed.renderings.all()}
    shared = [row for row in change.renderings.defer("document") if row.label in theirs]
    if any(row.state != State.RENDERED or row.planned_by != Rendering.Planner.HERE for row in shared):
        return None
    sides = Sides(GitTree(git_dir, landed.result_tree), GitTree(git_dir, both))
    hide = fingerprint_of(change)
    return all(outcome_of(rendered_target(row), sides, hide).digest == row.digest for row in shared)


def _rows(*revisions: Revision) -> Iterable[Rendering]:
    """One rendering of each target that any of them reaches."""
    found = {row.label: row for one in revisions for row in one.renderings.defer("document")}
    return [found[label] for label in sorted(found)]
