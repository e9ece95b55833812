"""What the author changed between two revisions, told apart from what came with the target branch.

Every revision is a step: from a *before* (the target's tip) to an *after* (the merge result). The earlier step is applied
again on the later one's before (:mod:`apps.vcs.reapplying`), which gives ``X``; then

    earlier after → X → later after

where the first arrow is what upstream changed and the second one is what the author changed. Nothing falls between the
two, because they meet in the same tree. Never by patch-id or range-diff (ADR 0009).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.core.cache import cache

from apps.accounts.models import User
from apps.changes.models import ChangeRequest, Revision
from apps.policies.config import targets_reading
from apps.policies.queries import policy_at
from apps.reviews.given import reviews_of
from apps.vcs import objects
from apps.vcs.errors import ObjectMissing
from apps.vcs.paths import display
from apps.vcs.reapplying import Reapplied, reapply
from apps.vcs.trees import Edits, count_edits

KEEP = 24 * 3600  # seconds in the cache; what a key stands for never changes


@dataclass(frozen=True, slots=True)
class Step:
    """What a revision does, as two trees. ``own``: it conflicts, so it is its author's work since the branches parted."""

    before: str
    after: str
    own: bool


@dataclass(frozen=True, slots=True)
class Interdiff:
    """Between two revisions of one change, in the order that was asked for (``later`` may be the older one).

    ``author`` and ``upstream`` are pairs of trees. ``mixed`` are displayable paths that show both kinds of edits;
    ``whole``: that holds for all paths.
    """

    git_dir: Path
    earlier: Revision
    later: Revision
    upstream: tuple[str, str]
    author: tuple[str, str]
    mixed: tuple[str, ...]
    whole: bool

    @property
    def is_equal(self) -> bool:
        """Whether the author changed nothing: applied again, the earlier revision gives exactly the later one."""
        return self.author[0] == self.author[1]

    @property
    def has_upstream(self) -> bool:
        return self.upstream[0] != self.upstream[1]


def step_of(git_dir: Path, revision: Revision) -> Step:
    """Target tip → merge result; of one that conflicts, merge base → head."""
    if revision.result_tree:
        return Step(objects.commit_tree_oid(git_dir, revision.target_oid), revision.result_tree, own=False)
    base = revision.merge_bases[0] if revision.merge_bases else revision.target_oid
    return Step(objects.commit_tree_oid(git_dir, base), objects.commit_tree_oid(git_dir, revision.head_oid), own=True)


def interdiff(git_dir: Path, earlier: Revision, later: Revision) -> Interdiff:
    """What lies between two revisions; remembered by trees, so that a page asks Git once."""
    first, second = step_of(git_dir, earlier), step_of(git_dir, later)
    found = _reapplied(git_dir, first, second)
    return Interdiff(
        git_dir, earlier, later, upstream=(first.after, found.tree), author=(found.tree, second.after),
        mixed=tuple(display(path) for path in found.mixed), whole=found.whole,
    )  # fmt: skip


def _reapplied(git_dir: Path, first: Step, second: Step) -> Reapplied:
    key = f"interdiff:1:{git_dir.name}:{first.before}:{first.after}:{second.before}"
    kept: Reapplied | None = cache.get(key)
    if kept is not None and objects.object_type(git_dir, kept.tree) == "tree":  # a mirror that was made anew lost it
        return kept
    found = reapply(git_dir, base=first.before, onto=second.before, result=first.after)
    cache.set(key, found, KEEP)
    return found


def upstream_edits(found: Interdiff) -> Edits:
    """How much of the way between two revisions is upstream's alone; remembered by trees."""
    if not found.has_upstream:
        return Edits()
    old, new = found.upstream
    key = f"interdiff-edits:1:{found.git_dir.name}:{old}:{new}"
    kept: Edits | None = cache.get(key)
    if kept is None:
        kept = count_edits(found.git_dir, old, new)
        cache.set(key, kept, KEEP)
    return kept


def targets_with_changed_inputs(found: Interdiff, edits: Edits) -> tuple[str, ...]:
    """``environment/target`` whose inputs upstream changed: their rendered output may differ though the source is equal.

    By the policy on the later revision's target tip. This is what is knowable without rendering; a digest of the
    rendered output replaces it where there is one.
    """
    if not edits.paths:
        return ()
    change = found.later.change
    try:
        policy = policy_at(change.repository, found.later.target_branch, found.later.target_oid)
    except ObjectMissing:
        return ()
    return targets_reading(policy.config, edits.paths)


def last_reviewed(user: User, change: ChangeRequest) -> Revision | None:
    """The revision of ``user``'s last review of ``change``, whatever its verdict."""
    return next((row.revision for row in reversed(reviews_of(change)) if row.reviewer_id == user.pk), None)
