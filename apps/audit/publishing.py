"""From rows to the published log: tiles, a signed checkpoint, a commit, the ref by compare-and-swap, the copy elsewhere.

Everything is a function of the rows and the key, with the time of the last entry as the commit's: who crashes and begins again makes
the same commit. Of two publishers one moves the ref, and the other reads anew (RELIABILITY §3.6, K15 to K17).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import QuerySet

from apps.audit.canonical import canonical_json
from apps.audit.checkpoints import Checkpoint
from apps.audit.models import AuditEntry, AuditHead, Publication
from apps.audit.published import CHECKPOINT, KEY, REF, Held, Published, behind, entries_after, git_dir, read, signer
from apps.audit.tlog import Tree, leaf_hash, unfinished_tiles
from apps.core.clock import now
from apps.core.errors import Conflict, PortalError, Unavailable
from apps.core.failpoints import failpoint
from apps.vcs import installation, remotes
from apps.vcs.drafting import add_loose_commit, create_bare
from apps.vcs.history import Signature, is_known_ancestor
from apps.vcs.refs import move
from apps.vcs.stale_locks import remove_stale_locks

logger = logging.getLogger(__name__)

MOST = 4_096
"""Entries of one commit; a multiple of a tile, so that what is behind is caught up in whole tiles."""
RETRY = timedelta(seconds=30)
ROUNDS = 32
"""Commits of one turn, after which the copy elsewhere is brought up whatever is still being written."""


def publish() -> None:
    """Bring the published log, and its copy elsewhere, to where the rows are; nothing while another publisher is at it.

    Two logs that are not one are held (``AuditHead.held``) until a later look finds them to be one again.
    """
    Publication.objects.get_or_create(pk=Publication.ONLY)
    fence = Publication.objects.claim(Publication.ONLY, seconds=settings.PORTAL_LEASE_SECONDS)
    if fence is None:
        return
    row = Publication.objects.filter(pk=Publication.ONLY, fence=fence)
    try:
        if settings.PORTAL_AUDIT_REMOTE:
            # One that does not answer keeps one publisher busy, and not one more with each lease that ends.
            row.update(retry_at=now() + 2 * timedelta(seconds=installation.limits().push_seconds))
        _publish(row)
        _hold("")
        row.update(failure="", retry_at=None)
    except Held as problem:
        _hold(problem.message)
        row.update(failure=problem.message[:500], retry_at=now() + RETRY)
    except PortalError as problem:
        logger.warning("audit_not_published", extra={"code": problem.code})
        row.update(failure=problem.message[:500], retry_at=now() + RETRY)
    finally:
        Publication.objects.release(Publication.ONLY, fence=fence)


def _publish(row: QuerySet[Publication]) -> None:
    found = None
    remove_stale_locks(git_dir())
    for _ in range(ROUNDS):
        found = advance()
        if found is None:
            return
        row.update(size=found.size, root=found.checkpoint.root.hex(), commit=found.commit, published_at=now())
        if not AuditHead.objects.filter(pk=AuditHead.ONLY, seq__gt=found.size).exists():
            break
    failpoint("K16P")
    row.update(pushed=_copied(found) if found else "")


def advance() -> Published | None:
    """Publish what the rows have and the published log has not, at most :data:`MOST` entries; what stands then.

    ``None``: another publisher was faster, or there is nothing yet. :class:`Held` when the two logs are not one.
    """
    found = read()
    head = AuditHead.objects.filter(pk=AuditHead.ONLY).first() or AuditHead()
    if found is None:
        _open()
        found = read()
    if found is not None:
        require_same_log(found, head.seq)
    size = found.size if found else 0
    if size == head.seq:
        return found
    tree = _grown(found.tree if found else Tree(), min(head.seq, (size // MOST + 1) * MOST))
    name = found.checkpoint.origin if found else origin()
    outgrown = [path for _, path in unfinished_tiles(size)]
    return _commit(tree, name, parent=found.commit if found else "", outgrown=outgrown)


def origin() -> str:
    """The name of a log that is begun now: the portal's address without its scheme."""
    address = urlsplit(settings.PORTAL_URL)
    return f"{address.netloc}{address.path.rstrip('/')}/audit"


