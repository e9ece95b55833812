"""Claiming a merge in the target repository before it is pushed, and a run before it begins (RELIABILITY §3.5, S1).

``refs/portal/dispatched/<name>`` is created there, or it exists: of any number of portals, also of copies restored from a backup,
one holds it. A merge is named by its key, which its commit carries; a run by the public name of its key. The ref names a blob
with a number that this database drew when it first tried, so a worker that finds its own claim after a crash goes on, and a
copy that drew another one stops.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping

from django.db import transaction

from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.core.errors import Conflict, Unavailable
from apps.core.failpoints import failpoint
from apps.deployments.keys import public_name
from apps.deployments.models import MergeIntent
from apps.deployments.transitions import portal_identity
from apps.repositories.models import Repository
from apps.vcs import installation, merging, remotes

PREFIX = "refs/portal/dispatched/"
ELSEWHERE = "claimed_elsewhere"
Write = Callable[..., None]
"""Writes columns of the intent if this worker still holds it."""


class ClaimedElsewhere(Conflict):
    """Somebody else claimed this very act: there are two portals where one is meant to be, or an older database was restored."""


class ClaimRefused(Conflict):
    """The host takes no claim."""


def ref_of(intent: MergeIntent) -> str:
    """Where the claim is kept."""
    return PREFIX + intent.key


def claim(intent: MergeIntent, source: remotes.Source, write: Write) -> None:
    """Hold the claim, or know that the host takes none and that this repository goes on without.

    :class:`ClaimedElsewhere` when another one is there, :class:`Conflict` ``claim_refused`` when the host refuses it and the
    repository requires it, :class:`Unavailable` when it cannot be told. Safe to repeat.
    """
    if intent.claim or not intent.key:
        return
    if not intent.claim_nonce:
        nonce = secrets.token_hex(16)
        write(claim_nonce=nonce)  # before anybody outside sees it: after a crash we know our own again
        intent.claim_nonce = nonce
    change = intent.change
    facts = {
        "nonce": intent.claim_nonce,
        "change": change.label,
        "revision": intent.revision.number,
        "branch": intent.revision.target_branch,
        "merge": intent.merge_commit,
        "decided_at": intent.created_at.isoformat(),
    }
    try:
        found = hold(source, change.repository, ref_of(intent), facts)
    except ClaimRefused as problem:
        _go_on_without(intent, problem.message, write)
        return
    if found:
        raise ClaimedElsewhere(ELSEWHERE, _words(intent, found))
    write(claim=MergeIntent.Claim.HELD)
    intent.claim = MergeIntent.Claim.HELD


def hold(source: remotes.Source, repository: Repository, ref: str, facts: Mapping[str, str | int]) -> str:
    """Create the claim ``ref``: the object of somebody else that is there already, or nothing: it is ours.

    ``facts`` are what it says, the same bytes whenever this database asks. :class:`ClaimRefused`, :class:`Unavailable`.
    """
    text = json.dumps({"portal": public_name(portal_identity()), **facts}, indent=1, sort_keys=True)
    own = merging.write_blob(repository.mirror_path, f"{text}\n".encode())
    outcome = remotes.push_with_lease(
        source, repository.mirror_path, ref=ref, new=own, old=None, limits=installation.limits()
    )
    failpoint("K10")
    found = own if outcome.is_accepted else remotes.remote_tip(source, ref, limits=installation.limits())
    if found is None and outcome.status == "refused":
        raise ClaimRefused("claim_refused", outcome.message)
    if found is None:
        raise Unavailable("claim_unclear", "The Git host neither took the claim nor has another one.")
    return "" if found == own else found


def _words(intent: MergeIntent, found: str) -> str:
    return (
        f"Another portal, or a restored copy of this one's database, claimed this merge of {intent.change.label} already "
        f"({ref_of(intent)} is {found[:12]}). Nothing was pushed from here. An administrator finds out which of the two is "
        "the real one and stops the other (docs/deploying.md)."
    )


def _go_on_without(intent: MergeIntent, said: str, write: Write) -> None:
    """The host takes no claim: on record, and only where the repository's maintainers have said so."""
    change = intent.change
    if change.repository.claims_required:
        raise Conflict(
            "claim_refused",
            f"The Git host refused the claim {ref_of(intent)} ({said or 'no reason given'}), so nothing was pushed to "
            f"{intent.revision.target_branch}. If it takes no refs outside refs/heads, a maintainer can let merges go on "
            "without claims on the page of the repository: then only the lease of the push guards them.",
        )
    with transaction.atomic():
        write(claim=MergeIntent.Claim.REFUSED)
        audit.record(
            Actor.of(intent.requested_by),
            "merge.claim_refused",
            target=change.label,
            repository=change.repository.name,
            change=change.number,
            summary=f"The host of {change.repository.name} took no claim of {change.label}; only the push lease guards its merge",
            data={"ref": ref_of(intent), "said": said},
        )
    intent.claim = MergeIntent.Claim.REFUSED
