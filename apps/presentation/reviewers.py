"""The reviewers panel (UX §2.7): a block for each requirement, why each person is asked, and why others are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.accounts import queries as accounts
from apps.accounts.absences import back_on, local_time
from apps.accounts.models import Absence, User
from apps.changes import queries as changes
from apps.changes.models import ChangeRequest
from apps.changes.queries import Contributor
from apps.core.clock import now
from apps.presentation.plain import one_line
from apps.repositories.access import can_maintain
from apps.reviews import access
from apps.reviews.given import reviews_of
from apps.reviews.models import Assignment, Review
from apps.reviews.queries import choice_of
from apps.reviews.services.nudging import EVERY

SHOWN = 5
"""People of "why not" that the panel shows; the others have a page."""
EVERYBODY = 100_000


@dataclass(frozen=True, slots=True)
class Asked:
    """One person who is asked. ``state`` is a word of presentation.words, ``why`` are sentences for others to read.

    ``load``: other open reviews, ``None`` when not known. ``again``: this person has a full row above.
    ``remind_from``: when they can be reminded again; ``None``: now.
    """

    person: User
    duty: str
    state: str
    detail: str
    why: tuple[str, ...]
    load: int | None
    presence: str
    local: str
    since: datetime
    reminded_at: datetime | None
    remind_from: datetime | None
    is_me: bool
    again: bool = False


@dataclass(frozen=True, slots=True)
class NotAsked:
    """Somebody who is not asked, and why: names and reasons as people wrote them, hidden characters named."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Block:
    """One requirement with its people. ``more``: how many of ``not_asked`` are not here."""

    name: str
    state: str
    have: int
    needed: int
    text: str
    place: str
    url: str
    paths: tuple[str, ...]
    more_paths: int
    given: tuple[str, ...]
    asked: tuple[Asked, ...]
    not_asked: tuple[NotAsked, ...]
    more: int

    @property
    def nobody(self) -> bool:
        """Something is missing, and nobody is asked for it."""
        return self.state in {"waiting", "failed"} and not self.asked


@dataclass(frozen=True, slots=True)
class ReviewersPanel:
    """``others`` are asked for no single requirement. ``named``: how many could be asked, where fewer are.

    ``is_choosing``: something has happened, and a job is about to look at who is asked.
    """

    blocks: tuple[Block, ...]
    others: tuple[Asked, ...]
    contributors: tuple[Contributor, ...]
    asked: int
    named: int
    made_at: datetime | None
    may_ask: bool
    may_nudge: bool
    may_swap: bool
    maintains: bool
    in_review: bool
    is_choosing: bool


@dataclass(frozen=True)
class _Rows:
    """What the panel is made from."""

    change: ChangeRequest
    viewer: User
    requests: Mapping[str, Assignment]
    given: Mapping[int, Review]
    away: Mapping[int, Absence]
    at: datetime
    shown: set[str] = field(default_factory=set)


def reviewers_panel(viewer: User, change: ChangeRequest, *, shown: int = SHOWN) -> ReviewersPanel:
    """The panel for one person; the number of queries does not depend on the number of people."""
    rows = _rows(viewer, change)
    in_review = change.status == "in_review"
    choice, is_choosing = choice_of(change) if in_review else (None, False)
    record: dict[str, Any] = choice.record if choice else {}
    blocks = tuple(_block(need, rows, shown) for need in record.get("needs", ()) if _takes_people(need))
    others = tuple(
        _asked(row, rows, why=[row.reason], load=None) for name, row in rows.requests.items() if name not in rows.shown
    )
    may_nudge = access.can_nudge(viewer, change).allowed
    return ReviewersPanel(
        blocks=blocks,
        others=others,
        contributors=tuple(changes.contributors(change)),
        asked=record.get("asked", 0),
        named=record.get("named", 0),
        made_at=choice.made_at if choice else None,
        may_ask=access.can_assign(viewer, change).allowed,
        may_nudge=may_nudge,
        may_swap=may_nudge,
        maintains=can_maintain(viewer, change.repository).allowed,
        in_review=in_review,
        is_choosing=is_choosing,
    )


def _rows(viewer: User, change: ChangeRequest) -> _Rows:
    requests = Assignment.objects.filter(change=change, ended_at=None).select_related("user").order_by("duty", "pk")
    return _Rows(
        change=change,
        viewer=viewer,
        requests={row.user.username: row for row in requests},
        given={row.reviewer_id: row for row in reviews_of(change) if row.stage == Review.Stage.MERGE},
        away=accounts.absences_at(now()),
        at=now(),
    )


def _takes_people(need: Mapping[str, Any]) -> bool:
    """Not so of "no change requests": who asked for changes is known, and nobody else can be asked."""
    return bool(need["state"] == "failed" or (need["state"] != "not_needed" and need["needed"]))


def _block(need: Mapping[str, Any], rows: _Rows, shown: int) -> Block:
    not_asked = need["not_asked"]
    return Block(
        name=need["name"],
        state=need["state"],
        have=need["have"],
        needed=need["needed"],
        text=one_line(need["text"]),
        place=need["place"],
        url=_rule_url(rows.change, need),
        paths=tuple(one_line(path) for path in need["paths"]),
        more_paths=need["more_paths"],
        given=tuple(need["given"]),
        asked=tuple(_people_of(need, rows)),
        not_asked=tuple(NotAsked(row["name"], one_line("; ".join(row["why"]))) for row in not_asked[:shown]),
        more=max(0, len(not_asked) - shown),
    )


def _people_of(need: Mapping[str, Any], rows: _Rows) -> Iterable[Asked]:
    for person in need["asked"]:
        row = rows.requests.get(person["name"])
        if row is not None:
            yield _asked(row, rows, why=person["why"], load=person["load"])


def _asked(row: Assignment, rows: _Rows, *, why: Iterable[str], load: int | None) -> Asked:
    review = rows.given.get(row.user_id) if row.duty == Assignment.Duty.REVIEW else None
    again = row.user.username in rows.shown
    rows.shown.add(row.user.username)
    next_time = row.nudged_at + EVERY if row.nudged_at else None
    return Asked(
        person=row.user,
        duty=row.duty,
        state=review.verdict if review else "review_requested",
        detail=review.revision.label if review else "",
        why=tuple(one_line(text) for text in why),
        load=load,
        presence=_presence(rows.away.get(row.user_id), rows.at),
        local=local_time(row.user.time_zone, rows.at),
        since=row.created_at,
        reminded_at=row.nudged_at,
        remind_from=next_time if next_time and next_time > rows.at else None,
        is_me=row.user_id == rows.viewer.pk,
        again=again,
    )


def _presence(absence: Absence | None, at: datetime) -> str:
    """“away until Mon; @kim stands in”."""
    if absence is None:
        return ""
    deputy = f"; @{absence.deputy.username} stands in" if absence.deputy else ""
    return f"away until {back_on(absence.ends_at, absence.time_zone, at)}{deputy}"


def _rule_url(change: ChangeRequest, need: Mapping[str, Any]) -> str:
    """Where the rule stands on the policy page."""
    if not need["file"]:
        return ""
    anchor = f"#{'owners' if need['code'] == 'code_owners' else 'rule'}-{need['line']}" if need["line"] else ""
    return f"/repositories/{change.repository.name}/policy/{anchor}"
