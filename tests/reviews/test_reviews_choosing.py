"""Choosing: the smallest set, the best placed, and fair over time."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.reviews.choosing import SWAMPED, Candidate, Need, choose, stand_in

NAMES = ("ann", "ben", "cid", "dan", "eve", "fay", "gus")
names = st.sampled_from(NAMES)
needs_of_any_kind = st.lists(
    st.builds(Need, st.frozensets(names), st.integers(0, 3), st.just("because")), min_size=1, max_size=4
)
candidates = st.fixed_dictionaries(
    {
        name: st.builds(
            Candidate, st.just(name), st.integers(0, 3), st.integers(0, 10), st.sampled_from([0.0, 1.0, 2.0])
        )
        for name in NAMES
    }
)


def covers(needs: list[Need], together: frozenset[str]) -> bool:
    """Whether everything that can be given is given."""
    return all(len(need.candidates & together) >= min(need.missing, len(need.candidates)) for need in needs)


def by_brute_force(needs: list[Need], asked: frozenset[str], people: dict[str, Candidate]) -> list[str]:
    """Every subset is tried: the smallest cover whose worst placed member is best placed, then the next."""
    free = sorted(set(NAMES) - asked, key=lambda name: people[name].rank)
    named = {name for need in needs for name in need.candidates}
    place = {name: index for index, name in enumerate(name for name in free if name in named)}
    for size in range(len(place) + 1):
        found = [subset for subset in combinations(place, size) if covers(needs, asked | frozenset(subset))]
        if found:
            return list(min(found, key=lambda subset: sorted((place[name] for name in subset), reverse=True)))
    raise AssertionError("all together cover what can be covered")


@given(needs_of_any_kind, st.frozensets(names, max_size=3), candidates)
@settings(max_examples=300, deadline=None)
def test_the_choice_is_the_smallest_and_best_placed_set_that_brute_force_finds(
    needs: list[Need], asked: frozenset[str], people: dict[str, Candidate]
) -> None:
    chosen = choose(needs, asked=asked, people=people)
    assert chosen.exact
    assert list(chosen.reasons) == by_brute_force(needs, asked, people)
    assert not set(chosen.reasons) & asked


@given(st.lists(st.builds(Need, st.frozensets(st.integers(0, 60).map(str), min_size=1, max_size=12),
                          st.integers(0, 4), st.just("x")), min_size=5, max_size=9))  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_many_needs_are_covered_too_in_bounded_time(needs: list[Need]) -> None:
    chosen = choose(needs, asked=frozenset(), people={})
    assert covers(needs, frozenset(chosen.reasons))


def test_one_person_who_covers_two_needs_is_asked_instead_of_two() -> None:
    needs = [Need(frozenset({"ann", "ben"}), 1, "web"), Need(frozenset({"ben", "cid"}), 1, "net")]
    assert choose(needs, asked=frozenset(), people={}).reasons == {"ben": ("web", "net")}


def test_a_need_that_too_few_can_meet_is_named() -> None:
    needs = [Need(frozenset({"ann"}), 2, "web"), Need(frozenset({"ben"}), 1, "net")]
    chosen = choose(needs, asked=frozenset(), people={})
    assert chosen.short == (0,)
    assert set(chosen.reasons) == {"ann", "ben"}, "who can give something is asked all the same"


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (Candidate("zoe", knows=3, load=2), Candidate("ann", knows=1)),
        (Candidate("zoe", knows=2, load=1, asked_at=9.0), Candidate("ann", knows=2, load=3)),
        (Candidate("zoe", asked_at=1.0), Candidate("ann", asked_at=2.0)),
        (Candidate("ann"), Candidate("zoe")),
        (Candidate("zoe", knows=0), Candidate("ann", knows=3, load=SWAMPED)),
    ],
    ids=["knowledge", "load", "asked least recently", "name", "nobody is swamped"],
)
def test_between_equals_it_is_decided_by(better: Candidate, worse: Candidate) -> None:
    needs = [Need(frozenset({"ann", "zoe"}), 1, "x")]
    people = {better.name: better, worse.name: worse}
    assert list(choose(needs, asked=frozenset(), people=people).reasons) == [better.name]


present = st.frozensets(names, min_size=1)


@given(st.lists(st.tuples(present, st.integers(1, 3)), min_size=1, max_size=120))
@settings(max_examples=200, deadline=None)
def test_round_robin_is_fair_while_people_join_leave_and_are_away(rounds: list[tuple[frozenset[str], int]]) -> None:
    """Over any stretch of time in which two people are both there, their requests differ by one at most."""
    last: dict[str, float] = {}
    history: list[frozenset[str]] = []
    for moment, (there, wanted) in enumerate(rounds, start=1):
        people = {name: Candidate(name, asked_at=last.get(name, 0.0)) for name in there}
        chosen = choose([Need(there, wanted, "x")], asked=frozenset(), people=people).reasons
        # As the rows are written: one after the other, in the order of the choice.
        last |= {name: moment + index / 10 for index, name in enumerate(chosen)}
        history.append(frozenset(chosen))
    for one, other in combinations(NAMES, 2):
        for stretch in stretches([{one, other} <= there for there, _ in rounds]):
            # Both ends of the stretch may lie anywhere: the running difference never leaves a band of width one.
            running, seen = 0, [0]
            for index in stretch:
                running += (one in history[index]) - (other in history[index])
                seen.append(running)
            assert max(seen) - min(seen) <= 1, (one, other)


def stretches(together: list[bool]) -> list[list[int]]:
    found: list[list[int]] = [[]]
    for index, both in enumerate(together):
        if both:
            found[-1].append(index)
        elif found[-1]:
            found.append([])
    return found


def test_a_newcomer_does_not_have_to_make_up_for_the_past() -> None:
    last = {name: float(index) for index, name in enumerate(("ann", "ben", "cid"), start=1)}
    asked: Counter[str] = Counter()
    for moment in range(4, 12):
        people = {name: Candidate(name, asked_at=last.get(name, 0.0)) for name in ("ann", "ben", "cid", "new")}
        (name,) = choose([Need(frozenset(people), 1, "x")], asked=frozenset(), people=people).reasons
        last[name] = float(moment)
        asked[name] += 1
    assert asked == {"new": 2, "ann": 2, "ben": 2, "cid": 2}


@pytest.mark.parametrize(
    ("deputies", "found"),
    [
        ({"tom": "kim"}, "kim"),
        ({"tom": ""}, ""),
        ({"tom": "kim", "kim": "lee"}, "lee"),
        ({"tom": "kim", "kim": "tom"}, ""),
        ({"tom": "tom"}, ""),
        ({"tom": "kim", "kim": "lee", "lee": "kim"}, ""),
        ({"tom": "kim", "kim": ""}, ""),
    ],
)
def test_deputies_of_deputies_are_followed_and_circles_end(deputies: dict[str, str], found: str) -> None:
    assert stand_in("tom", deputies) == found
