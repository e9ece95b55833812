"""The smallest set of people whose acts lift everything that waits.

A multi-cover problem (set cover is NP-hard), so: exact by iterative deepening over classes of
interchangeable people, up to :data:`MAX_STEPS` steps of search; beyond that the greedy cover, which is
at most ln(n) times larger. The answer depends on nothing but its input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from apps.policies.evaluation.demands import Demand

MAX_STEPS = 4_000


@dataclass(frozen=True, slots=True)
class Seat:
    """One act of the way: ``person`` or any of ``alternatives`` (ids, ``person`` among them) for ``demands``."""

    person: int
    alternatives: tuple[int, ...]
    demands: tuple[int, ...]


class _Exhausted(Exception):
    pass


class _Search:
    def __init__(self, demands: Sequence[Demand], order: Callable[[int], str]) -> None:
        self.demands = demands
        self.serves: dict[int, frozenset[int]] = {}
        for index, demand in enumerate(demands):
            for person in demand.candidates:
                self.serves[person] = self.serves.get(person, frozenset()) | {index}
        classes: dict[frozenset[int], list[int]] = {}
        for person in sorted(self.serves, key=lambda found: (order(found), found)):
            classes.setdefault(self.serves[person], []).append(person)
        # Whoever helps more comes first; the name of the first member decides between equals.
        self.classes = sorted(classes.items(), key=lambda item: (-len(item[0]), order(item[1][0])))
        self.steps = 0

    def exact(self, most: int) -> list[int] | None:
        """A smallest list of people of at most ``most``."""
        missing = [demand.missing for demand in self.demands]
        for size in range(max(missing, default=0), most):
            found = self._within(missing, size, [0] * len(self.classes))
            if found is not None:
                return found
        return None

    def _within(self, missing: list[int], size: int, used: list[int]) -> list[int] | None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise _Exhausted
        open_ = [index for index, number in enumerate(missing) if number > 0]
        if not open_:
            return []
        if max(missing) > size:
            return None
        hardest = min(open_, key=lambda index: len(self.demands[index].candidates) - missing[index])
        for number, (serves, people) in enumerate(self.classes):
            if hardest not in serves or used[number] >= len(people):
                continue
            left = [count - (index in serves) for index, count in enumerate(missing)]
            used[number] += 1
            rest = self._within(left, size - 1, used)
            used[number] -= 1
            if rest is not None:
                return [people[used[number]], *rest]
        return None

    def greedy(self) -> list[int]:
        missing = [demand.missing for demand in self.demands]
        left = {number: list(people) for number, (_, people) in enumerate(self.classes)}
        chosen: list[int] = []
        while any(number > 0 for number in missing):
            gains = [
                (sum(missing[index] > 0 for index in self.classes[number][0]), -number)
                for number in left
                if left[number]
            ]
            if not gains or max(gains)[0] == 0:
                return []
            number = -max(gains)[1]
            chosen.append(left[number].pop(0))
            missing = [count - (index in self.classes[number][0]) for index, count in enumerate(missing)]
        return chosen


def shortest_way(demands: Sequence[Demand], order: Callable[[int], str]) -> tuple[Seat, ...]:
    """Seats in order of name; empty when there is no way. ``order`` gives the name of a person."""
    search = _Search(demands, order)
    people = search.greedy()
    with suppress(_Exhausted):
        people = search.exact(len(people)) or people
    return _seats(search, people, order)


def _seats(search: _Search, people: list[int], order: Callable[[int], str]) -> tuple[Seat, ...]:
    cover = [sum(index in search.serves[person] for person in people) for index in range(len(search.demands))]
    taken: set[int] = set()
    seats = []
    for person in sorted(people, key=order):
        serves = search.serves[person]
        # Without this person the demand would lack somebody: whoever takes the place must serve it too.
        vital = frozenset(index for index in serves if cover[index] <= search.demands[index].missing)
        acts = sorted(vital | (serves - taken))
        taken |= serves
        others = [other for other in search.serves if other not in people and search.serves[other] >= vital]
        seats.append(Seat(person, (person, *sorted(others, key=order)), tuple(acts)))
    return tuple(seats)
