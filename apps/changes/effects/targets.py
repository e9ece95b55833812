"""Which targets a revision reaches: those of the policy on its target branch whose inputs it touches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from apps.changes.effects.git_tree import GitTree
from apps.changes.effects.registry import reader_of
from apps.changes.models import Rendering, Revision
from apps.policies.config import EnvironmentConfig, PortalConfig, TargetConfig
from apps.policies.queries import policy_at
from apps.rendering.detection import propose
from apps.rendering.model import Kind, RenderError
from apps.rendering.protocol import Target, Tree
from apps.vcs import objects, trees

PROPOSED = "default"
"""The environment under which a target is shown that was found by looking, where no name tells it."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A target that a revision touches."""

    target: Target
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """``proposed``: the policy names no targets, so these were found by looking; nothing is held by them."""

    targets: tuple[Reached, ...]
    proposed: bool = False


@dataclass(frozen=True, slots=True)
class Sides:
    """The two trees of a revision: the target branch, and the result of the merge."""

    before: GitTree
    after: GitTree

    @property
    def changed(self) -> frozenset[str]:
        """Paths that differ, of a rename both."""
        rows = trees.diff_trees(self.before.git_dir, self.before.oid, self.after.oid)
        return frozenset(path for row in rows for path in (row.old_path, row.new_path) if path)


def rendered_target(row: Rendering) -> Target:
    """The target that a rendering is of, as the policy named it when it was planned."""
    return Target(row.target, row.environment, Kind(row.kind), row.options)


def sides_of(revision: Revision) -> Sides | None:
    """``None`` for a revision that conflicts: what it would do cannot be rendered."""
    if not revision.result_tree:
        return None
    git_dir = revision.change.repository.mirror_path
    before = objects.commit_tree_oid(git_dir, revision.target_oid)
    return Sides(GitTree(git_dir, before), GitTree(git_dir, revision.result_tree))


def names_targets(config: PortalConfig) -> bool:
    """Whether the policy says what is rendered."""
    return any(environment.targets for environment in config.environments)


def reached_by(revision: Revision) -> Found:
    """All targets whose inputs differ, in the order of the policy. Reads Git, and runs no tool."""
    sides = sides_of(revision)
    if sides is None:
        return Found(())
    config = policy_at(revision.change.repository, revision.target_branch, revision.target_oid).config
    changed = sides.changed
    if names_targets(config):
        return Found(tuple(_configured(config, sides, changed)))
    return Found(tuple(_proposed(sides, changed)), proposed=True)


def target_of(environment: EnvironmentConfig, found: TargetConfig) -> Target:
    """A target of ``portal.yaml`` as renderers take it."""
    return Target(found.name, environment.name, Kind(found.kind), dict(found.options))


def _configured(config: PortalConfig, sides: Sides, changed: frozenset[str]) -> Iterable[Reached]:
    for environment in config.environments:
        for found in environment.targets:
            target = target_of(environment, found)
            inputs = {*found.inputs, *(f"{path}/" for path in found.inputs), *_inputs(target, sides)}
            if touches(inputs, changed):
                yield Reached(target, found.optional)


def _proposed(sides: Sides, changed: frozenset[str]) -> Iterable[Reached]:
    """What looks like a target, on either side."""
    found = (
        Target(one.name, one.environment or PROPOSED, one.kind, dict(one.options))
        for one in propose((sides.after, sides.before))
    )
    for target in sorted(found, key=lambda one: (one.environment, one.name)):
        if touches(_inputs(target, sides), changed):
            yield Reached(target, optional=True)


def _inputs(target: Target, sides: Sides) -> set[str]:
    return {path for tree in (sides.before, sides.after) for path in inputs_in(target, tree)}


def inputs_in(target: Target, tree: Tree) -> tuple[str, ...]:
    """The paths that a target of this tree is made from, folders with ``/`` at the end; none where they cannot be told."""
    try:
        return reader_of(target.kind).inputs(tree, target)
    except RenderError:
        return ()  # what is broken shows when it is rendered; the paths of the policy still hold


def touches(inputs: Iterable[str], changed: Iterable[str]) -> bool:
    """Whether one of the changed paths is an input, or lies in an input folder (``a/``; ``.`` is everything)."""
    paths = set(inputs)
    folders = {path for path in paths if path.endswith("/")}
    files = paths - folders
    if files & {".", ""} or folders & {"/", "./"}:
        return any(True for _ in changed)
    starts = tuple(folders)
    return any(path in files or path.startswith(starts) for path in changed)
