"""The rows that say whose turn it is, who was called, what people are told, and that a list's verdict is out of date."""

from apps.reviews.transitions.calls import call_for, end_calls, end_thread_calls, set_calls
from apps.reviews.transitions.emergencies import pay_debt, use_emergency
from apps.reviews.transitions.news import KEPT, tell
from apps.reviews.transitions.turns import REFRESH, announce_turn, end_turn, give_turn, mark_stale, set_attention

__all__ = [
    "KEPT",
    "REFRESH",
    "announce_turn",
    "call_for",
    "end_calls",
    "end_thread_calls",
    "end_turn",
    "give_turn",
    "mark_stale",
    "pay_debt",
    "set_attention",
    "set_calls",
    "tell",
    "use_emergency",
]
