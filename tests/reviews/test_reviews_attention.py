"""Whose turn it is: the table of rules, and what may never happen whatever the facts are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.changes.lifecycle import Status
from apps.reviews.attention import (
    CALLABLE,
    AskedReviewer,
    Kind,
    OpenCall,
    Origin,
    Turn,
    TurnFacts,
    decide,
    is_over,
)

ALICE, BOB, KIM, CAROL, ROBOT = 1, 2, 3, 4, 9
ABLE = frozenset({ALICE, BOB, KIM, CAROL})
REVIEW = TurnFacts(status=Status.IN_REVIEW, able=ABLE, owner=ALICE, unmet=frozenset({"code_owners"}))
ASKED = AskedReviewer(BOB, "You own /net/** (CODEOWNERS:2)", is_useful=True)


def reviewed(**facts: object) -> TurnFacts:
    return replace(REVIEW, reviewers=(ASKED,), **facts)  # type: ignore[arg-type]


def asked(**facts: object) -> TurnFacts:
    return replace(REVIEW, reviewers=(replace(ASKED, **facts),))  # type: ignore[arg-type]


HANDED = OpenCall(KIM, Origin.HAND_OVER, "Handed over by @bob: you know DNS", made_by=BOB)
ANSWER = OpenCall(BOB, Origin.ANSWER, "alice answered your thread 3", made_by=ALICE)
FAILED = OpenCall(CAROL, Origin.FAILED, "d-7 to production failed")
QUIET = OpenCall(ALICE, Origin.QUIET, "It has been nobody's turn for 24 h")

TABLE: dict[str, tuple[TurnFacts, dict[int, str]]] = {
    "asked to review": (reviewed(), {BOB: Kind.REVIEW}),
    "asked, but nothing waits for it": (asked(is_useful=False), {}),
    "approved, and it counts": (asked(counts=True), {}),
    "asked for changes of this content": (asked(has_answered=True), {}),
    "approval lost": (asked(lost="r3 changed the source", lost_revision=2), {BOB: Kind.LOST}),
    "approval lost, but not needed any more": (asked(lost="r3 changed the source", is_useful=False), {}),
    "changes asked for: the author's turn": (
        replace(asked(has_answered=True), unmet=frozenset({"change_requests"})),
        {ALICE: Kind.AUTHOR},
    ),
    "conflict: the author's turn, beside the reviewers'": (
        reviewed(unmet=frozenset({"conflicts"})),
        {ALICE: Kind.AUTHOR, BOB: Kind.REVIEW},
    ),
    "a question waits": (replace(REVIEW, questions=True), {ALICE: Kind.AUTHOR}),
    "everything is met: the author merges": (asked(counts=True) and replace(REVIEW, allowed=True), {ALICE: Kind.READY}),
    "handed over: the giver is out": (reviewed(calls=(HANDED,)), {KIM: Kind.HANDED}),
    "handed over to somebody who left: the giver stays": (
        reviewed(calls=(replace(HANDED, user=ROBOT),)),
        {BOB: Kind.REVIEW},
    ),
    "handed back and forth: both are called, nobody gets lost": (
        reviewed(calls=(HANDED, replace(HANDED, user=BOB, made_by=KIM))),
        {KIM: Kind.HANDED, BOB: Kind.HANDED},
    ),
    "a thread was answered": (replace(REVIEW, calls=(ANSWER,)), {BOB: Kind.ANSWERED}),
    "the approval was lost and the thread answered: the approval is said": (
        replace(asked(lost="r3 changed the source"), calls=(ANSWER,)),
        {BOB: Kind.LOST},
    ),
    "a reviewer commented: they wait, the author is in": (
        reviewed(calls=(OpenCall(ALICE, Origin.ANSWER, "bob commented on r2", made_by=BOB),)),
        {ALICE: Kind.ANSWERED},
    ),
    "nobody for a day": (replace(REVIEW, calls=(QUIET,)), {ALICE: Kind.QUIET}),
    "nobody for a day, then somebody": (reviewed(calls=(QUIET,)), {BOB: Kind.REVIEW, ALICE: Kind.QUIET}),
    "backlog, nobody asked": (
        TurnFacts(status=Status.REQUESTED, able=ABLE, owner=ALICE, maintainers=(CAROL,)),
        {CAROL: Kind.TRIAGE},
    ),
    "backlog, asked to write": (
        TurnFacts(status=Status.REQUESTED, able=ABLE, owner=BOB, writers={BOB: "knows it"}, maintainers=(CAROL,)),
        {BOB: Kind.WRITE},
    ),
    "deployment failed": (TurnFacts(status=Status.MERGED, able=ABLE, calls=(FAILED,)), {CAROL: Kind.FAILED}),
    "merged: an old hand-over holds nobody": (TurnFacts(status=Status.MERGED, able=ABLE, calls=(HANDED,)), {}),
    "draft": (reviewed(status=Status.DRAFT, calls=(HANDED, ANSWER)), {}),
    "withdrawn": (reviewed(status=Status.WITHDRAWN, calls=(HANDED, ANSWER)), {}),
    "merging": (reviewed(status=Status.MERGING, calls=(HANDED, ANSWER)), {}),
    "done": (reviewed(status=Status.DONE, calls=(FAILED,)), {}),
}


@pytest.mark.parametrize("case", TABLE)
def test_each_rule_of_the_attention_set(case: str) -> None:
    facts, wanted = TABLE[case]
    assert {user: turn.kind for user, turn in decide(facts).items()} == wanted


def test_a_lost_approval_says_which_one_and_why() -> None:
    turn = decide(asked(lost="r3 changed the source since bob approved r2.", lost_revision=2))[BOB]
    assert turn == Turn(Kind.LOST, "Your approval of r2 no longer counts: r3 changed the source since bob approved r2.")


@pytest.mark.parametrize(
    ("call", "facts", "over"),
    [
        (HANDED, REVIEW, False),
        (HANDED, replace(REVIEW, status=Status.DRAFT), True),
        (HANDED, replace(REVIEW, status=Status.MERGED), True),
        (HANDED, replace(REVIEW, able=frozenset({ALICE})), True),
        (FAILED, replace(REVIEW, status=Status.MERGED), False),
        (FAILED, replace(REVIEW, status=Status.DONE), True),
        (QUIET, replace(REVIEW, calls=(QUIET,)), False),
        (QUIET, reviewed(calls=(QUIET,)), True),
    ],
)
def test_a_call_ends_when_it_has_lost_its_sense(call: OpenCall, facts: TurnFacts, over: bool) -> None:
    assert is_over(call, facts) is over


PEOPLE = st.integers(1, 9)
FACTS = st.builds(
    TurnFacts,
    status=st.sampled_from(list(Status)),
    able=st.frozensets(PEOPLE),
    owner=st.integers(0, 9),
    writers=st.dictionaries(PEOPLE, st.just("why"), max_size=3),
    maintainers=st.lists(PEOPLE, max_size=3).map(tuple),
    reviewers=st.lists(
        st.builds(
            AskedReviewer,
            PEOPLE,
            st.just("why"),
            st.booleans(),
            st.booleans(),
            st.booleans(),
            st.sampled_from(["", "x"]),
        ),
        max_size=4,
    ).map(tuple),
    allowed=st.booleans(),
    unmet=st.frozensets(st.sampled_from(["conflicts", "revision", "change_requests", "threads", "code_owners"])),
    questions=st.booleans(),
    calls=st.lists(
        st.builds(OpenCall, PEOPLE, st.sampled_from(list(Origin)), st.just("why"), st.integers(0, 9)), max_size=4
    ).map(tuple),
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(FACTS)
def test_nobody_is_ever_in_the_set_who_cannot_act(facts: TurnFacts) -> None:
    turns = decide(facts)
    assert set(turns) <= facts.able
    assert all(turn.reason for turn in turns.values())
    if facts.status not in CALLABLE:
        assert turns == {}


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(FACTS)
def test_a_turn_that_is_handed_over_is_never_lost(facts: TurnFacts) -> None:
    """Handing over takes somebody out only while the one who took it is in."""
    turns = decide(facts)
    if facts.status != Status.IN_REVIEW:
        return
    without = decide(replace(facts, calls=tuple(call for call in facts.calls if call.origin != Origin.HAND_OVER)))
    assert turns or not without
