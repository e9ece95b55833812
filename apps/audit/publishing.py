"""From rows to the published log: tiles, a signed checkpoint, a commit, the ref by compare-and-swap, the copy elsewhere.

Everything is a function of the rows and the key, with the time of the last entry as the commit's: who crashes and begins again makes
the same commit. Of two publishers one moves the ref, and the other reads anew (RELIABILITY §3.6, K15 to K17).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Q, QuerySet

from apps.audit.canonical import ZERO_HASH, canonical_json
from apps.audit.checkpoints import Checkpoint
from apps.audit.models import AuditEntry, AuditHead, Publication
from apps.audit.published import (
    CHECKPOINT,
    KEY,
    REF,
    Held,
    Published,
    behind,
    entries_after,
    git_dir,
    newest,
    read,
    read_at,
    signer,
)
from apps.audit.tlog import Tree, leaf_hash, unfinished_tiles
from apps.core.clock import now
from apps.core.errors import PortalError, Unavailable
from apps.core.failpoints import failpoint
from apps.vcs import installation, remotes
from apps.vcs.drafting import add_loose_commit, create_bare
from apps.vcs.errors import GitFailed
from apps.vcs.history import Signature, is_known_ancestor
from apps.vcs.objects import object_type
from apps.vcs.refs import move
from apps.vcs.stale_locks import remove_stale_locks

logger = logging.getLogger(__name__)

MOST = 4_096
"""Entries of one commit; a multiple of a tile, so that what is behind is caught up in whole tiles."""
RETRY = timedelta(seconds=30)
ROUNDS = 32
"""Commits of one turn, after which the copy elsewhere is brought up whatever is still being written."""


def publish() -> None:
    """Bring the published log, and then its copy elsewhere, to where the rows are; nothing while another publisher is at it.

    Two logs that are not one are held (``AuditHead.held``) until a later look finds them to be one again.
    """
    global _rests_until  # noqa: PLW0603  # what fails here fails here; the next process may fare better
    Publication.objects.get_or_create(pk=Publication.ONLY)
    fence = Publication.objects.claim(Publication.ONLY, seconds=settings.PORTAL_LEASE_SECONDS)
    if fence is None:
        return
    row = Publication.objects.filter(pk=Publication.ONLY, fence=fence)
    try:
        if _publish(row) and row.update(failure=""):
            _hold("")  # not by one that slept over its lease: another one may have seen worse meanwhile
        _rests_until = None
    except PortalError as problem:
        _rests_until = now() + RETRY
        row.update(failure=told(problem)[:500])
        if isinstance(problem, Held):
            _hold(problem.message)
        else:
            logger.warning("audit_not_published", extra={"code": problem.code})
    finally:
        Publication.objects.release(Publication.ONLY, fence=fence)


_rests_until: datetime | None = None


def rests() -> bool:
    """Whether this process failed to publish a moment ago."""
    return _rests_until is not None and _rests_until > now()


def _publish(row: QuerySet[Publication]) -> bool:
    """Whether all is where it belongs, the copy elsewhere as well."""
    found = None
    remove_stale_locks(git_dir())
    if not _look_elsewhere_once(row) and newest() is None:
        return False  # the log may be there and not here: another one is not begun
    for _ in range(ROUNDS):
        found = advance()
        if found is None:
            return False
        row.update(size=found.size, root=found.checkpoint.root.hex(), commit=found.commit, published_at=now())
        if not AuditHead.objects.filter(pk=AuditHead.ONLY, seq__gt=found.size).exists():
            break
    failpoint("K16P")
    pushed = _ask(row, partial(_copied, found)) if found and settings.PORTAL_AUDIT_REMOTE else ""
    return pushed is not None and row.update(pushed=pushed) == 1


def _ask(row: QuerySet[Publication], question: Callable[[], str]) -> str | None:
    """What the copy elsewhere answers; ``None`` if it does not, or did not a moment ago: the log here goes on without it.

    While one publisher asks no second one does, however long that takes.
    """
    due = row.filter(Q(retry_at__isnull=True) | Q(retry_at__lte=now()))
    if not due.update(retry_at=now() + 2 * timedelta(seconds=installation.limits().push_seconds)):
        return None
    try:
        answer = question()
    except Held:
        row.update(retry_at=now() + RETRY)
        raise
    except PortalError as problem:
        logger.warning("audit_not_copied", extra={"code": problem.code})
        row.update(retry_at=now() + RETRY, failure=told(problem)[:500])
        return None
    row.update(retry_at=None)
    return answer


def told(problem: PortalError) -> str:
    """What went wrong, in words about this log."""
    if not isinstance(problem, GitFailed) or problem.code != "git_failed":
        return problem.message
    command = problem.details.get("command")
    return f"Git ('{command}') failed in audit.git. Is there room on the disk, and may the portal write there? It is tried again."


def advance() -> Published | None:
    """Publish what the rows have and the published log has not, at most :data:`MOST` entries; what stands then.

    ``None``: another publisher was faster, or there is nothing yet. :class:`Held` when the two logs are not one.
    """
    if newest() is None:
        open_log()
    found = read()
    head = AuditHead.objects.filter(pk=AuditHead.ONLY).first() or AuditHead()
    if found is not None:
        require_same_log(found, head.seq)
    size = found.size if found else 0
    if size == head.seq:
        return found
    parent = found.commit if found else ""
    tree = found.tree if found else Tree()
    made = _next(tree, head.seq, found.checkpoint.origin if found else origin(), parent=parent)
    return made if _move(made.commit, parent) else None


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
    if last != _leaf(found, found.size):
        raise Held(
            "audit_log_forked",
            f"Entry {found.size} of the audit log is not the one that was published: the log was rewritten, or an older database "
            "was restored and used. Compare them with `manage.py verify_audit_log`; `manage.py recover_audit_log --begin-anew` begins a new log.",
        )


def _leaf(found: Published, seq: int) -> str:
    return leaf_hash(next(entries_after(found, seq - 1), b"")).hex()


def begin_anew(seq: int, *, old: str, parent: str) -> bool:
    """A new log of what the rows have up to ``seq``, behind ``parent``, of whose files nothing stays.

    It is named after the last commit of the ``old`` one: a number could come again. However many commits it takes, the ref moves
    once: with the entry ``seq``, which says why.
    """
    name, tree, tip = f"{origin()}/{old[:12]}", Tree(), parent
    while tree.size < seq:
        made = _next(tree, seq, name, parent=tip, anew=tree.size == 0)
        tree, tip = Tree.read(made.size, made.tree.files().__getitem__), made.commit
    return _move(tip, parent)


def open_log(*, judged: bool = True) -> None:
    """The repository, with what the copy elsewhere has: who lost the data directory does not begin a second log."""
    if not (git_dir() / "objects").is_dir():
        with suppress(OSError):  # another publisher makes it at this moment; if not, the next line finds nothing
            create_bare(git_dir())
    bring_copy(judged=judged)


_has_looked = False


def _look_elsewhere_once(row: QuerySet[Publication]) -> bool:
    """Before this process publishes anything: is the copy ahead, because a data directory was restored together with its database?

    False where that cannot be told.
    """
    global _has_looked  # noqa: PLW0603  # one look a process, as in ``published``
    if not settings.PORTAL_AUDIT_REMOTE or _has_looked:
        return True
    _has_looked = _ask(row, _looked) is not None
    return _has_looked


def _looked() -> str:
    open_log()
    return newest() or ""


def _next(tree: Tree, end: int, name: str, *, parent: str, anew: bool = False) -> Published:
    """``tree`` with its next entries, at most up to ``end``, in a commit behind ``parent`` to which no ref leads yet."""
    outgrown = [path for _, path in unfinished_tiles(tree.size)]
    tree = _grown(tree, min(end, (tree.size // MOST + 1) * MOST))
    last = AuditEntry.objects.get(seq=tree.size)
    checkpoint = Checkpoint(name, tree.size, tree.root())
    files: dict[str, bytes | None] = dict.fromkeys(outgrown)
    files |= tree.files()
    files |= {CHECKPOINT: signer().sign(checkpoint).encode(), KEY: f"{signer().verifier}\n".encode()}
    message = f"{tree.size} {checkpoint.root.hex()}\n"
    author = Signature("GitOps Portal", "audit@localhost", last.at)
    failpoint("K15")
    commit = add_loose_commit(git_dir(), parent=parent, files=files, message=message, author=author, anew=anew)
    return Published(commit, checkpoint, tree)


def _grown(tree: Tree, end: int) -> Tree:
    """``tree`` with the entries up to ``end``; :class:`Held` at one that is not what was written."""
    last = AuditEntry.objects.filter(seq=tree.size).values_list("hash", flat=True).first() or ZERO_HASH
    for entry in AuditEntry.objects.filter(seq__gt=tree.size, seq__lte=end).order_by("seq"):
        if entry.seq != tree.size + 1 or entry.prev_hash != last:
            break
        if tree.append(canonical_json(entry.document())).hex() != entry.hash:
            raise _altered(tree.size)
        last = entry.hash
    if tree.size < end:
        raise _altered(tree.size + 1)
    return tree


def _altered(seq: int) -> Held:
    return Held(
        "audit_log_altered",
        f"Entry {seq} of the audit log is missing or was altered, so it is not published. "
        "`manage.py verify_audit_log` says more; keep a copy of the database and restore it.",
    )


def _move(commit: str, parent: str) -> bool:
    """The ref from ``parent`` to ``commit``; false when it leads to another one."""
    failpoint("K16")
    if not move(git_dir(), REF, new=commit, old=parent):
        return False
    remotes.pack_if_scattered(git_dir())
    return True


def _hold(why: str) -> None:
    if AuditHead.objects.filter(pk=AuditHead.ONLY).exclude(held=why[:500]).update(held=why[:500]):
        logger.log(logging.ERROR if why else logging.WARNING, "audit_log_held", extra={"why": why or "no longer"})


def _remote() -> remotes.Source | None:
    url, user = settings.PORTAL_AUDIT_REMOTE, settings.PORTAL_AUDIT_REMOTE_USER
    return installation.source(url, username=user, secret=settings.PORTAL_AUDIT_REMOTE_TOKEN) if url else None


def _copied(found: Published) -> str:
    """The commit that the repository elsewhere has of ours; it only goes forward. If it is ahead, ours is to be judged next time."""
    remote = _remote()
    if remote is None:
        return ""
    there = bring_copy()
    if there == found.commit:
        return there
    if newest() != found.commit:
        return ""
    if there is not None:
        _require_continued(there, found)
    outcome = remotes.push_with_lease(
        remote, git_dir(), ref=REF, new=found.commit, old=there, limits=installation.limits()
    )
    if not outcome.is_accepted:
        raise Unavailable("audit_copy_refused", f"The copy of the audit log was not taken: {outcome.message}")
    return found.commit


def _require_continued(there: str, found: Published) -> None:
    """:class:`Held` unless ours goes on where the copy ends: who has the key can sign other entries behind it, and that is forward as well."""
    try:
        copy = read_at(there)
    except Held:
        return  # a log of another key, which an operator has ended
    if copy.checkpoint.origin == found.checkpoint.origin and _leaf(copy, copy.size) != _leaf(found, copy.size):
        raise Held(
            "audit_log_forked",
            f"Entry {copy.size} of the published audit log is not the one that PORTAL_AUDIT_REMOTE has: both the database and audit.git "
            "were rewritten. Compare them with the copy, and find out who had the key.",
        )


def bring_copy(*, judged: bool = True) -> str | None:
    """The commit that the copy elsewhere has, if there is one. Where it is ahead of ours, ours is now there too.

    :class:`Held` when it is another log, and then ours stays where it is. ``judged``: one that our key did not sign is another.
    """
    remote = _remote()
    there = remotes.remote_tip(remote, REF, limits=installation.limits()) if remote else None
    here = newest() or ""
    if remote is None or there is None or there == here or is_known_ancestor(git_dir(), there, here):
        return there
    remotes.bring(remote, git_dir(), REF, limits=installation.limits())
    kind = object_type(git_dir(), there)
    if kind is None:
        raise Unavailable("audit_copy_moved", "The copy of the audit log moved while it was looked at.")
    if kind != "commit" or (here and not is_known_ancestor(git_dir(), here, there)):
        raise _another()
    if judged:
        try:
            read_at(there)
        except Held as problem:
            raise _another() from problem
    move(git_dir(), REF, new=there, old=here)
    return there


def _another() -> Held:
    return Held(
        "audit_log_elsewhere",
        "PORTAL_AUDIT_REMOTE holds another audit log than this portal publishes: another portal or key writes to it, or one of them was "
        "restored. Stop the other one and put the ref there back, or name a repository of its own for this portal.",
    )
