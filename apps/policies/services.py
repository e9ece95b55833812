"""Recording which policy stood at the tip of a target branch."""

from __future__ import annotations

from django.db import transaction

from apps.audit.actors import SYSTEM
from apps.audit.services import record
from apps.core.clock import now
from apps.policies.models import PolicyVersion
from apps.policies.reading import PolicyFiles, files_at
from apps.repositories.models import Repository


@transaction.atomic
def note_policy(repository: Repository, branch: str, commit_oid: str) -> PolicyVersion:
    """Record the policy at a new tip of ``branch``; call it whenever the tip moved.

    Idempotent. Returns the row of these files: a new one when they differ from the newest row of the
    branch, otherwise that row. A broken file is recorded too, with its problems; a change of the policy
    and a broken one are told to the audit log.
    """
    found = files_at(repository.mirror_path, commit_oid)
    rows = PolicyVersion.objects.filter(repository=repository, branch=branch)
    newest = rows.order_by("-noted_at", "-id").first()
    if newest is not None and _is_same(newest, found):
        return newest
    row, created = PolicyVersion.objects.get_or_create(
        repository=repository,
        branch=branch,
        commit_oid=commit_oid,
        defaults={
            "portal_blob": found.portal_blob,
            "owners_blob": found.owners_blob,
            "owners_path": found.owners_path,
            "rego_tree": found.rego_tree,
            "valid": found.is_valid,
            "problems": [problem.to_dict() for problem in found.problems],
            "noted_at": now(),
        },
    )
    if not created:
        row.noted_at = now()
        row.save(update_fields=["noted_at"])
    if newest is not None or not found.is_valid:
        _tell(row, found)
    return row


def _is_same(row: PolicyVersion, found: PolicyFiles) -> bool:
    known = (row.portal_blob, row.owners_blob, row.owners_path, row.rego_tree, row.valid)
    return known == (found.portal_blob, found.owners_blob, found.owners_path, found.rego_tree, found.is_valid)


def _tell(row: PolicyVersion, found: PolicyFiles) -> None:
    state = "changed" if found.is_valid else "is broken"
    record(
        SYSTEM,
        "policy.changed" if found.is_valid else "policy.broken",
        target=row.branch,
        repository=row.repository.name,
        summary=f"The policy on {row.branch} {state} with {row.commit_oid[:12]}.",
        data={
            "commit": row.commit_oid,
            "portal_blob": row.portal_blob,
            "owners_blob": row.owners_blob,
            "rego_tree": row.rego_tree,
            "problems": [str(problem) for problem in found.problems][:20],
        },
    )
