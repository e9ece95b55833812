"""Rendering twice: what differs between two runs on the same commit is no effect of a change, and is named.

The second run has another time, time zone, host name, user, home and folder. What depends on the date alone in a fixed
time zone is not found: the clock of a tool can not be set.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from apps.rendering.model import Json, Rendered, ResourceId, Step
from apps.rendering.protocol import Renderer, Target, Tree
from apps.rendering.toolbox import ELSEWHERE, Toolbox

MOST = 10_000


@dataclass(frozen=True, slots=True)
class Twice:
    """The first rendering, and the places in it that the second one had otherwise (an empty path: the whole resource)."""

    rendered: Rendered
    unstable: tuple[tuple[ResourceId, tuple[Step, ...]], ...]


def render_twice(renderer: Renderer, tree: Tree, target: Target, toolbox: Toolbox) -> Twice:
    """Render, wait for the next second, render elsewhere, compare. At most :data:`MOST` places are named."""
    first = renderer.render(tree, target, toolbox)
    time.sleep(1.05 - time.time() % 1)
    second = renderer.render(tree, target, replace(toolbox, surroundings=ELSEWHERE))
    return Twice(first, tuple(place for place, _ in zip(differing(first, second), range(MOST), strict=False)))


def differing(first: Rendered, second: Rendered) -> Iterator[tuple[ResourceId, tuple[Step, ...]]]:
    """Places that differ, in the order of the first rendering, then resources that only the second one has."""
    others = {each.id: each.body for each in second.resources}
    for each in first.resources:
        if each.id not in others:
            yield each.id, ()
        else:
            yield from ((each.id, path) for path in _leaves(each.body, others.pop(each.id)))
    yield from ((left, ()) for left in others if left not in {each.id for each in first.resources})


def _leaves(one: Json, other: Json) -> Iterator[tuple[Step, ...]]:
    left: list[tuple[tuple[Step, ...], Json, Json]] = [((), one, other)]
    while left:
        path, mine, theirs = left.pop()
        if isinstance(mine, dict) and isinstance(theirs, dict):
            left += [((*path, key), mine[key], theirs[key]) for key in reversed(mine) if key in theirs]
            yield from ((*path, key) for key in mine if key not in theirs)
            yield from ((*path, key) for key in theirs if key not in mine)
        elif isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
            left += [((*path, index), mine[index], theirs[index]) for index in reversed(range(len(mine)))]
        elif mine != theirs or isinstance(mine, bool) != isinstance(theirs, bool):
            yield path
