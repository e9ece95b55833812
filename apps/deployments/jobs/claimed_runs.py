"""Claiming an attempt in the target repository before anything of it begins.

A restored older database does not know what ran after the backup. It computes the same key for the same attempt, whatever
numbers it hands out, and meets the claim: the run may have taken place, so it is *unknown*, and a person decides.
"""

from __future__ import annotations

from django.db import transaction

from apps.core.errors import Conflict, Unavailable
from apps.deployments.jobs.claiming import ELSEWHERE, PREFIX, ClaimedElsewhere, ClaimRefused, hold
from apps.deployments.keys import public_name
from apps.deployments.models import Attempt, Deployment
from apps.deployments.transitions import say
from apps.repositories import mirrors
from apps.vcs import installation, remotes


def ref_of(attempt: Attempt) -> str:
    """Where the claim is kept: everybody who reads the repository sees it before the run has begun, so it does not tell the key."""
    return PREFIX + public_name(attempt.key)


def _claimed_before(source: remotes.Source, attempt: Attempt) -> str:
    """The claim of this very attempt under the name that claims had before they were named by digests: the key. Read only.

    An older database knows nothing of runs that were claimed so after it was backed up. The host lists its refs, and Git picks
    this one out here: the key does not go there.
    """
    return remotes.remote_tip(source, PREFIX + attempt.key, limits=installation.limits()) or ""


def claim_run(deployment: Deployment, attempt: Attempt, fence: int) -> None:
    """Hold the claim of ``attempt``, or go on without where the repository may; safe to repeat.

    :class:`ClaimedElsewhere`, :class:`Conflict` ``claim_refused``, and :class:`Unavailable` when it cannot be told.
    """
    repository = deployment.environment.repository
    ref = ref_of(attempt)
    facts = {
        "nonce": attempt.claim_nonce,
        "deployment": attempt.label,
        "change": deployment.change.label,
        "environment": deployment.environment.name,
        "commit": deployment.commit,
        "began_at": attempt.started_at.isoformat(),
    }
    try:
        source = mirrors.source_of(repository)
        # Also a quick question to a host that may be silent: a push would wait for minutes.
        older = _claimed_before(source, attempt)
        found = older or hold(source, repository, ref, facts)
    except (ClaimRefused, Unavailable) as problem:
        if not repository.claims_required:
            with transaction.atomic():
                text = f"It runs without a claim in {repository.name}. {problem.message}"
                say(deployment, text, attempt=attempt.number, fence=fence)
            return
        if isinstance(problem, Unavailable):
            raise
        raise Conflict(
            problem.code,
            f"The Git host refused the claim {ref} ({problem.message or 'no reason given'}), so nothing was "
            "started. A maintainer can let this repository go on without claims on its page: then nothing tells a "
            "restored copy of this database what ran already.",
        ) from problem
    if found:
        place = f"its older name under {PREFIX}" if older else ref
        raise ClaimedElsewhere(
            ELSEWHERE,
            f"This run was claimed already ({place} is {found[:12]}): by another portal, or by this one before "
            "an older database was restored. It may have taken place; nothing was started now.",
        )
