"""What a rule asks of an approval beside who gave it: not too old, after signing in again, with everything seen."""

from __future__ import annotations

from apps.policies.config import Needs, duration_parts
from apps.policies.evaluation.facts import CannotEvaluate, Facts, Review

_UNITS = {"d": "day", "h": "hour", "m": "minute", "s": "second"}


def is_expired(review: Review, needs: Needs, facts: Facts) -> bool:
    """Whether the approval is older than the rule lets it be. A moment that is not known is no young one."""
    if not needs.expires_seconds:
        return False
    if facts.moment < 1 or review.at < 1:
        raise CannotEvaluate("the moment of judging or of an approval is not known")
    return facts.moment - review.at >= needs.expires_seconds


def words(needs: Needs) -> str:
    """What goes behind the number of approvals, in the text of a requirement."""
    age = f", each not older than {duration_words(needs.expires_seconds)}" if needs.expires_seconds else ""
    again = ", each given after signing in again" if needs.reauthenticate else ""
    return age + again


def duration_words(seconds: int) -> str:
    """``7 days``, ``1 day 12 hours``."""
    return " ".join(f"{number} {_UNITS[unit]}{'' if number == 1 else 's'}" for number, unit in duration_parts(seconds))
