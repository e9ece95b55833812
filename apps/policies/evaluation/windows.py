"""Windows and freezes at a gate: they end by themselves, or somebody who may lets this one change through."""

from __future__ import annotations

from apps.policies.config import ALLOW, FREEZE
from apps.policies.evaluation.demands import Judged
from apps.policies.evaluation.facts import ROLLBACK, CannotEvaluate, HoldFact, OverrideFact
from apps.policies.evaluation.standing import Ledger
from apps.policies.evaluation.verdict import FAILED, MET, NOT_NEEDED, WAITING, Requirement

OVERRIDES = "overrides it"
_CODES = {FREEZE: "freeze", ALLOW: "window"}


def window_gates(ledger: Ledger) -> list[Judged]:
    """One requirement for each hold; none where no window holds."""
    return [_hold(ledger, hold) for hold in ledger.facts.holds]


def may_override(ledger: Ledger, hold: HoldFact, person: int) -> bool:
    """Whether an override of this person counts: of the group, active, human, and no contributor."""
    return any(person in ledger.members(name) for name in hold.principals) and ledger.bar(person) is None


def _hold(ledger: Ledger, hold: HoldFact) -> Judged:
    if hold.kind not in _CODES:
        raise CannotEvaluate(f"`{hold.kind}` is no known kind of window")
    code, name = _CODES[hold.kind], _name(hold)
    where = f" in {hold.environment}" if hold.environment else ""
    if ledger.facts.kind == ROLLBACK:
        text = f"{name}{where} does not hold a rollback to what was approved and live before."
        return Judged(Requirement(code, name, NOT_NEEDED, text))
    given = [one for one in ledger.facts.overrides if _covers(ledger, hold, one)]
    if given:
        first = given[0]
        who = ledger.name(first.person)
        text = f"{name}{where} was overridden by {who}."
        return Judged(Requirement(code, name, MET, text, (f"{who}: {first.reason}",)))
    able = frozenset(person for person in ledger.people if may_override(ledger, hold, person))
    state = WAITING if hold.until else FAILED
    requirement = Requirement(
        code, name, state, _text(hold, where), (), ledger.names(able), action=OVERRIDES, principals=hold.principals
    )
    return Judged(requirement, opens=_opens(hold))


def _covers(ledger: Ledger, hold: HoldFact, override: OverrideFact) -> bool:
    same = override.environment == hold.environment and set(hold.windows) <= set(override.windows)
    return override.counts is True and same and may_override(ledger, hold, override.person)


def _name(hold: HoldFact) -> str:
    quoted = " and ".join(f"“{name}”" for name in hold.windows)
    if hold.kind == FREEZE:
        return f"Freeze {quoted}"
    return f"Window{'s' if len(hold.windows) > 1 else ''} {quoted}"


def _text(hold: HoldFact, where: str) -> str:
    if hold.kind == FREEZE:
        until = f" until {hold.until}" if hold.until else ", and no end of it is known"
        return f"{_name(hold)} holds{where}{until}."
    opens = f"opens {hold.until}" if hold.until else "does not open within 400 days"
    return f"{_name(hold)}{where} {'is' if len(hold.windows) == 1 else 'are'} closed; the next one {opens}."


def _opens(hold: HoldFact) -> str:
    if not hold.until:
        return ""
    what = "the freeze ends" if hold.kind == FREEZE else "the window opens"
    return f"{what} {hold.until}"
