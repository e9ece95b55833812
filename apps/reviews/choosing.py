"""Choosing experts: as few people as can give what is missing, and of those the best placed. Pure.

The smallest covering set is a multi-cover problem (set cover is NP-hard). Few needs and few kinds of
people occur, so it is solved exactly, by depth-first search over classes of people who serve the same
needs, up to :data:`MAX_STEPS` steps; beyond that the greedy cover holds (Chvátal 1979: at most ln n
times the optimum).

Between sets of equal size the order of :class:`Candidate` decides: whoever is swamped comes last, then
knowledge, load, who was asked least recently, name. "Least recently asked" makes it a round-robin that
stays fair while people come, go and are away: between two requests to one person everybody else who was
there all the time, and ranks equal otherwise, has been asked once. A count of requests would not do: a
newcomer would be asked alone until the count is level.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

MAX_STEPS = 4_000
SWAMPED = 8
"""Open reviews (weighted) from which on others come first, whatever the person knows."""


@dataclass(frozen=True, slots=True)
class Need:
    """``missing`` more approvals are wanted out of ``candidates`` (usernames); ``why`` says so to them."""

    candidates: frozenset[str]
    missing: int
    why: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """What speaks for and against asking somebody.

    ``knows``: 0 nothing here … 3 as much as anybody (:mod:`apps.reviews.expertise`). ``load``: open
    reviews, large ones twice. ``asked_at``: when last asked, any growing number; 0.0 never of late.
    ``stands_for``: whose place a deputy takes in the order of names.
    """

    name: str
    knows: int = 0
    load: int = 0
    asked_at: float = 0.0
    stands_for: str = ""

    @property
    def rank(self) -> tuple[bool, int, int, float, str]:
        """Smaller is asked first."""
        return (self.load >= SWAMPED, -self.knows, self.load, self.asked_at, self.stands_for or self.name)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Whom to ask in addition: name → the reasons of the needs that they bring forward, best placed first.

    ``exact``: nobody could do with fewer. ``short``: indexes of needs that all candidates together cannot meet.
    """

    reasons: dict[str, tuple[str, ...]] = field(default_factory=dict)
    exact: bool = True
    short: tuple[int, ...] = ()


def choose(needs: Sequence[Need], *, asked: frozenset[str], people: Mapping[str, Candidate]) -> Chosen:
    """Whom to ask beside those who are asked already; people without a :class:`Candidate` rank as strangers."""
    left = [need.missing - len(need.candidates & asked) for need in needs]
    free = [need.candidates - asked for need in needs]
    short = tuple(index for index, number in enumerate(left) if number > len(free[index]))
    missing = [max(0, min(number, len(free[index]))) for index, number in enumerate(left)]
    search = _Search(free, people)
    names, exact = search.best(missing)
    reasons = {
        name: tuple(needs[index].why for index in sorted(search.serves[name]) if missing[index]) for name in names
    }
    return Chosen(reasons, exact, short)


class _TooManyStepsError(Exception):
    pass


class _Search:
    """People in the order of their rank, in classes that serve the same needs."""

    def __init__(self, free: Sequence[frozenset[str]], people: Mapping[str, Candidate]) -> None:
        self.serves: dict[str, frozenset[int]] = {}
        for index, names in enumerate(free):
            for name in names:
                self.serves[name] = self.serves.get(name, frozenset()) | {index}
        ranked = sorted(self.serves, key=lambda name: (people.get(name) or Candidate(name)).rank)
        self.place = {name: place for place, name in enumerate(ranked)}
        classes: dict[frozenset[int], list[str]] = {}
        for name in ranked:
            classes.setdefault(self.serves[name], []).append(name)
        # Who serves most first: it finds small covers early, and what is left to serve shrinks fastest.
        self.classes = sorted(classes.items(), key=lambda item: (-len(item[0]), self.place[item[1][0]]))
        self.steps = 0

    def best(self, missing: list[int]) -> tuple[list[str], bool]:
        """The smallest cover, of several the one whose members rank best; and whether that is certain."""
        greedy = self._greedy(missing)
        try:
            for size in range(max(missing, default=0), len(greedy) + 1):
                found = min(self._covers(0, size, missing), key=self._quality, default=None)
                if found is not None:
                    return sorted(found, key=self.place.__getitem__), True
        except _TooManyStepsError:
            return greedy, False
        return greedy, True

    def _quality(self, names: Sequence[str]) -> list[int]:
        """Compared from the worst placed member on: nobody swamped is taken to spare somebody a little."""
        return sorted((self.place[name] for name in names), reverse=True)

    def _covers(self, number: int, size: int, missing: list[int]) -> Iterator[list[str]]:
        """Every cover of ``missing`` by at most ``size`` people of the classes from ``number`` on."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise _TooManyStepsError
        most = max(missing, default=0)
        if most <= 0:
            yield []
            return
        if number == len(self.classes) or most > size:
            return
        serves, names = self.classes[number]
        useful = max((missing[index] for index in serves), default=0)
        for count in range(max(0, min(size, len(names), useful)), -1, -1):
            rest = [value - count if index in serves else value for index, value in enumerate(missing)]
            for others in self._covers(number + 1, size - count, rest):
                yield [*names[:count], *others]

    def _greedy(self, missing: list[int]) -> list[str]:
        left, chosen = list(missing), []
        while any(value > 0 for value in left):
            gains = {
                name: sum(left[index] > 0 for index in serves)
                for name, serves in self.serves.items()
                if name not in chosen
            }
            name = min(gains, key=lambda found: (-gains[found], self.place[found]))
            chosen.append(name)
            left = [value - (index in self.serves[name]) for index, value in enumerate(left)]
        return sorted(chosen, key=self.place.__getitem__)


def stand_in(name: str, deputies: Mapping[str, str]) -> str:
    """Who stands in for somebody who is away; ``""`` when nobody does.

    ``deputies``: for everybody who is away now their deputy (``""``: none named). A deputy who is away
    hands on to their own; a circle ends with nobody.
    """
    seen = {name}
    following = deputies.get(name, "")
    while following and following in deputies:
        if following in seen:
            return ""
        seen.add(following)
        following = deputies[following]
    return "" if following in seen else following
