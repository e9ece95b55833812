"""Rules that ask an approver to have viewed parts of the change: what is destroyed, roles and bindings, every file."""

from __future__ import annotations

from collections.abc import Sequence

from apps.policies.config import SEEN, SEEN_ALL
from apps.policies.evaluation.facts import CannotEvaluate, Facts, Part

_NAMED = 5
_WORDS = {"destroys": ("destroy", "destroys"), "rbac": ("access right", "access rights"), SEEN_ALL: ("file", "files")}


def wanted_parts(facts: Facts, seen: Sequence[str]) -> dict[str, tuple[Part, ...]]:
    """By clause, the parts that have to be viewed. Raises :class:`CannotEvaluate` while they are not known."""
    if not seen:
        return {}
    if facts.parts is None or not all(isinstance(part, Part) for part in facts.parts):
        raise CannotEvaluate("what has to be seen in this change is not known")
    unknown = [clause for clause in seen if clause not in SEEN]
    if unknown:
        raise CannotEvaluate(f"`seen: {unknown[0]}` is not understood")
    return {clause: tuple(part for part in facts.parts if _asks_for(clause, part)) for clause in seen}


def _asks_for(clause: str, part: Part) -> bool:
    return not part.kinds if clause == SEEN_ALL else clause in part.kinds


def unseen_parts(wanted: dict[str, tuple[Part, ...]], seen: frozenset[str]) -> dict[str, tuple[Part, ...]]:
    """Of what is wanted, what is not among the keys ``seen``; empty when everything was viewed."""
    missing = {clause: tuple(part for part in parts if part.key not in seen) for clause, parts in wanted.items()}
    return {clause: parts for clause, parts in missing.items() if parts}


def unseen_words(wanted: dict[str, tuple[Part, ...]], missing: dict[str, tuple[Part, ...]]) -> str:
    """``1 of 2 destroys not seen (app/web.yaml: Deployment web)``; empty when nothing is missing."""
    return "; ".join(
        f"{len(parts)} of {len(wanted[clause])} {_noun(clause, len(wanted[clause]))} not seen ({_some(parts)})"
        for clause, parts in missing.items()
    )


def asks_to_see(seen: Sequence[str]) -> str:
    """What the rule says of it in plain words, to stand after "2 approvals from team/sre"."""
    names = {"destroys": "everything that is destroyed", "rbac": "all roles and bindings", SEEN_ALL: "every file"}
    return f", who viewed {' and '.join(names.get(clause, clause) for clause in seen)}" if seen else ""


def _noun(clause: str, number: int) -> str:
    one, many = _WORDS[clause]
    return one if number == 1 else many


def _some(parts: Sequence[Part]) -> str:
    more = len(parts) - _NAMED
    names = ", ".join(part.label for part in parts[:_NAMED])
    return f"{names} and {more} more" if more > 0 else names
