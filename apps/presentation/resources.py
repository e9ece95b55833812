"""Resources as the system that deploys told them last: one list, the worst first, and a tree of it that is bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from apps.deployments.dispatchers import ResourceState

HEALTH = ("degraded", "missing", "unknown", "progressing", "suspended", "healthy")
"""The worst first: what is broken before what is on its way."""
MOST_NODES = 200
"""Of a tree, branches and leaves together (UX §2.8)."""
FEW = 12
"""So many are shown at once, however well they are."""


@dataclass(frozen=True, slots=True)
class Resource(ResourceState):
    """One row of ``Attempt.resources``. ``word``: key of the word for its health."""

    @property
    def word(self) -> str:
        return _word(self.health)

    @property
    def is_out_of_sync(self) -> bool:
        return self.sync == "out_of_sync"

    @property
    def order(self) -> tuple[int, bool, str, str, str]:
        health = self.health if self.health in HEALTH else "unknown"
        return HEALTH.index(health), not self.is_out_of_sync, self.kind, self.namespace, self.name


@dataclass(frozen=True, slots=True)
class Branch:
    """A namespace with its kinds, or a kind with its resources. ``name`` is empty for what has no namespace.

    ``words``: (key of a word, how many) of all ``total``, also of those that the bound leaves out; ``is_open``: something in it is not well.
    """

    name: str
    total: int
    words: tuple[tuple[str, int], ...]
    is_open: bool
    branches: tuple[Branch, ...] = ()
    rows: tuple[Resource, ...] = ()

    @property
    def left_out(self) -> int:
        """Of a kind."""
        return self.total - len(self.rows)


@dataclass(frozen=True, slots=True)
class Tree:
    """No parents but those that the rows name: there is no level of namespaces where nothing has one. ``left_out`` of all rows."""

    branches: tuple[Branch, ...]
    left_out: int


def resources_of(told: Iterable[dict[str, Any]]) -> tuple[Resource, ...]:
    """What an attempt has kept, the worst first."""
    return tuple(sorted((Resource(**one) for one in told), key=lambda one: one.order))


def count_healthy(rows: Iterable[Resource]) -> int:
    return sum(1 for one in rows if one.health == "healthy")


def resource_tree(rows: Sequence[Resource]) -> Tree:
    """Of rows with the worst first: as many of them as fit, and the branches in the order of their worst."""
    shown = _that_fit(rows)
    kept = set(map(id, rows[:shown]))
    few = len(rows) <= FEW

    def kind(name: str, of: Sequence[Resource]) -> Branch:
        mine = tuple(one for one in of if id(one) in kept)
        return Branch(name, len(of), _words(of), few or _is_unwell(of), rows=mine)

    def kinds(of: Sequence[Resource]) -> tuple[Branch, ...]:
        return tuple(kind(name, mine) for name, mine in _grouped(of, _kind_of) if id(mine[0]) in kept)

    spaces = _grouped(rows, lambda one: one.namespace)
    if [name for name, _ in spaces] == [""]:
        return Tree(kinds(rows), len(rows) - shown)
    branches = tuple(
        Branch(name, len(mine), _words(mine), few or _is_unwell(mine), branches=kinds(mine))
        for name, mine in spaces
        if id(mine[0]) in kept
    )
    return Tree(branches, len(rows) - shown)


def _that_fit(rows: Sequence[Resource]) -> int:
    """How many of the first rows there is room for, with their branches."""
    nodes, branches = 0, set[tuple[str, ...]]()
    for count, one in enumerate(rows):
        own = {(one.namespace,), (one.namespace, _kind_of(one))}
        nodes += 1 + len(own - branches)
        if nodes > MOST_NODES:
            return count
        branches |= own
    return len(rows)


def _kind_of(one: Resource) -> str:
    return f"{one.kind} ({one.group})" if one.group else one.kind


def _grouped(rows: Iterable[Resource], key: Callable[[Resource], str]) -> list[tuple[str, list[Resource]]]:
    """In the order of their first, which is their worst."""
    found: dict[str, list[Resource]] = {}
    for one in rows:
        found.setdefault(key(one), []).append(one)
    return list(found.items())


def _is_unwell(rows: Iterable[Resource]) -> bool:
    return any(one.health != "healthy" or one.is_out_of_sync for one in rows)


def _words(rows: Sequence[Resource]) -> tuple[tuple[str, int], ...]:
    """The worst first; of what is healthy only where all is."""
    counted = Counter(one.health if one.health in HEALTH else "unknown" for one in rows)
    if counted["healthy"] < len(rows):
        del counted["healthy"]
    drifted = sum(1 for one in rows if one.is_out_of_sync)
    words = [(_word(health), counted[health]) for health in HEALTH if counted[health]]
    return (*words, *([("out_of_sync", drifted)] if drifted else []))


def _word(health: str) -> str:
    return health if health in HEALTH and health != "unknown" else "health_unknown"
