"""Use cases of reviewing: one module each."""

from apps.reviews.services.assigning import assign, unassign
from apps.reviews.services.declining import decline, swap
from apps.reviews.services.nudging import nudge
from apps.reviews.services.rebalancing import rebalance
from apps.reviews.services.reviewing import submit_review
from apps.reviews.services.threads import open_thread, reopen_thread, reply, resolve_thread

__all__ = [
    "assign",
    "decline",
    "nudge",
    "open_thread",
    "rebalance",
    "reopen_thread",
    "reply",
    "resolve_thread",
    "submit_review",
    "swap",
    "unassign",
]
