"""The sentences of “Why can't this be merged / deployed?” (UX §2.7), said once for page, list and mail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import template

register = template.Library()

_ORDER = {"failed": 0, "waiting": 1, "met": 2, "not_needed": 3}


@register.filter
def unmet_first(verdict: Any) -> list[Any]:
    """The requirements, failed and waiting ones on top, otherwise as the rules say them."""
    return sorted(verdict.requirements, key=lambda row: _ORDER.get(str(row.state), 0))


@register.filter
def other_reasons(verdict: Any) -> list[Any]:
    """Reasons that no row of the list already says."""
    said = {row.code for row in verdict.requirements} | {row.text for row in verdict.requirements}
    return [reason for reason in verdict.reasons if reason.code not in said and reason.text not in said]


@register.filter
def headline(verdict: Any) -> str:
    """One sentence: how much is missing and the shortest way to it."""
    rows = [row for row in verdict.requirements if str(row.state) != "not_needed"]
    unmet = [row for row in unmet_first(verdict) if str(row.state) in {"failed", "waiting"}]
    if verdict.allowed:
        return f"All {len(rows)} requirements are met." if len(rows) > 1 else "What is required is met."
    if not unmet:
        return " ".join(reason.text for reason in verdict.reasons) or "This is not possible now."
    count = f"Waiting for {len(unmet)} of {len(rows)}."
    if any(str(row.state) == "failed" for row in unmet):
        count = f"{len(unmet)} of {len(rows)} not met."
    return f"{count} {_way(unmet)}".strip()


def _way(unmet: Sequence[Any]) -> str:
    """Who can act, requirement by requirement; what nobody can meet is said as such."""
    first = unmet[0]
    who = [str(one) for one in first.who_can_act]
    if not who:
        return f"Next: {first.name}." if len(unmet) == 1 else f"First: {first.name}."
    return f"Shortest way: {_either(who)} for {first.name}."


def _either(names: Sequence[str]) -> str:
    shown = [*names[:3], *([f"{len(names) - 3} more"] if len(names) > 3 else [])]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"
