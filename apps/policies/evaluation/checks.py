"""Checks that pipelines report for exactly the tree that would be merged."""

from __future__ import annotations

from collections.abc import Sequence

from apps.policies.config import Rule
from apps.policies.evaluation.demands import Judged
from apps.policies.evaluation.facts import CHECK_FAILED, CHECK_PASSED, CHECK_RUNS, CannotEvaluate
from apps.policies.evaluation.standing import Ledger
from apps.policies.evaluation.verdict import FAILED, MET, WAITING, Requirement, RuleRef


def check_requirements(rule: Rule, ledger: Ledger, ref: RuleRef) -> list[Judged]:
    """One requirement for each check that the rule names; one that nobody has reported is waited for."""
    return [_check(name, rule, ledger, ref) for name in _names(rule.needs.checks)]


def _names(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _check(name: str, rule: Rule, ledger: Ledger, ref: RuleRef) -> Judged:
    facts = ledger.facts
    if facts.checks is None:
        raise CannotEvaluate("nobody has looked for reported checks")
    state = facts.checks.get(name, "")
    title = f"Check {name}"
    if state == CHECK_PASSED:
        return Judged(
            Requirement("check", title, MET, f"{name} succeeded for the result of r{facts.revision}.", rule=ref)
        )
    if state == CHECK_FAILED:
        text = f"{name} failed for the result of r{facts.revision}. Push a revision that passes, or run it again."
        return Judged(Requirement("check", title, FAILED, text, rule=ref))
    if state not in ("", CHECK_RUNS):
        raise CannotEvaluate(f"`{state}` is no known state of a check")
    what = "is running" if state else "has not been reported"
    text = f"{name} {what} for the result of r{facts.revision}; the pipeline reports it over the API."
    return Judged(Requirement("check", title, WAITING, text, rule=ref), opens=f"{name} succeeds")
