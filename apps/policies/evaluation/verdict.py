"""What comes out: requirements with state, evidence and people, and the verdict over all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.core.verdict import Verdict
from apps.policies.evaluation.facts import Part

MET = "met"
WAITING = "waiting"
FAILED = "failed"
NOT_NEEDED = "not_needed"


@dataclass(frozen=True, slots=True)
class RuleRef:
    """Where a requirement comes from: ``file`` and ``line`` (0: the portal's own default)."""

    name: str
    file: str = ""
    line: int = 0

    @property
    def place(self) -> str:
        """``CODEOWNERS:14``."""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class ReviewStanding:
    """Whether one approval counts, with a code of the fixed list and a sentence; ``review`` is its id.

    ``unseen``: the parts that had not been viewed, of an approval that does not count for that; ``reason`` in short words.
    """

    person: int
    username: str
    revision: int
    verdict: str
    counts: bool
    code: str
    text: str
    review: int = 0
    unseen: tuple[Part, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One row of "Why can't this be merged or deployed?".

    ``have`` of ``needed`` approvals are given (0 of 0 where it is not about approvals); ``who_can_act``
    are usernames, ``action`` says what each of them can do ("approves"). ``principals`` (``team/x``,
    ``user/x``, ``role/x``, names of CODEOWNERS) are asked for it; ``paths`` are those that it is about,
    empty for the whole change. These two lead to people and are no part of the published verdict.
    """

    code: str
    name: str
    state: str
    text: str
    evidence: tuple[str, ...] = ()
    who_can_act: tuple[str, ...] = ()
    rule: RuleRef | None = None
    have: int = 0
    needed: int = 0
    action: str = ""
    not_counted: tuple[ReviewStanding, ...] = ()
    principals: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    @property
    def is_satisfied(self) -> bool:
        return self.state in (MET, NOT_NEEDED)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        rule = self.rule and {"name": self.rule.name, "file": self.rule.file, "line": self.rule.line}
        return {
            "code": self.code,
            "name": self.name,
            "state": self.state,
            "text": self.text,
            "evidence": list(self.evidence),
            "who_can_act": list(self.who_can_act),
            "rule": rule,
            "have": self.have,
            "needed": self.needed,
            "action": self.action,
            "not_counted": [_standing(standing) for standing in self.not_counted],
        }


@dataclass(frozen=True)
class PolicyVerdict(Verdict):
    """``allowed`` iff every requirement is met or not needed.

    ``summary`` is the head sentence; ``can_unblock`` the smallest set of people whose acts would lift
    everything that waits (empty when nothing waits, or when nobody can); ``standings`` tell for every
    approval whether it counts.
    """

    requirements: tuple[Requirement, ...] = ()
    can_unblock: tuple[str, ...] = ()
    summary: str = ""
    standings: tuple[ReviewStanding, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, equal for equal facts."""
        return {
            "allowed": self.allowed,
            "summary": self.summary,
            "requirements": [requirement.to_dict() for requirement in self.requirements],
            "reasons": [{"code": reason.code, "text": reason.text} for reason in self.reasons],
            "can_unblock": list(self.can_unblock),
            "standings": [_standing(standing) for standing in self.standings],
        }


def _standing(standing: ReviewStanding) -> dict[str, Any]:
    return {
        "person": standing.person,
        "username": standing.username,
        "revision": standing.revision,
        "verdict": standing.verdict,
        "counts": standing.counts,
        "code": standing.code,
        "text": standing.text,
        "review": standing.review,
        "unseen": [part.label for part in standing.unseen],
    }
