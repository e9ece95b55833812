"""``evaluate(rules, facts)``: the one function that decides. Pure, deterministic, fails closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from apps.core.verdict import Reason
from apps.policies.config import DEPLOY, MERGE, Rule
from apps.policies.evaluation.demands import APPROVES, Demand, Judged
from apps.policies.evaluation.effects import effect_gates
from apps.policies.evaluation.emergency import SKIPPED, emergency_gates, set_aside
from apps.policies.evaluation.facts import EMERGENCY, NORMAL, ROLLBACK, CannotEvaluate, Facts
from apps.policies.evaluation.gates import (
    change_request_gates,
    conflict_gate,
    policy_gates,
    revision_gate,
    status_gate,
    thread_gate,
)
from apps.policies.evaluation.rego import denials
from apps.policies.evaluation.rules import not_evaluated, rule_requirements
from apps.policies.evaluation.standing import Ledger
from apps.policies.evaluation.unblock import Seat, shortest_way
from apps.policies.evaluation.verdict import FAILED, NOT_NEEDED, PolicyVerdict, Requirement
from apps.policies.evaluation.windows import window_gates

_NAMED = 3


def evaluate(rules: Sequence[Rule], facts: Facts) -> PolicyVerdict:
    """Judge one gate (``facts.stage``) of one change by ``rules``.

    Never raises. ``allowed`` only if every requirement is met or not needed; what cannot be evaluated is
    a failed requirement. Equal input gives an equal answer, so a stored pair can be replayed.
    """
    try:
        return _evaluate(rules, facts)
    except Exception as error:  # noqa: BLE001 - fail closed, whatever the defect
        failed = not_evaluated("evaluation", "Evaluation", f"{type(error).__name__} while judging").requirement
        return PolicyVerdict(
            allowed=False,
            reasons=(Reason(failed.code, failed.text),),
            requirements=(failed,),
            summary="Blocked: the rules could not be evaluated.",
        )


def _evaluate(rules: Sequence[Rule], facts: Facts) -> PolicyVerdict:
    if facts.stage not in (MERGE, DEPLOY) or facts.kind not in (NORMAL, ROLLBACK, EMERGENCY):
        raise CannotEvaluate(f"`{facts.stage}`/`{facts.kind}` is no known gate")
    if facts.kind == EMERGENCY:
        plain = _evaluate(rules, replace(facts, kind=NORMAL))
        if plain.allowed:
            return plain  # it needs no emergency, so none stands in its way and nothing is owed
    ledger = Ledger(facts)
    judged = [found for gate in _gates(rules, facts) for found in _safely(gate, ledger)]
    is_confirmed = all(found.requirement.is_satisfied for found in judged if found.requirement.code == "emergency")
    if facts.kind == EMERGENCY and is_confirmed:
        judged = [set_aside(found, facts) for found in judged]
    requirements = tuple(found.requirement for found in judged)
    unmet = tuple(found for found in requirements if not found.is_satisfied)
    steps = judged if facts.kind != EMERGENCY else [found for found in judged if found.requirement.code not in SKIPPED]
    if facts.is_coming and facts.stage == MERGE:  # whatever anybody does now is about what is over in a moment
        steps = [found for found in steps if found.requirement.code == "revision"]
    seats = _way(steps, ledger)
    demands = [found.demand for found in steps if found.demand is not None]
    return PolicyVerdict(
        allowed=not unmet,
        reasons=tuple(Reason(found.code, found.text) for found in unmet),
        requirements=requirements,
        can_unblock=tuple(ledger.name(seat.person) for seat in seats),
        summary=_summary(facts, requirements, unmet, _with_time(_words(seats, demands, ledger), steps)),
        standings=ledger.standings,
    )


def _gates(rules: Sequence[Rule], facts: Facts) -> list[Callable[[Ledger], list[Judged]]]:
    """The requirements of this gate, in the order in which they are shown."""
    gates: list[Callable[[Ledger], list[Judged]]] = [lambda ledger: [status_gate(ledger)]]
    if facts.stage == MERGE:
        gates += [lambda ledger: [revision_gate(ledger)], lambda ledger: [conflict_gate(ledger)], effect_gates]
    if facts.kind == EMERGENCY:
        gates.append(emergency_gates)
    gates.append(policy_gates)
    if facts.policy.governs != "broken":
        gates += [lambda ledger: rule_requirements(rules, ledger), denials]
    gates.append(change_request_gates)
    if facts.stage == MERGE:
        gates.append(lambda ledger: [thread_gate(ledger)])
    gates.append(window_gates)
    return gates


def _safely(gate: Callable[[Ledger], list[Judged]], ledger: Ledger) -> list[Judged]:
    try:
        return gate(ledger)
    except CannotEvaluate as error:
        return [not_evaluated("evaluation", "Evaluation", str(error))]
    except Exception as error:  # noqa: BLE001 - fail closed: the other requirements stay readable
        return [not_evaluated("evaluation", "Evaluation", f"{type(error).__name__} while judging")]


def _way(judged: Sequence[Judged], ledger: Ledger) -> tuple[Seat, ...]:
    """Nobody can help while one unmet requirement has nobody who could lift it."""
    if any(found.demand is None and not found.opens and not found.requirement.is_satisfied for found in judged):
        return ()
    return shortest_way([found.demand for found in judged if found.demand is not None], ledger.name)


def _words(seats: Sequence[Seat], demands: Sequence[Demand], ledger: Ledger) -> str:
    """``alice resolves the conflicts, then bob or kim approves``: what may void approvals comes first."""
    acts: list[str] = []
    approvers: list[str] = []
    for seat in seats:
        actions = list(dict.fromkeys(demands[index].action for index in seat.demands))
        who = _either(ledger, seat.alternatives)
        others = [action for action in actions if action != APPROVES]
        if others:
            acts.append(f"{who} {' and '.join(others)}")
        if APPROVES in actions:
            approvers.append(who)
    if approvers:
        acts.append(f"{approvers[0]} approves" if len(approvers) == 1 else f"{_list(approvers, 'and')} approve")
    return ", then ".join(acts)


def _with_time(way: str, judged: Sequence[Judged]) -> str:
    """What only time lifts comes last; nothing where somebody is missing who nobody is."""
    if any(found.demand is None and not found.opens and not found.requirement.is_satisfied for found in judged):
        return way
    times = list(dict.fromkeys(found.opens for found in judged if found.opens))
    return ", then ".join(filter(None, [way, " and ".join(times)]))


def _either(ledger: Ledger, people: Sequence[int]) -> str:
    names = [ledger.name(person) for person in people]
    if len(names) > _NAMED:
        more = len(names) - _NAMED
        return f"one of {', '.join(names[:_NAMED])} and {more} other{'s' if more > 1 else ''}"
    return _list(names, "or")


def _list(names: Sequence[str], word: str) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def _summary(facts: Facts, requirements: Sequence[Requirement], unmet: Sequence[Requirement], way: str) -> str:
    total = sum(found.state != NOT_NEEDED for found in requirements)
    if not unmet:
        what = "merge" if facts.stage == MERGE else f"deploy to {facts.environment}"
        return f"Ready to {what}: {'the requirement is' if total == 1 else f'all {total} requirements are'} met."
    if way:
        return f"Waiting for {len(unmet)} of {total}. Shortest way: {way}."
    failed = next((found for found in unmet if found.state == FAILED), unmet[0])
    return f"Blocked: {len(unmet)} of {total} not met. {failed.name}: {failed.text}"
