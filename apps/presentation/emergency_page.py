"""The page of an emergency: what it skips and what it keeps, who confirms, and what is owed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.policies.evaluation import NORMAL, SKIPPED_CODES, Requirement, evaluate
from apps.reviews import access
from apps.reviews.emergencies import emergencies_of, emergency_in_force, open_debt
from apps.reviews.models import Emergency
from apps.reviews.queries import approval_facts, owed_of, policy_of


@dataclass(frozen=True, slots=True)
class EmergencyPage:
    """``present`` is in force; ``skipped`` and ``kept`` are the requirements of the merge as they are now, without it.

    ``why_not`` says why the person who looks cannot declare one (empty: they can); ``owed``: what the rules still miss.
    """

    present: Emergency | None
    gate: Requirement | None
    skipped: tuple[Requirement, ...]
    kept: tuple[Requirement, ...]
    why_not: str
    confirmers: tuple[str, ...]
    may_confirm: bool
    may_end: bool
    debt: Emergency | None
    owed: tuple[Requirement, ...]
    past: tuple[Emergency, ...]


def emergency_page(user: User, change: ChangeRequest) -> EmergencyPage:
    """Everything for one person."""
    policy = policy_of(change)
    facts = approval_facts(change, policy=policy)
    present, debt = emergency_in_force(change), open_debt(change)
    now = evaluate(policy.config.rules, facts)
    plain = evaluate(policy.config.rules, replace(facts, kind=NORMAL)) if facts.emergency else now
    gate = next((row for row in now.requirements if row.code == "emergency"), None)
    return EmergencyPage(
        present=present,
        gate=gate,
        skipped=tuple(row for row in plain.requirements if row.code in SKIPPED_CODES and not row.is_satisfied),
        kept=tuple(row for row in plain.requirements if row.code not in SKIPPED_CODES),
        why_not="" if present else access.can_declare(user, change, policy).text,
        confirmers=policy.config.emergency.from_ if policy.config.emergency else (),
        may_confirm=present is not None
        and access.can_confirm(user, change, facts).allowed
        and not present.confirmations.filter(person=user).exists(),
        may_end=present is not None and access.can_end_emergency(user, change, present).allowed,
        debt=debt,
        owed=tuple(owed_of(change, debt)) if debt else (),
        past=emergencies_of(change)[::-1],
    )


@dataclass(frozen=True, slots=True)
class EmergencyBanner:
    """What every page of the change says: an emergency is in force, or one is still owed its review."""

    words: str
    deadline: str = ""
    by: datetime | None = None


def emergency_banner(change: ChangeRequest) -> EmergencyBanner | None:
    rows = emergencies_of(change)[::-1]
    if not rows:
        return None
    owed = next((row for row in rows if row.review_by and not row.paid_at), None)
    if owed is not None:
        return EmergencyBanner(f"went by an emergency ({owed.reason}). Its review is owed", "due", owed.review_by)
    present = emergency_in_force(change)
    if present is None or present.paid_at is not None:
        return None
    said = f"is declared one by {present.declared_by.username} ({present.reason})"
    return EmergencyBanner(said, "it ends", present.expires_at)
