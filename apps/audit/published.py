"""The published log as it stands in Git: a bare repository of its own, one ref, a commit for each checkpoint (docs/audit.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from apps.audit.checkpoints import BadNote, Checkpoint, Signer, open_note
from apps.audit.models import Publication
from apps.audit.tlog import ENTRIES, LONGEST_ENTRY, WIDTH, BadTiles, Tree, entries_in, tile_path
from apps.core.errors import PortalError
from apps.core.secrets import derived_key
from apps.vcs.errors import BlobTooLarge, GitFailed
from apps.vcs.objects import read_file
from apps.vcs.refs import resolve

REF = "refs/portal/audit"
CHECKPOINT = "checkpoint"
KEY = "keys/log"
KEY_NAME = "portal-audit"
LARGEST_FILE = WIDTH * (2 + LONGEST_ENTRY)
DAMAGED = frozenset({"object_missing", "object_damaged"})


class Held(PortalError):
    """The log in the database is not the one that was published: nothing may be added to either."""


@dataclass(frozen=True, slots=True)
class Published:
    """The newest checkpoint, whose signature and root hold, and the tree behind it. ``commit``: where it stands."""

    commit: str
    checkpoint: Checkpoint
    tree: Tree

    @property
    def size(self) -> int:
        return self.checkpoint.size


def git_dir() -> Path:
    return Path(settings.PORTAL_DATA_DIR) / "audit.git"


def signer() -> Signer:
    """The key of this log. Its name never changes, whatever the portal's address becomes."""
    return Signer(KEY_NAME, derived_key("audit-log/v1", settings.PORTAL_AUDIT_KEY))


def newest() -> str | None:
    """The commit of the newest checkpoint; ``None`` where there is none, or where the ref leads to nothing."""
    place = git_dir()
    return resolve(place, REF) if (place / "objects").is_dir() else None


def read() -> Published | None:
    """What is published; ``None`` before the first time. :class:`Held` when it is gone, or not what our key signed."""
    commit = newest()
    if commit is not None:
        return read_at(commit)
    lost = Publication.objects.exclude(commit="").first()
    if lost is not None:
        # To publish the rows anew would let pass whatever was done to them, and end what auditors hold in their hands.
        raise Held(
            "audit_publication_missing",
            f"{lost.size} entries were published, but audit.git is gone or leads to nothing. Restore it, or set PORTAL_AUDIT_REMOTE to "
            "the copy that has it, or begin a new log with `manage.py recover_audit_log --begin-anew`.",
        )
    return None


def read_at(commit: str) -> Published:
    """What is published by that commit; :class:`Held` when it is not what our key signed."""
    try:
        checkpoint = open_note(note(commit), signer().verifier)
        tree = Tree.read(checkpoint.size, lambda path: _file(commit, path))
        if tree.root() != checkpoint.root:
            raise BadTiles("The tiles do not give the root that was signed.")
    except (BadNote, BadTiles) as error:
        raise Held(
            "audit_publication_bad",
            f"The published audit log cannot be continued: {error} Restore audit.git and the key of the log "
            "(PORTAL_AUDIT_KEY or audit.key), or begin a new log with `manage.py recover_audit_log --begin-anew`.",
        ) from error
    return Published(commit, checkpoint, tree)


def note(commit: str) -> str:
    """The signed checkpoint of that commit, as it stands there; :class:`BadTiles` where it cannot be read."""
    return _file(commit, CHECKPOINT).decode(errors="replace")


def note_if_any(commit: str) -> str:
    """The same, and the empty string where it cannot be read."""
    try:
        return note(commit)
    except (BadTiles, PortalError):
        return ""


def entries_after(found: Published, seq: int) -> Iterator[bytes]:
    """The published bytes of the entries ``seq + 1``, ``seq + 2`` …; :class:`Held` when a file does not hold them."""
    for index in range(seq // WIDTH, -(-found.size // WIDTH)):
        width = min(WIDTH, found.size - index * WIDTH)
        try:
            bundle = list(entries_in(_file(found.commit, tile_path(ENTRIES, index, width))))
        except BadTiles as error:
            raise Held("audit_publication_bad", f"The published audit log cannot be read: {error}") from error
        yield from bundle[max(0, seq - index * WIDTH) :]


def _file(commit: str, path: str) -> bytes:
    try:
        content = read_file(git_dir(), commit, path, max_bytes=LARGEST_FILE)
    except BlobTooLarge as error:
        raise BadTiles(f"{path} is too large.") from error
    except GitFailed as error:
        if error.code not in DAMAGED:
            raise
        raise BadTiles(f"{path} cannot be read: objects of audit.git are missing or damaged.") from error
    if content is None:
        raise BadTiles(f"{path} is missing.")
    return content


_is_current = False


def size_to_have() -> int:
    """How many entries the database must have for this process to write its first one; 0 once it may write.

    The publisher finds an older database too, but later than the first entry that would be another than the published one. To be
    asked before the head is locked: a Git that is slow must not keep all writers of all processes waiting.
    """
    if _is_current or not settings.PORTAL_AUDIT_PUBLISH:
        return 0
    found = read()
    return found.size if found else 0


def require_current(seq: int, size: int) -> None:
    """:class:`Held` where the database ends at ``seq`` and ``size`` entries are published."""
    if size > seq:
        raise behind(seq, size)
    take_as_current()


def take_as_current() -> None:
    """What the database has is what counts from now on: it was looked at, or a new log is begun with it."""
    global _is_current  # noqa: PLW0603  # one look a process: a database is not restored under a running portal
    _is_current = True


def behind(seq: int, size: int) -> Held:
    return Held(
        "audit_log_behind",
        f"The audit log in the database ends at entry {seq}, but {size} are published: an older database was restored. "
        "An administrator has to stop the portal and run `manage.py recover_audit_log`.",
    )
