"""Emergencies: two people set the rules aside for one change, for an hour. What is skipped stays in the verdict, as owed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from apps.policies.config import Rule, is_policy
from apps.policies.evaluation.demands import Demand, Judged
from apps.policies.evaluation.facts import NORMAL, CannotEvaluate, Facts
from apps.policies.evaluation.rules import rule_requirements
from apps.policies.evaluation.standing import Ledger
from apps.policies.evaluation.verdict import FAILED, MET, NOT_NEEDED, WAITING, PolicyVerdict, Requirement

CONFIRMS = "confirms the emergency"
NAME = "Emergency"
SKIPPED_WORDS = "Skipped in the emergency"
OWED = frozenset({"rule", "code_owners", "check"})
"""Codes of requirements that an emergency sets aside, and that have to be met afterwards."""
SKIPPED = OWED | {"effect", "freeze", "window", "threads", "change_requests", "rego"}
"""All that it sets aside. State, revision, conflicts and a broken policy hold all the same."""


def emergency_gates(ledger: Ledger) -> list[Judged]:
    """It was declared and confirmed by different people, and the change touches no policy."""
    facts = ledger.facts
    emergency = facts.emergency
    if emergency is None:
        raise CannotEvaluate("nobody declared the emergency")
    policy = [path for path in facts.changed_paths if is_policy(path, facts.policy.rego)]
    judged = [_confirmed(ledger)]
    if policy:
        text = f"An emergency cannot change the policy itself ({', '.join(policy[:3])}). Put that into a change of its own."
        judged.append(Judged(Requirement("emergency", "No policy in it", FAILED, text)))
    return judged


def set_aside(judged: Judged, facts: Facts) -> Judged:
    """The same requirement where the emergency skips it: told, and owed."""
    found = judged.requirement
    if found.code not in SKIPPED or found.is_satisfied:
        return judged
    owed = facts.emergency.owed if facts.emergency is not None and found.code in OWED else ""
    text = f"{SKIPPED_WORDS}{f', and owed {owed}' if owed else ''}: {found.text}"
    return Judged(replace(found, state=NOT_NEEDED, text=text, who_can_act=()))


def skipped_by_emergency(verdict: PolicyVerdict) -> tuple[Requirement, ...]:
    """The requirements that an emergency set aside; empty where none did, so that nothing is owed."""
    return tuple(found for found in verdict.requirements if found.text.startswith(SKIPPED_WORDS))


def owed_requirements(rules: Sequence[Rule], facts: Facts) -> tuple[Requirement, ...]:
    """What the rules of this stage still miss, as if there had been no emergency."""
    ledger = Ledger(replace(facts, kind=NORMAL))
    found = (judged.requirement for judged in rule_requirements(rules, ledger))
    return tuple(requirement for requirement in found if not requirement.is_satisfied)


def may_confirm(ledger: Ledger, person: int) -> bool:
    """Of those whom the policy names, no contributor, and not who declared it."""
    emergency = ledger.facts.emergency
    if emergency is None or person == emergency.declared_by or ledger.bar(person) is not None:
        return False
    return any(person in ledger.members(name) for name in emergency.principals)


def _confirmed(ledger: Ledger) -> Judged:
    emergency = ledger.facts.emergency
    if emergency is None or emergency.approvals < 1:
        raise CannotEvaluate("who confirms the emergency is not known")
    who = ledger.name(emergency.declared_by)
    declarer = ledger.people.get(emergency.declared_by)
    if declarer is None or not declarer.active:
        text = f"{who}, who declared the emergency, has no active account here any more. Declare it anew."
        return Judged(Requirement("emergency", NAME, FAILED, text))
    given = [person for person in dict.fromkeys(emergency.confirmed) if may_confirm(ledger, person)]
    missing = emergency.approvals - len(given)
    evidence = tuple(f"{ledger.name(person)} confirmed it" for person in given)
    text = f"Declared by {who}: {emergency.reason} It ends {emergency.until}."
    if missing <= 0:
        return Judged(Requirement("emergency", NAME, MET, text, evidence, have=len(given), needed=emergency.approvals))
    able = frozenset(person for person in ledger.people if may_confirm(ledger, person) and person not in given)
    state = WAITING if len(able) >= missing else FAILED
    whom = " or ".join(emergency.principals)
    text += f" {missing} of {whom} must confirm it, other than {who} and who contributed."
    requirement = Requirement(
        "emergency", NAME, state, text, evidence, ledger.names(able) if state == WAITING else (),
        have=len(given), needed=emergency.approvals, action=CONFIRMS, principals=emergency.principals,
    )  # fmt: skip
    return Judged(requirement, Demand(able, missing, CONFIRMS) if state == WAITING else None)
