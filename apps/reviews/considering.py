"""Who comes into question for a change, and what stands in the way of the others: gathered from rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from apps.accounts import queries as accounts
from apps.accounts.absences import back_on
from apps.accounts.models import Absence, User
from apps.changes.models import ChangeRequest
from apps.policies.evaluation import Facts, PolicyVerdict, Requirement
from apps.policies.evaluation.standing import Ledger, Standing
from apps.reviews.choosing import Candidate, Need, stand_in
from apps.reviews.knowing import Busy, Known, busyness_of, knowledge_of
from apps.reviews.models import Assignment

NOT_AGAIN = (
    Assignment.Ending.DECLINED,
    Assignment.Ending.SWAPPED,
    Assignment.Ending.WITHDRAWN,
    Assignment.Ending.MOVED,
)
BARRED = {
    Standing.AUTHOR: "author of {revision}",
    Standing.COMMITTER: "committed to {revision}",
    Standing.PUSHER: "pushed {revision}",
    Standing.CO_AUTHOR: "co-author of {revision}",
    Standing.SUGGESTION: "suggested code that is in {revision}",
    Standing.SPONSOR: "answers for a service account in {revision}",
    Standing.REQUESTER: "asked for this roll-back",
    Standing.DISABLED: "account disabled",
    Standing.SERVICE_ACCOUNT: "a service account; only people approve",
    Standing.ROLE_REMOVED: "no reviewer role here",
    Standing.UNKNOWN: "not known here",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody is not asked: ``code`` for programs, ``text`` for people."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """One requirement: who is named for it, who could give an approval (``able``) and why the others cannot.

    ``open``: approvals are missing and people can give them. All by username.
    """

    requirement: Requirement
    named: tuple[str, ...]
    able: frozenset[str]
    given: tuple[str, ...]
    barred: Mapping[str, Refusal]
    open: bool

    @property
    def missing(self) -> int:
        return self.requirement.needed - self.requirement.have if self.open else 0


@dataclass(frozen=True)
class Considered:
    """Everything that a choice depends on, and that explains it. Names are usernames."""

    change: ChangeRequest
    at: datetime
    questions: tuple[Question, ...]
    ids: Mapping[str, int]
    known: Mapping[str, Known]
    busy: Mapping[str, Busy]
    away: Mapping[str, Absence]
    deputies: Mapping[str, str]
    refused: Mapping[str, Refusal]

    @cached_property
    def available(self) -> frozenset[str]:
        """Who may be asked now: able somewhere, here, and not one who said no."""
        able = {name for question in self.questions for name in question.able}
        return frozenset(name for name in able if name not in self.away and name not in self.refused)

    def needs(self) -> list[Need]:
        """What is missing, out of those who may be asked; in the order of the open questions."""
        return [
            Need(question.able & self.available, question.missing, str(index))
            for index, question in enumerate(self.questions)
            if question.open
        ]

    @cached_property
    def stands_for(self) -> dict[str, str]:
        """Deputy → the person who is away and would come into question for the same requirement."""
        found: dict[str, str] = {}
        for name in sorted(self.away):
            deputy = stand_in(name, self.deputies)
            same = any(question.open and {name, deputy} <= question.able for question in self.questions)
            if deputy in self.available and same and name not in self.refused:
                found.setdefault(deputy, name)
        return found

    @cached_property
    def candidates(self) -> dict[str, Candidate]:
        """The rank of everybody who may be asked; a deputy takes the place of the person who is away."""
        ranked = {name: self._candidate(name) for name in self.available}
        for deputy, name in self.stands_for.items():
            own, theirs = ranked[deputy], self._candidate(name)
            ranked[deputy] = replace(
                own,
                knows=max(own.knows, theirs.knows),
                asked_at=min(own.asked_at, theirs.asked_at),
                stands_for=min(name, deputy),
            )
        return ranked

    def until(self, name: str) -> str:
        """“away until Mon”."""
        absence = self.away[name]
        return f"away until {back_on(absence.ends_at, absence.time_zone, self.at)}"

    def _candidate(self, name: str) -> Candidate:
        known, busy = self.known.get(name, Known()), self.busy.get(name, Busy())
        return Candidate(name, known.knows, busy.load, busy.asked_at)


def consider(change: ChangeRequest, facts: Facts, verdict: PolicyVerdict, at: datetime) -> Considered:
    """Gather it; the number of queries does not depend on the number of people."""
    ledger = Ledger(facts)
    questions = tuple(_question(ledger, row) for row in verdict.requirements if row.action == "approves")
    ids = {person.username: person.id for person in facts.people}
    wanted = {ids[name] for question in questions if question.open for name in question.able}
    wanted |= set(_asked(change))
    names = {pk: name for name, pk in ids.items()}
    away, deputies = _absent(at)
    known, busy = knowledge_of(change, wanted, at), busyness_of(wanted, at, besides=change)
    return Considered(
        change=change,
        at=at,
        questions=questions,
        ids=ids,
        known={names[pk]: row for pk, row in known.items() if pk in names},
        busy={names[pk]: row for pk, row in busy.items() if pk in names},
        away=away,
        deputies=deputies,
        refused=_refusals(change),
    )


def _question(ledger: Ledger, row: Requirement) -> Question:
    members = sorted({pk for principal in row.principals for pk in ledger.members(principal)})
    barred = {pk: ledger.bar(pk) for pk in members}
    given = [pk for pk in members if pk in ledger.approvers]
    return Question(
        requirement=row,
        named=tuple(ledger.names(members)),
        able=frozenset(ledger.name(pk) for pk in members if barred[pk] is None and pk not in ledger.approvers),
        given=ledger.names(given),
        barred={ledger.name(pk): _barred(ledger, pk, why) for pk, why in barred.items() if why is not None},
        open=not row.is_satisfied and bool(row.who_can_act),
    )


def _barred(ledger: Ledger, person: int, why: Standing) -> Refusal:
    contributed = ledger.contributed.get(person)
    revision = f"r{contributed.revision}" if contributed and contributed.revision else "this change"
    return Refusal(str(why.value), BARRED.get(why, "cannot approve here").format(revision=revision))


def why_barred(ledger: Ledger, person: int) -> str:
    """Why this person cannot give an approval any more; ``""`` when they can."""
    why = ledger.bar(person)
    return _barred(ledger, person, why).text if why is not None else ""


def _asked(change: ChangeRequest) -> list[int]:
    rows = Assignment.objects.filter(change=change, duty=Assignment.Duty.REVIEW, ended_at=None)
    return list(rows.values_list("user", flat=True))


def _absent(at: datetime) -> tuple[dict[str, Absence], dict[str, str]]:
    rows = accounts.absences_at(at).values()
    away = {row.user.username: row for row in rows}
    return away, {name: _username(row.deputy) for name, row in away.items()}


def _username(user: User | None) -> str:
    return user.username if user is not None and user.is_active else ""


def _refusals(change: ChangeRequest) -> dict[str, Refusal]:
    """Who was asked on this change and is not asked again by the portal: the last word counts."""
    rows = Assignment.objects.filter(change=change, duty=Assignment.Duty.REVIEW).select_related("user").order_by("pk")
    last = {row.user.username: row for row in rows}
    return {
        name: Refusal(str(row.ending), row.ended_reason or str(row.get_ending_display()).lower())
        for name, row in last.items()
        if row.ended_at is not None and row.ending in NOT_AGAIN
    }
