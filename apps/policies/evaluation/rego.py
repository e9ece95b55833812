"""Rules in Rego: what modules are given, and what their recorded answer means for the gate. Nothing here runs Rego."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from apps.policies.config import DEPLOY, Rule
from apps.policies.evaluation.demands import Judged
from apps.policies.evaluation.facts import RENDERED, ROLLBACK, AboutFact, CannotEvaluate, Facts
from apps.policies.evaluation.standing import Ledger
from apps.policies.evaluation.verdict import FAILED, MET, Requirement, RuleRef

NAME = "Rules in Rego"
_SHOWN = 5


def is_asked(facts: Facts) -> bool:
    """Whether modules are asked at this gate: the policy names some, and no rollback replaces the rules."""
    return bool(facts.policy.rego) and facts.kind != ROLLBACK


def required_rules(facts: Facts) -> tuple[Rule, ...]:
    """The rules that modules ask for beside those of the file."""
    return facts.rego.required if facts.rego is not None and is_asked(facts) else ()


def why_unanswered(facts: Facts) -> str:
    """Why modules that are asked have not answered; ``""`` when they have, or nobody asks them."""
    if not is_asked(facts):
        return ""
    return "the modules of Rego have not been asked" if facts.rego is None else facts.rego.problem


def denials(ledger: Ledger) -> list[Judged]:
    """What the modules deny; nothing where they are not asked, or gave no answer (which is told among the rules)."""
    facts = ledger.facts
    found = facts.rego
    if found is None or not is_asked(facts) or found.problem:
        return []
    warnings = tuple(f"Warning: {text}" for text in found.warned[:_SHOWN])
    if len(found.warned) > _SHOWN:
        warnings = (*warnings, f"and {len(found.warned) - _SHOWN} more")
    rule = RuleRef("deny", found.file or f"{facts.policy.rego}/", found.line)
    if not found.denied:
        text = f"The modules in {facts.policy.rego}/ deny nothing."
        return [
            Judged(
                Requirement("rego", NAME, MET, text, warnings, rule=replace(rule, line=0, file=f"{facts.policy.rego}/"))
            )
        ]
    return [
        Judged(Requirement("rego", NAME, FAILED, f"Denied: {text}", () if number else warnings, rule=rule))
        for number, text in enumerate(found.denied)
    ]


def rego_input(facts: Facts, reads: Collection[str]) -> dict[str, Any]:
    """The document ``input``: of what is recorded, the fields that modules read.

    Raises :class:`CannotEvaluate` where one of them is not known: silence about it would look like "there is none".
    """
    if facts.about is None:
        raise CannotEvaluate("what modules of Rego are told about the change was not recorded")
    return {name: _FIELDS[name](facts, facts.about) for name in sorted(reads)}


def _now(facts: Facts, _about: AboutFact) -> str:
    if not facts.moment:
        raise CannotEvaluate("the moment of judging is not known")
    return datetime.fromtimestamp(facts.moment, UTC).isoformat().replace("+00:00", "Z")


def _change(_facts: Facts, about: AboutFact) -> dict[str, Any]:
    return {
        "number": about.number,
        "title": about.title,
        "author": about.author,
        "kind": about.kind,
        "target_branch": about.target_branch,
    }


def _size(facts: Facts, _about: AboutFact) -> dict[str, int]:
    if facts.files is None or facts.lines is None:
        raise CannotEvaluate("the size of the change is not known")
    return {"files": facts.files, "lines": facts.lines}


def _paths(_facts: Facts, about: AboutFact) -> list[dict[str, str]]:
    return [{"path": one.path, "action": one.action, "old_path": one.old_path} for one in about.files]


def _environments(facts: Facts, _about: AboutFact) -> list[dict[str, Any]]:
    return [{"name": one.name, "protected": one.protected, "reached": one.affected} for one in facts.environments]


def _resources(facts: Facts, _about: AboutFact) -> list[dict[str, Any]]:
    """Of the reached environments; before a deployment, of that one."""
    if facts.renderings is None:
        raise CannotEvaluate("no environment names targets, so nothing says which resources change")
    asked = [one for one in facts.renderings if facts.stage != DEPLOY or one.environment == facts.environment]
    unknown = [one.label for one in asked if one.state != RENDERED]
    if unknown:
        raise CannotEvaluate(f"the effect on {', '.join(unknown[:_SHOWN])} is not known")
    return [
        {
            "environment": one.environment,
            "target": one.target,
            "kind": resource.kind,
            "action": resource.action,
            "name": resource.name,
            "namespace": resource.namespace,
            "risks": list(resource.risks),
        }
        for one in asked
        for resource in one.resources
    ]


def _contributors(facts: Facts, about: AboutFact) -> list[dict[str, Any]]:
    """Accounts first; who has none stands here without a name, so that nobody is left out."""
    people = {person.id: person for person in facts.people}
    known = [(people.get(one.person), one.how) for one in facts.contributors]
    found = [
        {"username": person.username if person else "", "human": bool(person and person.human), "how": how}
        for person, how in known
    ]
    return [*found, *({"username": "", "human": False, "how": how} for how in about.strangers)]


_FIELDS: dict[str, Callable[[Facts, AboutFact], Any]] = {
    "environment": lambda facts, _about: facts.environment,
    "now": _now,
    "change": _change,
    "size": _size,
    "paths": _paths,
    "environments": _environments,
    "resources": _resources,
    "contributors": _contributors,
}
FIELDS = tuple(_FIELDS)
"""What ``input`` can hold."""
