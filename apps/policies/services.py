"""Recording which policy stood at the tip of a target branch."""

from __future__ import annotations

from django.db import transaction

from apps.policies.models import PolicyVersion
from apps.policies.reading import files_at
from apps.repositories.models import Repository


@transaction.atomic
def note_policy(*, repository: Repository, branch: str, commit_oid: str) -> PolicyVersion:
    """Record the policy at a new tip of ``branch``; call it whenever the tip moved.

    Idempotent. Returns the row of these files: a new one when they differ from the newest row of the
    branch, otherwise that row. A broken file is recorded too, with its problems. The tip's move has its
    own audit entry; this row is derived from Git and can be derived again.
    """
    found = files_at(repository.mirror_path, commit_oid)
    rows = PolicyVersion.objects.filter(repository=repository, branch=branch)
    newest = rows.order_by("-id").first()
    same = newest is not None and (newest.portal_blob, newest.owners_blob, newest.owners_path, newest.valid) == (
        found.portal_blob,
        found.owners_blob,
        found.owners_path,
        found.is_valid,
    )
    if newest is not None and same:
        return newest
    row, _ = PolicyVersion.objects.get_or_create(
        repository=repository,
        branch=branch,
        commit_oid=commit_oid,
        defaults={
            "portal_blob": found.portal_blob,
            "owners_blob": found.owners_blob,
            "owners_path": found.owners_path,
            "valid": found.is_valid,
            "problems": [problem.to_dict() for problem in found.problems],
        },
    )
    return row
