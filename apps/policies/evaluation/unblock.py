"""The smallest set of people whose acts lift everything that waits.

A multi-cover problem (set cover is NP-hard), so: exact by iterative deepening over classes of
interchangeable people, up to :data:`MAX_STEPS` steps of search; beyond that the greedy cover, which is
at most ln(n) times larger. The answer depends on nothing but its input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, product

from apps.policies.evaluation.demands import Demand

MAX_STEPS = 4_000
MAX_OPTIONS = 32


@dataclass(frozen=True, slots=True)
class Seat:
    """One act of the way: ``person`` or any of ``alternatives`` (ids, ``person`` among them) for ``demands``."""

    person: int
    alternatives: tuple[int, ...]
    demands: tuple[int, ...]


class _Exhausted(Exception):
    pass


Serving = frozenset[int]
"""Demands that one act of a person serves."""


class _Search:
    def __init__(self, demands: Sequence[Demand], order: Callable[[int], str]) -> None:
        self.demands = demands
        asked: dict[int, Serving] = {}
        for index, demand in enumerate(demands):
            for person in demand.candidates:
                asked[person] = asked.get(person, frozenset()) | {index}
        self.options = {person: self._options(serves) for person, serves in asked.items()}
        classes: dict[tuple[Serving, ...], list[int]] = {}
        for person in sorted(asked, key=lambda found: (order(found), found)):
            classes.setdefault(self.options[person], []).append(person)
        # Whoever helps more comes first; the name of the first member decides between equals.
        self.classes = sorted(classes.items(), key=lambda item: (-len(item[0][0]), order(item[1][0])))
        self.steps = 0

    def _options(self, serves: Serving) -> tuple[Serving, ...]:
        """What a person can serve at once: of demands that are apart, one each."""
        apart: dict[str, list[int]] = {}
        for index in sorted(serves):
            if self.demands[index].apart:
                apart.setdefault(self.demands[index].apart, []).append(index)
        free = frozenset(index for index in serves if not self.demands[index].apart)
        chosen = islice(product(*apart.values()), MAX_OPTIONS)
        return tuple(free | frozenset(one) for one in chosen)

    def exact(self, most: int) -> list[tuple[int, Serving]] | None:
        """A smallest list of people, each with what they serve, of at most ``most``."""
        missing = [demand.missing for demand in self.demands]
        for size in range(max(missing, default=0), most):
            found = self._within(missing, size, [0] * len(self.classes))
            if found is not None:
                return found
        return None

    def _within(self, missing: list[int], size: int, used: list[int]) -> list[tuple[int, Serving]] | None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise _Exhausted
        open_ = [index for index, number in enumerate(missing) if number > 0]
        if not open_:
            return []
        if max(missing) > size:
            return None
        hardest = min(open_, key=lambda index: len(self.demands[index].candidates) - missing[index])
        for number, (options, people) in enumerate(self.classes):
            for serves in options:
                if hardest not in serves or used[number] >= len(people):
                    continue
                left = [count - (index in serves) for index, count in enumerate(missing)]
                used[number] += 1
                rest = self._within(left, size - 1, used)
                used[number] -= 1
                if rest is not None:
                    return [(people[used[number]], serves), *rest]
        return None

    def greedy(self) -> list[tuple[int, Serving]]:
        missing = [demand.missing for demand in self.demands]
        left = {number: list(people) for number, (_, people) in enumerate(self.classes)}
        chosen: list[tuple[int, Serving]] = []
        while any(number > 0 for number in missing):
            gains = [
                (sum(missing[index] > 0 for index in serves), -number, -option)
                for number in left
                if left[number]
                for option, serves in enumerate(self.classes[number][0])
            ]
            if not gains or max(gains)[0] == 0:
                return []
            _, number, option = max(gains)
            serves = self.classes[-number][0][-option]
            chosen.append((left[-number].pop(0), serves))
            missing = [count - (index in serves) for index, count in enumerate(missing)]
        return chosen


def shortest_way(demands: Sequence[Demand], order: Callable[[int], str]) -> tuple[Seat, ...]:
    """Seats in order of name; empty when there is no way. ``order`` gives the name of a person."""
    search = _Search(demands, order)
    people = search.greedy()
    with suppress(_Exhausted):
        people = search.exact(len(people) or _most(demands)) or people
    return _seats(search, people, order)


def _most(demands: Sequence[Demand]) -> int:
    """One more than could ever be needed: where the greedy search got stuck, the exact one still finds a way."""
    return sum(demand.missing for demand in demands) + 1


def _seats(search: _Search, people: list[tuple[int, Serving]], order: Callable[[int], str]) -> tuple[Seat, ...]:
    chosen = [person for person, _ in people]
    cover = [sum(index in serves for _, serves in people) for index in range(len(search.demands))]
    taken: set[int] = set()
    seats = []
    for person, serves in sorted(people, key=lambda item: order(item[0])):
        # Without this person the demand would lack somebody: whoever takes the place must serve it too.
        vital = frozenset(index for index in serves if cover[index] <= search.demands[index].missing)
        acts = sorted(vital | (serves - taken))
        taken |= serves
        others = [
            other
            for other, options in search.options.items()
            if other not in chosen and any(option >= vital for option in options)
        ]
        seats.append(Seat(person, (person, *sorted(others, key=order)), tuple(acts)))
    return tuple(seats)
