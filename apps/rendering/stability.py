"""Rendering twice: what differs between two runs on the same commit is no effect of a change, and is named.

The second run has another time, time zone, host name, user, home and folder. What depends on the date alone in a fixed
time zone is not found: the clock of a tool can not be set.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from apps.rendering.model import Json, Rendered, ResourceId, Step
from apps.rendering.parallel import in_parallel
from apps.rendering.paths import inside
from apps.rendering.protocol import FILES, Renderer, Target, Tree
from apps.rendering.toolbox import ELSEWHERE, Toolbox

MOST = 10_000
UNSTABLE = "(differs from run to run)"
_TIME = re.compile(rb"\b(?:now|ago|date\w*|htmlDate\w*|toDate|unixEpoch)\b")


@dataclass(frozen=True, slots=True)
class Twice:
    """The first rendering, and the places in it that the second one had otherwise (an empty path: the whole resource)."""

    rendered: Rendered
    unstable: tuple[tuple[ResourceId, tuple[Step, ...]], ...]


def render_twice(
    renderer: Renderer,
    tree: Tree,
    target: Target,
    toolbox: Toolbox,
    *,
    in_another_second: bool = True,
    at_once: bool = False,
) -> Twice:
    """Render, wait for the next second, render elsewhere, compare. At most :data:`MOST` places are named.

    Where no chart had a part in the first, there is no second one. Without ``in_another_second`` nothing is waited for: for
    inputs that :func:`asks_for_time` says cannot tell; both may then be done ``at_once``.
    """

    def rendered(box: Toolbox) -> Rendered:
        return renderer.render(tree, target, box)

    elsewhere = replace(toolbox, surroundings=ELSEWHERE)
    if at_once and not in_another_second:
        runs = in_parallel([partial(rendered, toolbox), partial(rendered, elsewhere)])
        return _compared(*(run.result() for run in runs))
    first = rendered(toolbox)
    if not first.has_charts:
        return Twice(first, ())
    if in_another_second:
        time.sleep(1.05 - time.time() % 1)
    return _compared(first, rendered(elsewhere))


def _compared(first: Rendered, second: Rendered) -> Twice:
    return Twice(first, tuple(place for place, _ in zip(differing(first, second), range(MOST), strict=False)))


def asks_for_time(tree: Tree, inputs: Iterable[str]) -> bool:
    """Whether a file among ``inputs`` could ask what time it is; a packed chart always could."""
    for path in inputs:
        for entry in tree.entries(inside(path)):
            if entry.path.endswith((".tgz", ".gz")) or (entry.mode in FILES and _TIME.search(tree.read(entry.path))):
                return True
    return False


def differing(first: Rendered, second: Rendered) -> Iterator[tuple[ResourceId, tuple[Step, ...]]]:
    """Places that differ, in the order of the first rendering, then resources that only the second one has."""
    others = {each.id: each.body for each in second.resources}
    for each in first.resources:
        if each.id not in others:
            yield each.id, ()
        else:
            yield from ((each.id, path) for path in _leaves(each.body, others.pop(each.id)))
    yield from ((left, ()) for left in others if left not in {each.id for each in first.resources})


def settled(twice: Twice) -> Rendered:
    """The first rendering with :data:`UNSTABLE` in place of every value that differs from run to run."""
    places: dict[ResourceId, list[tuple[Step, ...]]] = {}
    for identity, path in twice.unstable:
        places.setdefault(identity, []).append(path)
    if not places:
        return twice.rendered
    resources = tuple(
        replace(each, body=_without(each.body, [path for path in places.get(each.id, ()) if path]))
        for each in twice.rendered.resources
    )
    return replace(twice.rendered, resources=resources)


def _without(body: Mapping[str, Json], paths: Iterable[tuple[Step, ...]]) -> Mapping[str, Json]:
    found: Any = deepcopy(dict(body))
    for *steps, last in paths:
        place: Any = found
        for step in steps:
            place = place[step]
        if not isinstance(place, dict) or last in place:
            place[last] = UNSTABLE
    return dict(found)


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
