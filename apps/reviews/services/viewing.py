"""Marking files as viewed: a personal note that is bound to the content, and part of what an approval attests."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from apps.accounts.models import User
from apps.audit import services as audit
from apps.audit.actors import Actor
from apps.changes import queries as changes
from apps.changes.models import ChangeRequest, Revision
from apps.core.clock import now
from apps.core.errors import InvalidInput, NotVisible
from apps.diffs.files import FileChange
from apps.reviews import access
from apps.reviews.content import digest_of, files_of
from apps.reviews.marks import Marks, marks_of
from apps.reviews.models import SeenMark
from apps.reviews.resources import PREFIX, resource_keys, seen_resources

MAX_FILES = 10_000
NAMED = 50


@transaction.atomic
def mark_viewed(
    actor: User, *, change: ChangeRequest, revision: int, files: Sequence[str], viewed: bool = True
) -> Marks:
    """Mark ``files`` (ids) of revision number ``revision`` as viewed by ``actor``, or take the mark back.

    Guarantees: a mark speaks for the content of that revision only, so one of an old revision says nothing about a
    newer one whose content differs; repeating the call changes nothing; one audit entry for all files of a call that
    changed something. :class:`NotVisible` for a revision or file that the change does not have.
    """
    access.can_mark_viewed(actor, change).require()
    if len(files) > MAX_FILES:
        raise InvalidInput("too_many_files", f"Mark at most {MAX_FILES:,} files at once.", field="files")
    place = changes.revision(change, revision)
    listed = files_of(change, place)
    chosen = _chosen(change, place, listed, files)
    before = marks_of(actor, change, listed)
    moved = [file for file in chosen if (file.id in before.viewed) != viewed]
    if not moved:
        return before
    if viewed:
        _add(actor, change, place, moved)
    else:
        SeenMark.objects.filter(user=actor, change=change, file__in=[file.id for file in moved]).delete()
    _record(actor, change, place, moved, viewed=viewed)
    return marks_of(actor, change, listed)


@transaction.atomic
def mark_resource_seen(
    actor: User, *, change: ChangeRequest, resource: str, also: Sequence[str] = (), seen: bool = True
) -> bool:
    """Mark what happens to one rendered resource (its key) as seen by ``actor``, or take the mark back.

    Returns whether anything changed. The mark speaks for exactly this: another effect on the same resource has another
    key. ``also``: the keys of the same on other targets, where it is shown once for all of them. :class:`NotVisible` for a
    key that the present revision does not have.
    """
    access.can_mark_viewed(actor, change).require()
    keys = tuple(dict.fromkeys((resource, *also)))
    known = resource_keys(change.revision) if change.revision else frozenset()
    for unknown in (key for key in keys if key not in known):
        raise NotVisible("unknown_resource", f"{change.label} does nothing of this kind now.", resource=unknown[:64])
    marked = seen_resources(actor, change)
    moved = [key for key in keys if (key in marked) != seen]
    if not moved or change.revision is None:
        return False
    _mark_resources(actor, change, change.revision, moved, seen=seen)
    audit.record(
        Actor.of(actor),
        "resource.seen" if seen else "resource.unseen",
        repository=change.repository.name,
        target=f"{change.label} {change.revision.label}",
        summary=f"{actor.username} marked a resource of {change.label} {change.revision.label} as {'' if seen else 'not '}seen",
        data={"revision": change.revision.number, "resource": resource, **({"also": [*also]} if also else {})},
    )
    return True


def _mark_resources(actor: User, change: ChangeRequest, revision: Revision, keys: list[str], *, seen: bool) -> None:
    if not seen:
        SeenMark.objects.filter(user=actor, change=change, file__in=[f"{PREFIX}{key}" for key in keys]).delete()
        return
    number, at = revision.number, now()
    marks = [
        SeenMark(change=change, user=actor, file=f"{PREFIX}{key}", digest=key, revision_number=number, marked_at=at)
        for key in keys
    ]
    SeenMark.objects.bulk_create(marks, ignore_conflicts=True)  # two clicks at once are one mark


def _chosen(
    change: ChangeRequest, revision: Revision, listed: Sequence[FileChange], wanted: Sequence[str]
) -> list[FileChange]:
    known = {file.id: file for file in listed}
    unknown = [file_id for file_id in wanted if file_id not in known]
    if unknown:
        raise NotVisible("unknown_file", f"{change.label} {revision.label} has no such file.", file=unknown[0][:64])
    return [known[file_id] for file_id in dict.fromkeys(wanted)]


def _add(actor: User, change: ChangeRequest, revision: Revision, files: Sequence[FileChange]) -> None:
    at = now()
    rows = [
        SeenMark(
            change=change,
            user=actor,
            file=file.id,
            digest=digest_of(file),
            revision_number=revision.number,
            marked_at=at,
        )
        for file in files
    ]
    SeenMark.objects.bulk_create(rows, ignore_conflicts=True)


def _record(
    actor: User, change: ChangeRequest, revision: Revision, files: Sequence[FileChange], *, viewed: bool
) -> None:
    """Under the person and the repository, not under the change: everybody reads the history of a change."""
    what = "1 file" if len(files) == 1 else f"{len(files)} files"
    word = "as viewed" if viewed else "as not viewed"
    audit.record(
        Actor.of(actor),
        "file.viewed" if viewed else "file.unviewed",
        repository=change.repository.name,
        target=f"{change.label} {revision.label}",
        summary=f"{actor.username} marked {what} of {change.label} {revision.label} {word}",
        data={
            "revision": revision.number,
            "count": len(files),
            "files": [{"file": file.id, "digest": digest_of(file)} for file in files[:NAMED]],
        },
    )
