"""The same target at two places: two environments, or one environment at two commits. Rendered apart, compared as resources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from apps.changes.effects.git_tree import GitTree
from apps.changes.effects.outcomes import unquoted
from apps.changes.effects.registry import renderer_of
from apps.changes.effects.sides import one_side
from apps.changes.effects.targets import Sides
from apps.rendering.comparing import compare
from apps.rendering.model import Difference, Failure, Kind, RenderError, Resource
from apps.rendering.planners import PLANNERS
from apps.rendering.protocol import Target
from apps.rendering.redaction import Fingerprint

GENERATORS = frozenset({Kind.KUSTOMIZE, Kind.FLUX})
_Name = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Point:
    """A target in the tree of one commit; ``target`` is ``None`` where there is no such target."""

    tree: GitTree
    target: Target | None

    def resources(self, hide: Fingerprint) -> tuple[Resource, ...]:
        """Redacted; nothing where the target is not. Raises ``RenderError``, whose message quotes no secret."""
        if self.target is None:
            return ()
        if self.target.kind in PLANNERS:
            said = (
                "A plan is made against the state of one environment, so plans of two are not compared. The files are."
            )
            raise RenderError(Failure.UNSUPPORTED, said)
        try:
            return one_side(renderer_of(self.target.kind), self.tree, self.target, hide).rendered.resources
        except RenderError as error:
            said = unquoted(error.message, self.target, Sides(self.tree, self.tree), hide)
            raise RenderError(error.failure, said, path=error.path, line=error.line) from None


def between(start: Point, end: Point, hide: Fingerprint) -> Difference:
    """What differs from ``start`` to ``end``. Raises ``RenderError``.

    A resource that stands in another namespace on the other side is the same one, where only one of each side has its kind and
    name: its namespace is then a field that differs.
    """
    before, after = start.resources(hide), end.resources(hide)
    kinds = {point.target.kind for point in (start, end) if point.target is not None}
    return compare(before, aligned(before, after), with_generators=bool(kinds & GENERATORS))


def aligned(before: Iterable[Resource], after: Iterable[Resource]) -> tuple[Resource, ...]:
    """``after`` with the identities of ``before`` where only the namespace tells them apart."""
    first, second = tuple(before), tuple(after)
    known = {one.id for one in first}
    found = {one.id for one in second}
    lonely = [one for one in first if one.id not in found]
    names = Counter(_name(one) for one in lonely)
    counts = Counter(_name(one) for one in second if one.id not in known)
    by_name = {_name(one): one.id for one in lonely if names[_name(one)] == 1}
    return tuple(
        replace(one, id=by_name[_name(one)])
        if one.id not in known and counts[_name(one)] == 1 and _name(one) in by_name
        else one
        for one in second
    )


def _name(one: Resource) -> _Name:
    return (one.id.api, one.id.kind, one.id.name)
