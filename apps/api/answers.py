"""Read models as JSON: the fixed shapes of the API, one function an object."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apps.accounts.keymaps import effective
from apps.accounts.models import ApiToken, Team, User
from apps.accounts.shortcuts import SHORTCUTS
from apps.audit.models import AuditEntry
from apps.changes import queries as changes
from apps.changes.models import ChangeRequest, Revision
from apps.deployments.models import Deployment, DeploymentEvent, Environment
from apps.presentation.audit_chain import Checked, PublishedLog
from apps.repositories.models import Repository, RepositoryRole
from apps.reviews.marks import Marks
from apps.reviews.models import Assignment, DraftComment, Review, Thread


def time(value: Any) -> str | None:
    return value.isoformat() if value is not None else None


def user_json(user: User) -> dict[str, Any]:
    return {
        "username": user.username,
        "display_name": user.display_name,
        "kind": user.kind,
        "sponsor": user.sponsor.username if user.sponsor else None,
        "active": user.is_active,
    }


def me_json(user: User, scopes: Iterable[str] | None) -> dict[str, Any]:
    return user_json(user) | {
        "email": user.email,
        "administrator": user.is_superuser,
        "can_connect_repositories": user.is_superuser or user.can_connect_repositories,
        "time_zone": user.time_zone,
        "teams": sorted(membership.team.name for membership in user.memberships.select_related("team")),
        "scopes": sorted(scopes) if scopes is not None else None,
    }


def keyboard_json(user: User) -> dict[str, Any]:
    keys = effective(user.shortcut_keys)
    return {
        "is_on": user.shortcuts_on,
        "shortcuts": [
            {
                "id": one.id,
                "keys": keys[one.id],
                "default": one.keys,
                "text": one.text,
                "group": one.group,
                "fixed": one.fixed,
            }
            for one in SHORTCUTS
        ],
    }


def team_json(team: Team) -> dict[str, Any]:
    members = sorted(membership.user.username for membership in team.memberships.all())
    return {
        "name": team.name,
        "title": team.title,
        "description": team.description,
        "external_group": team.external_group,
        "members": members,
    }


def token_json(token: ApiToken) -> dict[str, Any]:
    return {
        "id": token.pk,
        "name": token.name,
        "prefix": token.prefix,
        "scopes": token.scopes,
        "expires_at": time(token.expires_at),
        "last_used_at": time(token.last_used_at),
        "revoked_at": time(token.revoked_at),
    }


def repository_json(repository: Repository) -> dict[str, Any]:
    return {
        "name": repository.name,
        "url": repository.url,
        "default_branch": repository.default_branch,
        "synced_at": time(repository.synced_at),
        "sync_problem": repository.sync_problem or None,
    }


def member_json(row: RepositoryRole) -> dict[str, Any]:
    member = f"team/{row.team.name}" if row.team is not None else row.user.username if row.user else ""
    return {"member": member, "role": row.role}


def change_row_json(change: ChangeRequest) -> dict[str, Any]:
    snapshot = getattr(change, "verdict_snapshot", None)
    return {
        "number": change.number,
        "repository": change.repository.name,
        "title": change.title,
        "kind": change.kind,
        "state": change.status,
        "source_branch": change.source_branch or None,
        "target_branch": change.target_branch,
        "requester": change.requester.username,
        "owner": change.owner.username if change.owner else None,
        "revision": change.revision.number if change.revision else None,
        "created_at": time(change.created_at),
        "updated_at": time(change.updated_at),
        "verdict_summary": snapshot.summary if snapshot is not None and not snapshot.stale else None,
    }


def revision_json(revision: Revision) -> dict[str, Any]:
    return {
        "number": revision.number,
        "cause": revision.cause,
        "head": revision.head_oid,
        "base": revision.target_oid,
        "merge_bases": revision.merge_bases,
        "result_tree": revision.result_tree or None,
        "conflict": revision.conflicts,
        "source_branch": revision.source_branch or None,
        "target_branch": revision.target_branch,
        "subject": revision.subject or None,
        "files_changed": revision.files_changed,
        "lines_added": revision.lines_added,
        "lines_removed": revision.lines_removed,
        "created_at": time(revision.created_at),
    }


def change_json(change: ChangeRequest, verdict: dict[str, Any] | None) -> dict[str, Any]:
    """The whole change; ``contributors`` and ``reviewers`` are names, their ``_details`` say why."""
    contributed = changes.contributors(change)
    last = change.revision.number if change.revision else 0
    asked = list(change.assignments.filter(ended_at=None).select_related("user"))
    given = list(change.reviews.select_related("reviewer", "revision"))
    reviewers = {row.user.username for row in asked if row.duty == Assignment.Duty.REVIEW}
    reviewers |= {row.reviewer.username for row in given}
    contributors = {row.user.username if row.user else row.email or row.name for row in contributed}
    return change_row_json(change) | {
        "description": change.description,
        "version": change.version,
        "change_class": _class(verdict),
        # One that arrives while this is read belongs to the next answer, like everything else about it.
        "revisions": [revision_json(row) for row in change.revisions.filter(number__lte=last)],
        "verdict": verdict,
        "contributors": sorted(contributors),
        "contributor_details": [
            {
                "username": row.user.username if row.user else None,
                "name": row.name,
                "email": row.email,
                "how": list(row.how),
            }
            for row in contributed
        ],
        "reviewers": sorted(reviewers),
        "reviewer_details": [assignment_json(row) for row in asked],
        "reviews": [review_json(row) for row in given],
        "source_deleted_at": time(change.source_deleted_at),
        "rolls_back": change.rolls_back.number if change.rolls_back else None,
        "merge_commit": change.merge_commit or None,
        "merged_at": time(change.merged_at),
        "closed_reason": change.closed_reason or None,
        "deployments": [deployment_json(row) for row in change.deployments.select_related(*DEPLOYMENT_RELATED)],
    }


def _class(verdict: dict[str, Any] | None) -> str:
    """Which gate it has: approved beforehand as a standard change, past its rules in an emergency, or the normal one."""
    rows = verdict["requirements"] if verdict else []
    if any(row["code"] == "standard" and row["state"] == "met" for row in rows):
        return "standard"
    return "emergency" if any(row["code"] == "emergency" for row in rows) else "normal"


def assignment_json(row: Assignment) -> dict[str, Any]:
    return {
        "user": row.user.username,
        "duty": row.duty,
        "origin": row.origin,
        "reason": row.reason,
        "created_at": time(row.created_at),
    }


def review_json(row: Review) -> dict[str, Any]:
    return {
        "id": row.pk,
        "reviewer": row.reviewer.username,
        "revision": row.revision.number,
        "verdict": row.verdict,
        "body": row.body,
        "stage": row.stage,
        "environment": row.environment or None,
        "subject": row.subject or None,
        "created_at": time(row.created_at),
        "withdrawn_at": time(row.withdrawn_at),
        "shown": row.shown or None,
        "with_rollback": row.with_rollback,
        "inverse": row.inverse.get("digest") or None,
    }


def viewed_json(change: ChangeRequest, marks: Marks) -> dict[str, Any]:
    """The marks of the person who asks."""
    return {
        "change": change.number,
        "files": marks.total,
        "viewed": sorted(marks.viewed),
        "changed": sorted(marks.changed),
    }


def thread_json(row: Thread) -> dict[str, Any]:
    return {
        "number": row.number,
        "kind": row.kind,
        "state": row.state,
        "scope": row.scope,
        "place": row.anchor.place or None,
        "path": row.path or None,
        "start_line": row.anchor.start_line,
        "line": row.line,
        "side": row.side,
        "locator": row.locator or None,
        "snippet": row.snippet or None,
        "revision": row.revision.number if row.revision else None,
        "reason": row.reason or None,
        "comments": [
            {
                "id": comment.pk,
                "author": comment.author.username,
                "body": comment.body,
                "created_at": time(comment.created_at),
            }
            for comment in row.comments.select_related("author")
        ],
    }


def draft_json(row: DraftComment) -> dict[str, Any]:
    return {
        "id": row.pk,
        "thread": row.thread.number if row.thread else None,
        "scope": row.scope,
        "place": row.anchor.place or None,
        "path": row.path or None,
        "start_line": row.anchor.start_line,
        "line": row.line,
        "side": row.side,
        "locator": row.locator or None,
        "revision": row.revision.number if row.revision else None,
        "kind": row.kind,
        "body": row.body,
        "pending": row.pending,
        "saved_at": time(row.saved_at),
    }


DEPLOYMENT_RELATED = ("change", "environment__repository", "requested_by")


def deployment_json(row: Deployment) -> dict[str, Any]:
    return {
        "number": row.number,
        "change": row.change.number,
        "repository": row.environment.repository.name,
        "environment": row.environment.name,
        "kind": row.kind,
        "state": row.status,
        "commit": row.commit,
        "waits": row.waits,
        "attempts": row.attempts,
        "problem": row.problem or None,
        "requested_by": row.requested_by.username,
        "last_event": row.last_event,
        "queued_at": time(row.queued_at),
        "latest_at": time(row.latest_at),
        "start_at": time(row.start_at),
        "started_at": time(row.started_at),
        "ended_at": time(row.ended_at),
    }


def event_json(row: DeploymentEvent) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "kind": row.kind,
        "at": time(row.at),
        "attempt": row.attempt,
        "step": row.step or None,
        "first_line": row.first_line or None,
        "text": row.text,
        "data": row.data,
    }


ENVIRONMENT_COLUMNS = (
    "repository__name", "name", "position", "protected", "after", "live_commit", "live_since",
    "live_deployment__number", "live_deployment__change__number",
)  # fmt: skip
"""What :func:`environment_json` tells: of thousands of rows nothing else is read."""


def environment_json(row: Environment) -> dict[str, Any]:
    live = row.live_deployment
    return {
        "repository": row.repository.name,
        "name": row.name,
        "position": row.position,
        "protected": row.protected,
        "after": row.after,
        "live_commit": row.live_commit or None,
        "live_since": time(row.live_since),
        "live_change": live.change.number if live else None,
        "live_deployment": live.number if live else None,
    }


def audit_json(row: AuditEntry) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "at": time(row.at),
        "action": row.action,
        "actor": row.actor,
        "target": row.target,
        "repository": row.repository or None,
        "change": row.change_number,
        "environment": row.environment or None,
        "deployment": row.deployment_number,
        "summary": row.summary,
        "data": row.data,
        "prev_hash": row.prev_hash,
        "hash": row.hash,
    }


def chain_json(found: Checked) -> dict[str, Any]:
    return {
        "ok": found.ok,
        "entries": found.entries,
        "first_bad": found.first_bad,
        "problem": found.problem or None,
        "head_seq": found.seq,
        "head_hash": found.hash,
        "published": found.published,
    }


def checkpoint_json(found: PublishedLog) -> dict[str, Any]:
    row = found.row
    return {
        "size": row.size,
        "root_hash": row.root or None,
        "commit": row.commit or None,
        "note": found.note or None,
        "verifier": found.verifier,
        "published_at": row.published_at,
        "copied": found.copied,
        "problem": found.held or row.failure or None,
    }