def require_same_log(found: Published, seq: int) -> None:
    """:class:`Held` unless the rows up to ``seq`` go on where the published log ends.

    An entry's hash covers all entries before it, so one comparison speaks for all of them.
    """
    if seq < found.size:
        raise behind(seq, found.size)
    last = AuditEntry.objects.filter(seq=found.size).values_list("hash", flat=True).first()
    if last != leaf_hash(next(entries_after(found, found.size - 1), b"")).hex():
        raise Held(
            "audit_log_forked",
            f"Entry {found.size} of the audit log is not the one that was published: the log was rewritten, or an older database "
            "was restored and used. Compare them with `manage.py verify_audit_log`; `manage.py recover_audit_log --begin-anew` begins a new log.",
        )


def begin_anew(commit: str, seq: int) -> Published | None:
    """A new log of what the rows have up to ``seq``, in the place of the one at ``commit``, of whose files nothing stays."""
    return _commit(_grown(Tree(), min(seq, MOST)), f"{origin()}/{seq}", parent=commit, anew=True)


def _open() -> None:
    """The repository, with what the copy elsewhere has: who lost the data directory does not begin a second log."""
    with suppress(OSError):  # another publisher makes it at this moment; if not, the next line finds nothing
        create_bare(git_dir())
    remote = _remote()
    if remote is not None and remotes.remote_tip(remote, REF, limits=installation.limits()):
        _follow(remote)


def _grown(tree: Tree, end: int) -> Tree:
    """``tree`` with the entries up to ``end``; :class:`Held` at one that is not what was written."""
    for entry in AuditEntry.objects.filter(seq__gt=tree.size, seq__lte=end).order_by("seq"):
        if entry.seq != tree.size + 1 or tree.append(canonical_json(entry.document())).hex() != entry.hash:
            raise Held(
                "audit_log_altered",
                f"Entry {tree.size} of the audit log is missing or was altered, so it is not published. "
                "`manage.py verify_audit_log` says more; keep a copy of the database and restore it.",
            )
    return tree


def _commit(
    tree: Tree, name: str, *, parent: str, outgrown: Iterable[str] = (), anew: bool = False
) -> Published | None:
    """``tree`` in a commit behind ``parent``, to which the ref now leads; ``None`` when it leads to another one."""
    last = AuditEntry.objects.get(seq=tree.size)
    checkpoint = Checkpoint(name, tree.size, tree.root())
    files: dict[str, bytes | None] = dict.fromkeys(outgrown)
    files |= tree.files()
    files |= {CHECKPOINT: signer().sign(checkpoint).encode(), KEY: f"{signer().verifier}\n".encode()}
    message = f"{tree.size} {checkpoint.root.hex()}\n"
    author = Signature("GitOps Portal", "audit@localhost", last.at)
    failpoint("K15")
    commit = add_loose_commit(git_dir(), parent=parent, files=files, message=message, author=author, anew=anew)
    failpoint("K16")
    if not move(git_dir(), REF, new=commit, old=parent):
        return None
    remotes.pack_if_scattered(git_dir())
    return Published(commit, checkpoint, tree)


def _hold(why: str) -> None:
    if AuditHead.objects.filter(pk=AuditHead.ONLY).exclude(held=why[:500]).update(held=why[:500]):
        logger.log(logging.ERROR if why else logging.WARNING, "audit_log_held", extra={"why": why or "no longer"})


def _remote() -> remotes.Source | None:
    url, user = settings.PORTAL_AUDIT_REMOTE, settings.PORTAL_AUDIT_REMOTE_USER
    return installation.source(url, username=user, secret=settings.PORTAL_AUDIT_REMOTE_TOKEN) if url else None


def _copied(found: Published) -> str:
    """The commit that the repository elsewhere has of ours; it only goes forward. If it is ahead, ours follows, to be judged next time."""
    remote = _remote()
    if remote is None:
        return ""
    there = remotes.remote_tip(remote, REF, limits=installation.limits())
    if there == found.commit:
        return there
    if there is not None and not is_known_ancestor(git_dir(), there, found.commit):
        _follow(remote)
        return ""
    outcome = remotes.push_with_lease(
        remote, git_dir(), ref=REF, new=found.commit, old=there, limits=installation.limits()
    )
    if not outcome.is_accepted:
        raise Unavailable("audit_copy_refused", f"The copy of the audit log was not taken: {outcome.message}")
    return found.commit


def _follow(remote: remotes.Source) -> None:
    try:
        remotes.follow(remote, git_dir(), REF, limits=installation.limits())
    except Conflict as problem:
        if problem.code != "ref_diverged":
            raise
        raise Held(
            "audit_log_elsewhere",
            "PORTAL_AUDIT_REMOTE holds another audit log than this portal publishes: two portals write to it, or one "
            "of them was restored. Stop the other one, or name a repository of its own for this portal.",
        ) from problem
