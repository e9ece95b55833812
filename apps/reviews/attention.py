"""Whose turn it is (UX §2.3): a table of rules over facts. Pure; ``apps.reviews.turns`` gathers the facts.

The rules are read from the top, and the first one that names a person gives the reason. Whatever a
rule says, only people in :attr:`TurnFacts.able` are ever in the set: active, human, with a role in which they can act.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from apps.changes.lifecycle import Status


class Kind(StrEnum):
    """Why it is somebody's turn."""

    WRITE = "write"
    TRIAGE = "triage"
    REVIEW = "review"
    LOST = "lost"
    AUTHOR = "author"
    READY = "ready"
    HANDED = "handed"
    ANSWERED = "answered"
    FAILED = "failed"
    START = "start"
    QUIET = "quiet"


class Origin(StrEnum):
    """What called a person to a change (:class:`apps.reviews.models.Call`)."""

    HAND_OVER = "hand_over"
    ANSWER = "answer"
    FAILED = "failed"
    START = "start"
    QUIET = "quiet"


BY_DEPLOYMENTS = frozenset({Origin.FAILED, Origin.START})
"""Calls of deployments: what people do otherwise with the change does not settle them."""
CALLABLE = frozenset({Status.REQUESTED, Status.IN_REVIEW, Status.MERGED})
"""States in which it can be somebody's turn; in all others everybody is out."""


SETTLED_BY_SEEING = frozenset({Kind.HANDED, Kind.ANSWERED, Kind.QUIET})
"""Turns that a person may end by saying that nothing is to be done; of others the change itself waits."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Why it is a person's turn: ``kind`` for programs, ``reason`` for people."""

    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class AskedReviewer:
    """A person who was asked to review.

    ``is_useful``: their approval would bring a requirement forward; ``has_answered``: they asked for
    changes of exactly this content; ``counts``: their approval counts; ``lost``: why an earlier approval
    does not (empty without one); ``lost_revision``: which one it was for.
    """

    user: int
    reason: str
    is_useful: bool
    has_answered: bool = False
    counts: bool = False
    lost: str = ""
    lost_revision: int = 0


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call that nobody has acted on yet (see :class:`apps.reviews.models.Call`)."""

    user: int
    origin: str
    reason: str
    made_by: int = 0


@dataclass(frozen=True)
class TurnFacts:
    """All that decides whose turn it is. People are account ids; 0 is nobody.

    ``owner``: who writes it, else who asked for it. ``unmet``: codes of the requirements that do not hold.
    ``questions``: whether a question of somebody else waits for the owner.
    """

    status: str
    able: frozenset[int] = frozenset()
    owner: int = 0
    writers: Mapping[int, str] = field(default_factory=dict)
    maintainers: tuple[int, ...] = ()
    reviewers: tuple[AskedReviewer, ...] = ()
    allowed: bool = False
    unmet: frozenset[str] = frozenset()
    questions: bool = False
    calls: tuple[OpenCall, ...] = ()


OWNERS_WORK = (
    ("conflicts", "It conflicts with the target branch"),
    ("revision", "It needs a new revision"),
    ("change_requests", "A reviewer asks for changes"),
    ("threads", "A blocking thread is open"),
)
"""What only the owner can do something about, the most urgent first: requirement code → reason."""

Found = Iterable[tuple[int, Turn]]


def decide(facts: TurnFacts) -> dict[int, Turn]:
    """Account id → why it is their turn; empty when nobody has to do anything."""
    turns: dict[int, Turn] = {}
    for rule in RULES.get(Status(facts.status), ()):
        for user, turn in rule(facts):
            if user in facts.able:
                turns.setdefault(user, turn)
    for user in _gave_away(facts):
        turns.pop(user, None)
    return turns


def is_over(call: OpenCall, facts: TurnFacts) -> bool:
    """Whether a call has lost its sense: by the state, or because somebody else's turn it is again."""
    if facts.status not in CALLABLE or call.user not in facts.able:
        return True
    if call.origin in BY_DEPLOYMENTS:
        return facts.status != Status.MERGED
    if call.origin == Origin.QUIET:
        return any(turn.kind != Kind.QUIET for turn in decide(facts).values())
    return facts.status == Status.MERGED


def _gave_away(facts: TurnFacts) -> set[int]:
    """Who handed their turn to somebody who has not acted on it yet; both at once would be a circle, so nobody is out."""
    given = {call.made_by: call.user for call in facts.calls if call.origin == Origin.HAND_OVER and call.made_by}
    called = {call.user for call in facts.calls}
    return {giver for giver, taker in given.items() if taker in facts.able and giver not in called}


def _called(origin: str, kind: str) -> Callable[[TurnFacts], Found]:
    def rule(facts: TurnFacts) -> Found:
        return ((call.user, Turn(kind, call.reason)) for call in facts.calls if call.origin == origin)

    return rule


def _asked_to_write(facts: TurnFacts) -> Found:
    return ((user, Turn(Kind.WRITE, f"You are asked to write it: {why}")) for user, why in facts.writers.items())


def _to_be_triaged(facts: TurnFacts) -> Found:
    if facts.writers:
        return ()
    return ((user, Turn(Kind.TRIAGE, "Nobody is asked to write it yet: triage it")) for user in facts.maintainers)


def _wanted_reviewers(facts: TurnFacts) -> Iterable[AskedReviewer]:
    """Those whose approval would help and who have not said what they have to say.

    Who has commented waits for the owner, until the owner answers, pushes or says that nothing is to be done.
    """
    waiting = {call.made_by for call in facts.calls if call.origin == Origin.ANSWER and call.user == facts.owner}
    for row in facts.reviewers:
        if row.is_useful and row.user not in waiting and not (row.counts or row.has_answered):
            yield row


def _lost_their_approval(facts: TurnFacts) -> Found:
    for row in _wanted_reviewers(facts):
        if row.lost:
            of = f" of r{row.lost_revision}" if row.lost_revision else ""
            yield row.user, Turn(Kind.LOST, f"Your approval{of} no longer counts: {row.lost}")


def _asked_to_review(facts: TurnFacts) -> Found:
    return ((row.user, Turn(Kind.REVIEW, row.reason)) for row in _wanted_reviewers(facts) if not row.lost)


def _owner(facts: TurnFacts) -> Found:
    if facts.allowed:
        yield facts.owner, Turn(Kind.READY, "Ready to merge")
        return
    for code, reason in OWNERS_WORK:
        if code in facts.unmet:
            yield facts.owner, Turn(Kind.AUTHOR, reason)
            return
    if facts.questions:
        yield facts.owner, Turn(Kind.AUTHOR, "A question waits for an answer")


_HANDED = _called(Origin.HAND_OVER, Kind.HANDED)
_ANSWERED = _called(Origin.ANSWER, Kind.ANSWERED)
_FAILED = _called(Origin.FAILED, Kind.FAILED)
_START = _called(Origin.START, Kind.START)
_QUIET = _called(Origin.QUIET, Kind.QUIET)

RULES: Mapping[Status, tuple[Callable[[TurnFacts], Found], ...]] = {
    Status.REQUESTED: (_HANDED, _asked_to_write, _to_be_triaged, _QUIET),
    Status.IN_REVIEW: (_HANDED, _lost_their_approval, _ANSWERED, _asked_to_review, _owner, _QUIET),
    Status.MERGED: (_FAILED, _START),
}
"""Which rules hold in which state. A draft, a merge under way, a change that is done or withdrawn: nobody."""
