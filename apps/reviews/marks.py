"""What one person has viewed of a change. Personal: only ever asked for the person who looks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from apps.accounts.models import User
from apps.changes.models import ChangeRequest, Revision
from apps.diffs.files import FileChange
from apps.reviews.content import digest_of, files_of, key_of
from apps.reviews.models import SeenMark


@dataclass(frozen=True, slots=True)
class Marks:
    """Ids of files: ``viewed`` with exactly this content, ``changed`` since they were viewed; of ``total`` files.

    ``files`` are all ids of the change where a page shows others too.
    """

    viewed: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()
    total: int = 0
    files: frozenset[str] | None = None

    @property
    def words(self) -> str:
        """``8/12 viewed, 2 changed``."""
        changed = f", {len(self.changed)} changed" if self.changed else ""
        return f"{len(self.viewed)}/{self.total} viewed{changed}"

    def states(self) -> dict[str, str]:
        """File id → ``viewed`` or ``changed``; files without a mark are left out."""
        return dict.fromkeys(self.changed, "changed") | dict.fromkeys(self.viewed, "viewed")

    def state(self, file_id: str) -> str:
        """``viewed``, ``changed`` or nothing."""
        return "viewed" if file_id in self.viewed else "changed" if file_id in self.changed else ""


def marks_of(user: User, change: ChangeRequest, files: Iterable[FileChange]) -> Marks:
    """The marks of ``user`` on ``files``; one query, and only marked files are digested."""
    listed = tuple(files)
    digests: dict[str, set[str]] = {}
    for file_id, digest in SeenMark.objects.filter(user=user, change=change).values_list("file", "digest"):
        digests.setdefault(file_id, set()).add(digest)
    marked = [file for file in listed if file.id in digests] if digests else []
    viewed = frozenset(file.id for file in marked if digest_of(file) in digests[file.id])
    return Marks(viewed, frozenset(file.id for file in marked) - viewed, len(listed))


def revision_marks(user: User, change: ChangeRequest, revision: Revision) -> Marks:
    """The marks on the files of the whole change at ``revision``."""
    files = files_of(change, revision)
    return replace(marks_of(user, change, files), files=frozenset(file.id for file in files))


def keys_of(files: Iterable[FileChange], marks: Marks) -> tuple[str, ...]:
    """The keys of the parts that are viewed (see :class:`~apps.policies.evaluation.Part`)."""
    return tuple(key_of(file) for file in files if file.id in marks.viewed) if marks.viewed else ()
