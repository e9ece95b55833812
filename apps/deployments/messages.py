"""Commit messages that the portal writes, with the trailers by which others find the change again."""

from __future__ import annotations

from datetime import datetime

from apps.accounts.models import User
from apps.changes.models import ChangeRequest, OutsideChange
from apps.core.clock import now
from apps.deployments.models import Deployment, Environment
from apps.policies.evaluation import PolicyVerdict
from apps.vcs.history import Signature

PORTAL_NAME = "GitOps Portal"
PORTAL_EMAIL = "portal@localhost"


def merge_message(change: ChangeRequest, verdict: PolicyVerdict, *, merged_by: User, key: str) -> str:
    """``Merge CHG-42: title`` and trailers: the change, every approval that counts, who merged, the key of the decision."""
    counted = [standing.person for standing in verdict.standings if standing.counts and standing.verdict == "approve"]
    people = User.objects.in_bulk(counted)
    trailers = [f"Change-Request: {change.label}"]
    trailers += [f"Approved-by: {person(people[pk])}" for pk in dict.fromkeys(counted) if pk in people]
    trailers += [f"Merged-by: {person(merged_by)}", f"Dispatch-Key: {key}"]
    return _message(f"Merge {change.label}: {_line(change.title)}", [], trailers)


def revert_message(change: ChangeRequest, *, asked_by: User) -> str:
    """What ``git revert`` would write, with who asked."""
    body = [f"This reverts commit {change.merge_commit} ({change.label})."]
    return _message(f'Revert "{_line(change.title)}"', body, [f"Requested-by: {person(asked_by)}"])


def bring_back_message(deployment: Deployment, *, asked_by: User) -> str:
    """What takes an environment back to the state of an earlier deployment."""
    where, what = deployment.environment.name, deployment.label
    body = [
        f"Everything that {where} is made of is again as {what} ({deployment.change.label}, {deployment.commit}) had it."
    ]
    return _message(f"Bring {what} back to {where}", body, [f"Requested-by: {person(asked_by)}"])


def adopt_drift_message(environment: Environment, *, asked_by: User) -> str:
    """What brings Git in line with what was found."""
    body = [f"What was found in {environment.name}, where it differs from what was deployed there."]
    return _message(f"Adopt drift of {environment.name}", body, [f"Requested-by: {person(asked_by)}"])


def outside_revert_message(row: OutsideChange, *, asked_by: User) -> str:
    """The same for what was pushed past the portal."""
    body = [f"This takes {row.old_oid}..{row.new_oid} back, which went to {row.branch} past the portal."]
    return _message(f"Revert {row.new_oid[:10]}", body, [f"Requested-by: {person(asked_by)}"])


def _message(subject: str, body: list[str], trailers: list[str]) -> str:
    return "\n\n".join([subject, *body, "\n".join(trailers)]) + "\n"


def person(user: User) -> str:
    """``Name <mail>`` on one line, so that a name cannot forge a trailer."""
    who = signature_of(user)
    return f"{who.name} <{who.email}>"


def signature_of(user: User, at: datetime | None = None) -> Signature:
    """The user as author of a commit; ``at`` defaults to now."""
    moment = at or now()
    name = _line(user.shown_name.replace("<", "").replace(">", ""))
    return Signature(name, _line(user.email) or f"{user.username}@users.noreply.localhost", moment)


def _line(text: str) -> str:
    return " ".join(text.split())
