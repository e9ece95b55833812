"""Keeping the people who are asked right: who can no longer help is released, who is missing is chosen and asked.

Done by a job after everything that happens to a change, inside its transaction and under the change's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import SYSTEM
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.policies.config import GROUP, Rule
from apps.policies.evaluation import Facts, PolicyVerdict, Requirement, required_rules
from apps.policies.evaluation.standing import Ledger
from apps.reviews.choosing import Chosen, Need, choose
from apps.reviews.considering import Considered, consider, why_barred
from apps.reviews.explaining import explain
from apps.reviews.facts import policy_of
from apps.reviews.models import Assignment, Choice
from apps.reviews.started import started_on

Ending = Assignment.Ending
BY_PEOPLE = frozenset({Assignment.Origin.PERSON, Assignment.Origin.CLAIM})


def keep_reviewers_right(change: ChangeRequest, facts: Facts, verdict: PolicyVerdict) -> None:
    """Release, choose, ask and store the explanation. Doing it twice changes nothing the second time."""
    seen = consider(change, facts, verdict, now())
    asked = _asked(change)
    released = _release(change, seen, Ledger(facts), asked)
    for name in released:
        del asked[name]
    rules = (*policy_of(change).config.rules, *required_rules(facts))
    needs = [need for need in seen.needs() if not asks_group(seen.questions[int(need.why)].requirement, rules)]
    chosen = choose(needs, asked=frozenset(asked), people=seen.candidates)
    asked |= _ask(change, seen, chosen)
    _store(change, seen, chosen, asked)


def asks_group(row: Requirement, rules: Sequence[Rule]) -> bool:
    """Whether the rule behind a requirement leaves it to the group who takes it."""
    name = row.rule.name if row.rule is not None else ""
    return any(rule.name == name and rule.needs.ask == GROUP for rule in rules)


def _asked(change: ChangeRequest) -> dict[str, Assignment]:
    rows = Assignment.objects.filter(change=change, duty=Assignment.Duty.REVIEW, ended_at=None)
    return {row.user.username: row for row in rows.select_related("user", "stands_for").order_by("pk")}


def _release(change: ChangeRequest, seen: Considered, ledger: Ledger, asked: dict[str, Assignment]) -> dict[str, str]:
    """End requests that lead nowhere: name → why. Who was asked by a person stays while they can do it."""
    started = started_on(change)
    is_new = Choice.objects.filter(change=change).exclude(revision_number=_revision(change)).exists()
    needless = _needless(seen, asked, started) if is_new else frozenset()
    ended: dict[str, tuple[Ending, str]] = {}
    for name, row in asked.items():
        barred = why_barred(ledger, row.user_id)
        if barred:
            ended[name] = (Ending.RELEASED, f"cannot approve any more: {barred}")
        elif name in seen.away and row.user_id not in started:
            ended[name] = (Ending.AWAY, seen.until(name))
        elif name in needless:
            ended[name] = (
                Ending.RELEASED,
                f"not needed any more for {change.revision.label if change.revision else ''}",
            )
    for name, (ending, why) in ended.items():
        end(asked[name], ending, why)
    if ended:
        _record_release(change, {name: why for name, (_, why) in ended.items()})
    return {name: why for name, (_, why) in ended.items()}


def _needless(seen: Considered, asked: dict[str, Assignment], started: Iterable[int]) -> frozenset[str]:
    """Whom the portal asked, who has not begun, and without whom the others who are asked do as well."""
    begun = set(started)
    loose = {name for name, row in asked.items() if row.origin not in BY_PEOPLE and row.user_id not in begun}
    if not loose or any(_is_stuck(question.requirement) for question in seen.questions):
        return frozenset()
    among = [Need(need.candidates & frozenset(asked), need.missing, need.why) for need in seen.needs()]
    needed = choose(among, asked=frozenset(asked) - loose, people=seen.candidates)
    return frozenset(loose - set(needed.reasons))


def _is_stuck(row: Requirement) -> bool:
    return not row.is_satisfied and not row.who_can_act


def end(row: Assignment, ending: Assignment.Ending, why: str) -> None:
    """Close one request, and keep why."""
    row.ended_at, row.ending, row.ended_reason = now(), ending, why[:500]
    row.save(update_fields=["ended_at", "ending", "ended_reason"])


def _ask(change: ChangeRequest, seen: Considered, chosen: Chosen) -> dict[str, Assignment]:
    users = {user.username: user for user in User.objects.filter(username__in=chosen.reasons)} if chosen.reasons else {}
    rows: dict[str, Assignment] = {}
    for name, indexes in chosen.reasons.items():
        for_whom = seen.stands_for.get(name, "")
        reason = "; ".join(_why(seen.questions[int(index)].requirement) for index in indexes)
        rows[name] = Assignment.objects.create(
            change=change,
            user=users[name],
            duty=Assignment.Duty.REVIEW,
            origin=_origin(seen.questions[int(index)].requirement for index in indexes),
            reason=(f"for @{for_whom}, {seen.until(for_whom)}: {reason}" if for_whom else reason)[:500],
            stands_for=seen.away[for_whom].user if for_whom else None,
            created_at=now(),
        )
    if rows:
        audit.record(
            SYSTEM,
            "change.assigned",
            repository=change.repository.name,
            change=change.number,
            target=", ".join(rows),
            summary=f"{', '.join(rows)} asked to review {change.label}",
            data={"duty": "review", "chosen": {name: row.reason for name, row in rows.items()}},
        )
    return rows


def _origin(requirements: Iterable[Requirement]) -> Assignment.Origin:
    owners = any(row.code == "code_owners" for row in requirements)
    return Assignment.Origin.CODEOWNERS if owners else Assignment.Origin.RULE


def _why(row: Requirement) -> str:
    """What a person reads after "Your turn": which rule names them, and where it stands."""
    place = f" ({row.rule.place})" if row.rule is not None and row.rule.place else ""
    if row.code != "code_owners":
        return f"the rule “{row.name}” asks for you{place}"
    return f"you are one of the {row.name}{place}"


def _record_release(change: ChangeRequest, released: dict[str, str]) -> None:
    audit.record(
        SYSTEM,
        "change.reviewers_released",
        repository=change.repository.name,
        change=change.number,
        target=", ".join(released),
        summary=f"{', '.join(released)} no longer asked to review {change.label}",
        data={"released": released},
    )


def _store(change: ChangeRequest, seen: Considered, chosen: Chosen, asked: dict[str, Assignment]) -> None:
    stuck = any(_is_stuck(question.requirement) for question in seen.questions)
    columns = {
        "revision_number": _revision(change),
        "record": explain(seen, asked),
        "short": bool(chosen.short) or stuck,
    }
    row = Choice.objects.filter(change=change).first()
    if row is None or columns["short"] or any(getattr(row, name) != value for name, value in columns.items()):
        Choice.objects.update_or_create(change=change, defaults={**columns, "made_at": now()})


def _revision(change: ChangeRequest) -> int:
    return change.revision.number if change.revision else 0
