"""Why each person is asked and why others are not, as a record that is stored and shown. Pure but for its inputs.

The record, JSON-ready::

    {"asked": 2, "named": 5, "needs": [{"name", "code", "place", "file", "line", "text", "state", "have", "needed",
      "paths": [first few], "more_paths": 3, "asked": [person …], "not_asked": [person …]}]}

and a person: ``{"name", "code", "why": [sentences], "load": open reviews or null}``. ``not_asked`` begins with
those who came closest. Names are usernames; sentences hold names and reasons as people wrote them, so
whoever shows them escapes them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from apps.reviews.choosing import SWAMPED
from apps.reviews.considering import Considered, Question
from apps.reviews.knowing import Busy, Known
from apps.reviews.models import Assignment

SHOWN_PATHS = 5
Person = dict[str, Any]
ORDER = ("not_needed", "less_suited", "asked_lately", "away", "declined", "swapped", "moved", "withdrawn")


def explain(seen: Considered, asked: Mapping[str, Assignment]) -> dict[str, Any]:
    """The record of one choice; ``asked`` are the open requests after it, by username."""
    named = {name for question in seen.questions for name in question.able}
    needs = [_need(seen, question, asked) for question in seen.questions]
    covering = sum(name in named for name in asked)
    return {"asked": covering, "named": len(named), "needs": needs}


def _need(seen: Considered, question: Question, asked: Mapping[str, Assignment]) -> dict[str, Any]:
    row = question.requirement
    here = [name for name in question.named if name in asked and name not in question.barred]
    others = [name for name in question.named if name not in here and name not in question.given]
    not_asked = [_not_asked(seen, question, name, here, asked) for name in others]
    return {
        "name": row.name,
        "code": row.code,
        "place": row.rule.place if row.rule else "",
        "file": row.rule.file if row.rule else "",
        "line": row.rule.line if row.rule else 0,
        "text": row.text,
        "state": row.state,
        "have": row.have,
        "needed": row.needed,
        "paths": list(row.paths[:SHOWN_PATHS]),
        "more_paths": max(0, len(row.paths) - SHOWN_PATHS),
        "given": list(question.given),
        "asked": [_asked(seen, question, name, asked[name]) for name in here],
        "not_asked": sorted(not_asked, key=_closeness),
    }


def _closeness(person: Person) -> tuple[int, int, str]:
    code = person["code"]
    return (ORDER.index(code) if code in ORDER else len(ORDER), person["load"] or 0, person["name"])


def _asked(seen: Considered, question: Question, name: str, row: Assignment) -> Person:
    why = [knows_words(seen.known.get(name, Known()))]
    others = [one for one in seen.questions if one is not question and one.open and name in one.able]
    if question.open and others:
        why.insert(0, "covers both" if len(others) == 1 else f"covers all {len(others) + 1}")
    if row.origin == Assignment.Origin.PERSON:
        why.insert(0, row.reason)
    elif row.stands_for is not None:
        why.insert(0, for_words(row.stands_for.username, row.reason))
    return _person(seen, name, "asked", why)


def for_words(name: str, reason: str) -> str:
    """“for @tom, away until Mon”, as it was said when the deputy was asked."""
    return reason.split(": ", 1)[0] if reason.startswith(f"for @{name}") else f"for @{name}"


def _not_asked(
    seen: Considered, question: Question, name: str, here: list[str], asked: Mapping[str, Assignment]
) -> Person:
    if name in question.barred:
        return _person(seen, name, question.barred[name].code, [question.barred[name].text])
    if name in seen.refused:
        return _person(seen, name, seen.refused[name].code, [seen.refused[name].text])
    if name in seen.away:
        deputy = next((one for one, whom in seen.stands_for.items() if whom == name), "")
        stands_in = f"; @{deputy} is asked instead" if deputy in asked else ""
        return _person(seen, name, "away", [seen.until(name) + stands_in])
    if not question.open:
        return _person(seen, name, "not_needed", ["not needed: nothing is missing here"])
    code, text = _behind(seen, question, name, here)
    return _person(seen, name, code, [text])


def _behind(seen: Considered, question: Question, name: str, here: Collection[str]) -> tuple[str, str]:
    """Why somebody who could be asked is not: who was taken instead, and by what."""
    if not here:
        return "not_needed", "not needed now"
    people = seen.candidates
    rival = min(here, key=lambda one: people[one].rank if one in people else (True, 0, 0, 0.0, one))
    wide = [one for one in seen.questions if one.open and rival in one.able]
    if sum(name in one.able for one in wide) < len(wide):
        return "not_needed", f"not needed: @{rival} covers {'both' if len(wide) == 2 else f'all {len(wide)}'}"
    if rival not in people or people[rival].rank > people[name].rank:
        return "not_needed", f"not needed: @{rival} is asked already"
    return _outranked(seen, name, rival)


def _outranked(seen: Considered, name: str, rival: str) -> tuple[str, str]:
    """By what ``rival`` comes before somebody who would be asked otherwise."""
    mine, theirs = seen.candidates[name], seen.candidates[rival]
    if mine.load >= SWAMPED > theirs.load or (mine.knows == theirs.knows and mine.load > theirs.load):
        return "less_suited", f"{load_words(seen.busy.get(name))}, @{rival} has {_open(seen, rival)}"
    if mine.knows < theirs.knows:
        return "less_suited", f"@{rival} knows this place better"
    if mine.asked_at > theirs.asked_at:
        return "asked_lately", f"asked more recently than @{rival}"
    return "not_needed", f"not needed: equal to @{rival}, who comes first by name"


def _open(seen: Considered, name: str) -> int:
    return seen.busy.get(name, Busy()).open


def load_words(busy: Busy | None) -> str:
    """“5 open reviews”."""
    count = busy.open if busy else 0
    return f"{count} open review{'' if count == 1 else 's'}"


def knows_words(known: Known) -> str:
    """“reviewed 6 of the last 10 changes here, changed 14 files”."""
    said = []
    if known.reviewed:
        last = "the last change" if known.landed == 1 else f"{known.reviewed} of the last {known.landed} changes"
        said.append(f"reviewed {last} here")
    if known.files:
        said.append(f"changed {known.files} file{'' if known.files == 1 else 's'}{'' if said else ' here'}")
    return ", ".join(said) or "nothing of theirs is known here yet"


def _person(seen: Considered, name: str, code: str, why: list[str]) -> Person:
    busy = seen.busy.get(name)
    return {"name": name, "code": code, "why": why, "load": busy.open if busy else None}
