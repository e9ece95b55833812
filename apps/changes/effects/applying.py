"""The resources that an approved rendering stands for, in clear, made again to be applied.

What is stored of a rendering has no secrets, so it cannot be applied. It is rendered again from the same trees, and
must give the same digest: the one that approvals were bound to. Values that differ from run to run, and were waived,
are those of this run.
"""

from __future__ import annotations

from dataclasses import dataclass

from apps.changes.effects.git_tree import GitTree
from apps.changes.effects.making import CHARTS, redacted_side
from apps.changes.effects.registry import renderer_of
from apps.changes.effects.sides import one_side
from apps.changes.effects.targets import rendered_target, sides_of
from apps.changes.effects.tools import fingerprint_of, toolbox
from apps.changes.models import Rendering, Revision
from apps.core.errors import Conflict
from apps.rendering.comparing import compare, difference_digest
from apps.rendering.model import Kind, Rendered, RenderError, Resource
from apps.rendering.protocol import Target
from apps.rendering.redaction import Fingerprint
from apps.rendering.stability import Twice, asks_for_time, render_twice, settled
from apps.vcs import objects

APPLICABLE = frozenset({Kind.MANIFESTS, Kind.KUSTOMIZE, Kind.HELM})


@dataclass(frozen=True, slots=True)
class Applicable:
    """``digest``: what was approved; empty where the change does not reach the target, so that no effect was to approve."""

    resources: tuple[Resource, ...]
    digest: str
    hide: Fingerprint


def applicable(revision: Revision, commit: str, target: Target) -> Applicable:
    """The target at ``commit``, which is what ``revision`` became. Renders, which can take as long as its limits allow.

    :class:`Conflict` ``not_as_approved`` says why it is not what was approved, or cannot be known to be.
    """
    row = Rendering.objects.filter(revision=revision, environment=target.environment, target=target.name).first()
    tree = GitTree(revision.change.repository.mirror_path, _tree_of(revision, commit))
    try:
        hide = fingerprint_of(revision)
        if row is None:
            return Applicable(_rendered(tree, target).rendered.resources, "", hide)
        return _as_approved(revision, row, tree, hide)
    except RenderError as problem:
        raise Conflict("not_as_approved", f"{target.name} cannot be rendered: {problem.message}") from problem


def _tree_of(revision: Revision, commit: str) -> str:
    tree = objects.commit_tree_oid(revision.change.repository.mirror_path, commit)
    if tree != revision.result_tree:
        raise Conflict(
            "not_as_approved",
            f"The files of {commit[:10]} are not those that were approved with revision {revision.number} of {revision.change.label}.",
        )
    return tree


def _as_approved(revision: Revision, row: Rendering, tree: GitTree, hide: Fingerprint) -> Applicable:
    if row.state != Rendering.State.RENDERED:
        raise Conflict(
            "not_as_approved", f"{row.label} was not rendered, so no effect of it was approved: {row.message}"
        )
    sides = sides_of(revision)
    if sides is None:
        raise Conflict("not_as_approved", f"{revision.change.label} conflicts with its target branch.")
    target = rendered_target(row)
    twice = _rendered(tree, target)
    after = redacted_side(settled(twice), tree, hide)
    before = one_side(renderer_of(target.kind), sides.before, target, hide)
    difference = compare(
        before.rendered.resources, after.resources, with_generators=target.kind in {Kind.KUSTOMIZE, Kind.FLUX}
    )
    if difference_digest(difference, after.tool) != row.digest:
        raise Conflict("not_as_approved", _why(row, after))
    if row.facts.get("unstable"):
        raise Conflict(
            "not_as_approved",
            f"{row.label} has values that differ from run to run, so what was approved cannot be applied.",
        )
    return Applicable(twice.rendered.resources, row.digest, hide)


def _why(row: Rendering, after: Rendered) -> str:
    tool = [after.tool.name, after.tool.version, after.tool.sha256]
    approved = row.facts.get("tool")
    if approved and approved != tool:
        return (
            f"{row.label} was approved as {approved[0]} {approved[1]} rendered it; this worker has {tool[0]} {tool[1]}, or "
            "another build of it. Nothing is applied. Have the change rendered and approved anew, or deploy with that tool."
        )
    return f"{row.label} is rendered otherwise now than it was approved ({row.digest[:12]}). Nothing is applied."


def _rendered(tree: GitTree, target: Target) -> Twice:
    if target.kind not in APPLICABLE:
        raise Conflict(
            "not_as_approved",
            f"{target.name} is of the kind {target.kind.value}, whose resources the portal does not apply itself.",
        )
    renderer = renderer_of(target.kind)
    if target.kind not in CHARTS:
        return Twice(renderer.render(tree, target, toolbox()), ())
    waits = asks_for_time(tree, renderer.inputs(tree, target))
    return render_twice(renderer, tree, target, toolbox(), in_another_second=waits)
