"""The homes of roles: which sections the queue has, in which order (UX §2.2), and how a person arranged them."""

from __future__ import annotations

from dataclasses import dataclass

from apps.accounts.models import User
from apps.repositories.models import RepositoryRole
from apps.repositories.roles import Role
from apps.reviews.models import Desk


@dataclass(frozen=True, slots=True)
class View:
    """``sections`` in their first order; a person may move them up and down."""

    key: str
    title: str
    sections: tuple[str, ...]


VIEWS: dict[str, View] = {
    view.key: view
    for view in (
        View(
            "engineer",
            "Engineer",
            (
                "attention",
                "snoozed",
                "drift",
                "ready_mine",
                "waiting",
                "deploying",
                "unclaimed",
                "drafts",
                "backlog",
                "done",
            ),
        ),
        View(
            "reviewer",
            "Reviewer",
            (
                "attention",
                "snoozed",
                "drift",
                "reviewed",
                "unclaimed",
                "ready_mine",
                "deploying",
                "drafts",
                "reviewed_done",
            ),
        ),
        View(
            "release_manager",
            "Release manager",
            (
                "deploying",
                "attention",
                "snoozed",
                "ready",
                "drift",
                "waiting",
                "unclaimed",
                "backlog",
                "drafts",
                "done",
            ),
        ),
        View("auditor", "Auditor", ("verification", "exceptions", "protected", "attention", "snoozed", "drift")),
    )
}
TITLES = {
    "attention": "Needs my attention",
    "snoozed": "Snoozed",
    "unclaimed": "My group, unclaimed",
    "ready": "Ready to merge",
    "ready_mine": "Ready to merge (mine)",
    "waiting": "Waiting on others",
    "reviewed": "Waiting on others (I reviewed)",
    "deploying": "Deploying now",
    "drift": "Drift alerts",
    "drafts": "Drafts",
    "backlog": "Backlog",
    "done": "Recently done",
    "reviewed_done": "Recently done",
    "verification": "Verification status",
    "exceptions": "Exceptions",
    "protected": "Latest deploys to protected environments",
}
FOLDED = frozenset({"done", "reviewed_done", "snoozed", "backlog"})
"""Closed until the person opens them."""


def view_of(user: User, desk: Desk) -> View:
    """The view that the person chose, else that of their strongest role; at most one query."""
    if desk.view in VIEWS:
        return VIEWS[desk.view]
    rows = RepositoryRole.objects.filter(user=user) | RepositoryRole.objects.filter(team__memberships__user=user)
    roles = set(rows.values_list("role", flat=True))
    for role, key in (
        (Role.DEPLOYER, "release_manager"),
        (Role.MAINTAINER, "release_manager"),
        (Role.REVIEWER, "reviewer"),
        (Role.AUTHOR, "engineer"),
        (Role.AUDITOR, "auditor"),
    ):
        if role in roles:
            return VIEWS[key]
    return VIEWS["engineer"]


def ordered(view: View, desk: Desk) -> tuple[str, ...]:
    """The sections of ``view`` as the person ordered them; what they never saw stays where it was."""
    known = [key for key in desk.order if key in view.sections]
    if not known:
        return view.sections
    return (*known, *(key for key in view.sections if key not in known))
