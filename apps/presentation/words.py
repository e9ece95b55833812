"""The one mapping from a state to what people see: icon, word, colour family (UX §2.13, §3.3).

Pages, sockets, the API's labels and mails all take their words from here, so that one
state never has two names. The icon's shape differs between families and the word is always
there, so that nothing depends on colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tone = Literal["ok", "warn", "bad", "info", "done", "neu"]


@dataclass(frozen=True, slots=True)
class Word:
    """How one state looks: a name of static/icons.svg, the visible word, the colour family."""

    icon: str
    text: str
    tone: Tone
    spins: bool = False


def _met(text: str) -> Word:
    return Word("check-circle", text, "ok")


def _waiting(text: str) -> Word:
    return Word("clock", text, "info")


def _running(text: str) -> Word:
    return Word("arc", text, "info", spins=True)


def _attention(text: str) -> Word:
    return Word("diamond-bang", text, "warn")


def _failed(text: str) -> Word:
    return Word("octagon-x", text, "bad")


def _neutral(text: str) -> Word:
    return Word("dash", text, "neu")


def _unknown(text: str) -> Word:
    return Word("question", text, "neu")


CHANGE: dict[str, Word] = {
    "requested": _neutral("Requested"),
    "draft": _neutral("Draft"),
    "in_review": _waiting("In review"),
    "merging": _running("Merging"),
    "merged": _met("Merged"),
    "done": _met("Done"),
    "withdrawn": _neutral("Withdrawn"),
}
"""The stored statuses of a change request."""

CHANGE_FACTS: dict[str, Word] = {
    "needs_you": _attention("Needs you"),
    "turn_over": _neutral("Turn ended"),
    "checks_running": _running("Checks running"),
    "checks_failed": _failed("Checks failed"),
    "changes_requested": _attention("Changes requested"),
    "conflict": _attention("Conflict"),
    "approved": _met("Approved"),
    "ready": _met("Ready to merge"),
    "window": _waiting("Waiting for a window"),
    "scheduled": Word("calendar", "Scheduled", "done"),
    "queued": _waiting("Queued"),
    "to_start": _waiting("Waiting for Start"),
    "deploying": _running("Deploying"),
    "verifying": _running("Verifying"),
    "deployed": _met("Deployed"),
    "partly_deployed": _attention("Partly deployed"),
    "deploy_failed": _failed("Deploy failed"),
    "closed": Word("check-circle", "Closed", "neu"),
    "rolled_back": Word("undo", "Rolled back", "done"),
    "superseded": _neutral("Superseded"),
    "order_matters": _attention("Order matters"),
}
"""What is said of a change beside its status: computed, never stored."""

DEPLOYMENT: dict[str, Word] = {
    "pending": _waiting("Waiting"),
    "dispatching": _running("Starting"),
    "running": _running("Running"),
    "succeeded": _met("Succeeded"),
    "failed": _failed("Failed"),
    "cancelled": _neutral("Cancelled"),
    "unknown": Word("question", "Outcome unknown", "warn"),
    "skipped": _neutral("Skipped"),
}
"""Deployments, their attempts and their steps."""

REQUIREMENT: dict[str, Word] = {
    "met": _met("Met"),
    "waiting": _waiting("Waiting"),
    "failed": _failed("Failed"),
    "not_needed": _neutral("Not needed"),
}
"""Rows of “Why can't this deploy?”."""

