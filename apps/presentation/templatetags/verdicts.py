"""The sentences of “Why can't this be merged / deployed?” (UX §2.7), said once for page, list and mail."""

from __future__ import annotations

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
