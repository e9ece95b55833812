"""Standard changes: what fits a template of the policy entirely was approved with the policy. What is not known does not fit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from apps.policies.config import ResourceClause, StandardConfig, is_policy
from apps.policies.evaluation.clauses import pattern_of
from apps.policies.evaluation.demands import Judged
from apps.policies.evaluation.facts import NORMAL, RENDERED, Facts, ResourceFact
from apps.policies.evaluation.standing import Ledger
from apps.policies.evaluation.touched import fits_any, names_of
from apps.policies.evaluation.verdict import MET, NOT_NEEDED, Requirement, RuleRef

NAME, CODE = "Standard change", "standard"
GENTLE = ("create", "update")
"""What may happen to a resource of which a template says nothing."""


def fitting_standard(ledger: Ledger) -> StandardConfig | None:
    """The first template that replaces the rules of this stage and that the change fits."""
    facts = ledger.facts
    if facts.kind != NORMAL:
        return None
    return next((one for one in facts.standards if facts.stage in one.covers and not _why_not(one, ledger)), None)


def near_standards(ledger: Ledger) -> list[Judged]:
    """Templates of this stage of which only the paths fit, with what stands in the way: so that nobody wonders."""
    facts = ledger.facts
    if facts.kind != NORMAL or not facts.changed_paths:
        return []
    return [
        Judged(_requirement(one, facts, NOT_NEEDED, f"Not the standard change “{one.name}”: {_why_not(one, ledger)}"))
        for one in facts.standards
        if facts.stage in one.covers and not _other_path(one.paths, facts)
    ]


def standard_requirement(standard: StandardConfig, facts: Facts) -> Judged:
    """That it fits, and what that means."""
    how = f" Follow the runbook {standard.runbook}." if standard.runbook else ""
    text = f"It is the standard change “{standard.name}”, which was approved with the policy.{how}"
    return Judged(_requirement(standard, facts, MET, text))


def _requirement(standard: StandardConfig, facts: Facts, state: str, text: str) -> Requirement:
    return Requirement(CODE, NAME, state, text, rule=RuleRef(standard.name, facts.policy.path, standard.line))


def _why_not(standard: StandardConfig, ledger: Ledger) -> str:
    """What stands in the way of ``standard``, as a sentence; empty: it fits."""
    facts = ledger.facts
    return (
        _other_path(standard.paths, facts)
        or _too_large(standard, facts)
        or _others_wrote(standard, ledger)
        or _other_effect(standard, facts)
    )


def _other_path(patterns: Sequence[str], facts: Facts) -> str:
    paths = facts.changed_paths
    if not paths:
        return "it changes no file."
    policy = next((path for path in paths if is_policy(path, facts.policy.rego)), "")
    if policy:
        return f"it changes the policy itself ({policy})."
    other = next((path for path in paths if not any(pattern_of(text).matches(path) for text in patterns)), "")
    return f"it changes {other} too." if other else ""


def _too_large(standard: StandardConfig, facts: Facts) -> str:
    if facts.uncounted:
        return "it changes files of which lines do not tell what changes (binary, links, submodules or modes)."
    size = standard.size
    if size is None:
        return ""
    if facts.files is None or facts.lines is None:
        return "its size is not known."
    if (size.files and facts.files > size.files) or (size.lines and facts.lines > size.lines):
        return f"it changes {facts.files:,} files and {facts.lines:,} lines, more than it may."
    return ""


def _others_wrote(standard: StandardConfig, ledger: Ledger) -> str:
    """Everybody who contributed is a person with an account and the role author, and of those whom the template names."""
    facts = ledger.facts
    if facts.authors is None:
        return "who contributed is not known."
    if facts.authors:
        return "somebody contributed who has no account, no role as author, or is a service account."
    if not standard.by:
        return ""
    able = {person for name in standard.by for person in ledger.members(name)}
    other = next((one.person for one in facts.contributors if one.person not in able), None)
    return (
        f"{ledger.name(other)}, who contributed, is not among {' or '.join(standard.by)}." if other is not None else ""
    )


def _other_effect(standard: StandardConfig, facts: Facts) -> str:
    asks = bool(standard.fields) or standard.resources is not None
    if facts.renderings is None:
        return "no environment names targets, so nothing says what it does." if asks else ""
    unknown = next((one.label for one in facts.renderings if one.state != RENDERED), "")
    if unknown:
        return f"its effect on {unknown} is not known."
    if asks and (unseen := _unseen(facts)):
        return unseen
    return next(filter(None, (_odd(standard, one) for row in facts.renderings for one in row.resources)), "")


def _unseen(facts: Facts) -> str:
    """Where no target shows what the change does, although the template speaks of what it may do."""
    shown = {one.environment for one in facts.renderings or ()}
    reached = [one.name for one in facts.environments if one.affected]
    if not shown:
        return "no target reads what it changes, so nothing says what it does."
    dark = next((name for name in reached if name not in shown), "")
    return f"nothing says what it does in {dark}." if dark else ""


def _odd(standard: StandardConfig, resource: ResourceFact) -> str:
    """Why this resource does not fit."""
    clause = standard.resources or ResourceClause()
    what = f"{resource.kind} {resource.name}"
    if resource.action not in (clause.actions or GENTLE):
        return f"{what} is {resource.action}d."
    risk = next((one for one in resource.risks if not (clause.risks and fits_any(clause.risks, (one,)))), "")
    if risk:
        return f"{what} has the risk {risk}."
    if not (fits_any(clause.kinds, (resource.kind,)) and fits_any(clause.names, names_of(resource))):
        return f"{what} changes too."
    return _other_field(standard, resource, what) if standard.fields else ""


def _other_field(standard: StandardConfig, resource: ResourceFact, what: str) -> str:
    if resource.action != "update":
        return f"{what} is {resource.action}d."
    if resource.fields is None:
        return f"which fields of {what} change is not known."
    fits = [_glob(pattern) for pattern in standard.fields]
    other = next((name for name in resource.fields if not any(one.fullmatch(name) for one in fits)), "")
    return f"{what} changes {other} too." if other else ""


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> re.Pattern[str]:
    """Only ``*`` is special: the names of fields have brackets in them."""
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