ENVIRONMENT: dict[str, Word] = {
    "healthy": _met("Healthy"),
    "degraded": _failed("Degraded"),
    "down": _failed("Down"),
    "synced": _met("Synced"),
    "progressing": _running("Progressing"),
    "missing": _failed("Missing"),
    "suspended": _neutral("Suspended"),
    "health_unknown": _unknown("Health not known"),
    "out_of_sync": _attention("Out of sync"),
    "drift": _attention("Drift"),
    "drift_drifted": _attention("Drift"),
    "drift_in_sync": _met("In sync"),
    "drift_accepted": Word("check-circle", "Drift accepted", "neu"),
    "drift_unknown": Word("question", "Drift: unknown", "warn"),
    "drift_stale": _unknown("Drift: not checked"),
    "drift_never": _unknown("Drift: never checked"),
    "outside_change": _attention("Outside change"),
    "frozen": Word("snowflake", "Frozen", "done"),
    "freezes_unknown": _unknown("Freezes not known"),
    "locked": Word("lock", "Locked", "info"),
    "behind": _attention("Behind"),
    "live": Word("rocket", "Live", "neu"),
    "up_to_date": Word("check-circle", "Up to date", "neu"),
    "compared_not_promoted": _waiting("Not promoted"),
    "compared_not_deployed": _waiting("Not deployed"),
    "compared_deployed": Word("rocket", "Deployed between", "neu"),
    "compared_overlay": _neutral("Intended overlay"),
    "compared_both": _attention("Not promoted, and overlay"),
    "compared_drift": _attention("Drift"),
    "compared_drift_accepted": Word("check-circle", "Drift accepted", "neu"),
    "compared_unknown": _unknown("Reason not known"),
    "secret_differs": Word("lock", "Secret differs", "warn"),
    "never_deployed": _neutral("Never deployed"),
    "was_healthy": Word("check-circle", "Healthy when deployed", "neu"),
    "not_checked": _unknown("Health not checked"),
}

RENDERING: dict[str, Word] = {
    "rendering": _running("Rendering"),
    "rendered": _met("Rendered"),
    "rendered_in_part": _attention("Rendered in part"),
}
"""Targets; those that wait, failed or were cancelled say so like deployments."""

REVIEW: dict[str, Word] = {
    "approve": _met("Approved"),
    "request_changes": _attention("Changes requested"),
    "comment": Word("comment", "Commented", "neu"),
    "counts": _met("Counts"),
    "does_not_count": _neutral("Does not count"),
    "lost": _attention("No longer counts"),
    "review_requested": _waiting("Requested"),
    "declined": _neutral("Declined"),
}

THREAD: dict[str, Word] = {
    "open": Word("comment", "Open", "info"),
    "blocking": _attention("Blocking"),
    "answered": _waiting("Answered"),
    "resolved": _met("Resolved"),
    "dropped": _neutral("Dropped"),
    "outdated": _neutral("Outdated"),
}

CONNECTION: dict[str, Word] = {
    "working": _met("Works"),
    "not_working": _failed("Does not work"),
    "not_tested": _unknown("Not tested"),
}

REPOSITORY: dict[str, Word] = {
    "current": _met("Up to date"),
    "syncing": _running("Fetching"),
    "sync_failed": _failed("Fetch failed"),
    "branch_trouble": _failed("Branch trouble"),
    "stale": _unknown("Stale"),
    "never_synced": _neutral("Not fetched yet"),
}

OUTSIDE: dict[str, Word] = {
    "proposed": _waiting("Being settled"),
    "adopted": _met("Adopted"),
    "reverted": _met("Reverted"),
    "gone": _neutral("Gone from the branch"),
}
"""What went past the portal; while it is open it is an outside change."""

AUDIT: dict[str, Word] = {
    "verified": _met("Verified"),
    "not_verified": _unknown("Not verified"),
    "broken": _failed("BROKEN"),
}

ACCESS: dict[str, Word] = {
    "active": _met("Active"),
    "revoked": _neutral("Revoked"),
    "expired": _neutral("Expired"),
    "disabled": _neutral("Disabled"),
}
"""Accounts and API tokens."""

WORDS: dict[str, Word] = {
    **ACCESS,
    **AUDIT,
    **OUTSIDE,
    **REPOSITORY,
    **CONNECTION,
    **THREAD,
    **REVIEW,
    **ENVIRONMENT,
    **REQUIREMENT,
    **RENDERING,
    **CHANGE_FACTS,
    **CHANGE,
    **DEPLOYMENT,
}
"""Every state under its own name; no two groups give one name two looks (tested)."""

RISK: dict[str, Word] = {
    "low": Word("risk-low", "Low", "neu"),
    "medium": Word("risk-medium", "Medium", "warn"),
    "high": Word("risk-high", "High", "bad"),
}

PLAN_ACTIONS: dict[str, Word] = {
    "create": Word("plus", "Create", "ok"),
    "update": Word("tilde", "Update", "info"),
    "replace": Word("plus-minus", "Replace", "warn"),
    "delete": Word("minus", "Destroy", "bad"),
}


def word_of(state: str) -> Word:
    """The look of ``state``; one that has no word yet is shown as unknown, with its own name."""
    found = WORDS.get(state)
    return found or _unknown(state.replace("_", " ").capitalize() or "Unknown")
