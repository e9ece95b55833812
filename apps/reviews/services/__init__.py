"""Use cases of reviewing: one module each."""

from apps.reviews.services.assigning import assign, unassign
from apps.reviews.services.claims import claim, release_claim
from apps.reviews.services.declining import decline, swap
from apps.reviews.services.desk import arrange_desk, choose_news
from apps.reviews.services.emergencies import confirm_emergency, declare_emergency, end_emergency
from apps.reviews.services.inbox import mark_all_read, mark_news
from apps.reviews.services.nudging import nudge
from apps.reviews.services.overriding import override_window, withdraw_override
from apps.reviews.services.rebalancing import rebalance
from apps.reviews.services.reviewing import submit_review
from apps.reviews.services.threads import open_thread, reply
from apps.reviews.services.threads_drafts import delete_draft, publish_drafts, save_draft
from apps.reviews.services.threads_settling import drop_thread, reopen_thread, resolve_thread
from apps.reviews.services.threads_suggestions import apply_suggestions, settle_suggestions, unsettled_suggestions
from apps.reviews.services.turns import hand_over, settle_turn, snooze, unsnooze
from apps.reviews.services.viewing import mark_resource_seen, mark_viewed
from apps.reviews.services.withdrawing import withdraw_review

__all__ = [
    "apply_suggestions",
    "arrange_desk",
    "assign",
    "choose_news",
    "claim",
    "confirm_emergency",
    "declare_emergency",
    "decline",
    "delete_draft",
    "drop_thread",
    "end_emergency",
    "hand_over",
    "mark_all_read",
    "mark_news",
    "mark_resource_seen",
    "mark_viewed",
    "nudge",
    "open_thread",
    "override_window",
    "publish_drafts",
    "rebalance",
    "release_claim",
    "reopen_thread",
    "reply",
    "resolve_thread",
    "save_draft",
    "settle_suggestions",
    "settle_turn",
    "snooze",
    "submit_review",
    "swap",
    "unassign",
    "unsettled_suggestions",
    "unsnooze",
    "withdraw_override",
    "withdraw_review",
]
