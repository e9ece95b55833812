"""Learning who knows which place: from the history of the default branch, and from what landed here.

In pieces, in the background, each piece in one transaction with the mark of how far it came: a crash or
a second worker repeats work and never counts anything twice.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connections, router, transaction

from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.repositories.models import Repository
from apps.reviews.expertise import BULK_PATHS, RECENT, touched, weight_of
from apps.reviews.models import Expertise, FolderHistory, HistoryReading, LearntChange, Review
from apps.vcs.authorship import authored
from apps.vcs.errors import ObjectMissing
from apps.vcs.history import is_ancestor
from apps.vcs.paths import display

PIECE = 5_000
"""Commits read at a time; they bound the memory and the transaction."""
SECONDS = 10.0
"""Wall time after which a piece ends early and the next one goes on."""
ADD = f"""
    INSERT INTO {Expertise._meta.db_table} AS known (repository_id, who, folder, source, weight, acts, files)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (repository_id, who, folder, source) DO UPDATE SET
      weight = known.weight + excluded.weight, acts = known.acts + excluded.acts, files = known.files + excluded.files
"""  # noqa: S608  # the name of a table of ours
MAX_ADDRESS = 254
Key = tuple[str, str, str]


@dataclass(slots=True)
class Sum:
    """What is added to one row of :class:`Expertise`."""

    weight: float = 0.0
    acts: int = 0
    files: int = 0


def read_history(repository: Repository) -> bool:
    """Learn the next piece of the history of the default branch; whether there is more to read.

    A tip that does not contain what was read (a force-push) makes it begin anew: sums cannot tell which
    commits they hold.
    """
    tip = repository.branch_tips.filter(name=repository.default_branch).values_list("oid", flat=True).first()
    if not tip:
        return False
    seen, _ = HistoryReading.objects.get_or_create(repository=repository)
    try:
        start = _start(repository, seen, tip)
        sums, count, ended = _read(repository, start)
    except ObjectMissing:  # the mirror was made anew, or the tip moves at this moment
        _forget(repository, seen)
        return True
    _keep(repository, seen, start, sums, count=count, ended=ended)
    return not (ended and start.reading_oid == tip)


def _start(repository: Repository, seen: HistoryReading, tip: str) -> HistoryReading:
    """Where to go on: a reading that began is ended first, so that its marks stay true."""
    reading = seen.reading_oid or tip
    rewritten = [oid for oid in {seen.read_oid, reading} if oid and not is_ancestor(repository.mirror_path, oid, tip)]
    if rewritten:
        return HistoryReading(repository=repository, reading_oid=tip)
    return HistoryReading(
        repository=repository, read_oid=seen.read_oid, reading_oid=reading, skip=seen.skip, commits=seen.commits
    )


def _read(repository: Repository, start: HistoryReading) -> tuple[dict[Key, Sum], int, bool]:
    """The sums of one piece, how many commits it has, and whether the reading is at its end with it."""
    until, latest = time.monotonic() + SECONDS, now()
    sums: dict[Key, Sum] = defaultdict(Sum)
    count = 0
    if start.read_oid == start.reading_oid:
        return sums, 0, True
    commits = authored(
        repository.mirror_path,
        start.reading_oid,
        known=start.read_oid,
        skip=start.skip,
        limit=PIECE,
        most_paths=BULK_PATHS,
    )
    for commit in commits:
        count += 1
        if commit.paths:
            weight = weight_of(commit.at, latest=latest)
            who = [f"mail:{display(address)}" for address in commit.addresses if len(display(address)) <= MAX_ADDRESS]
            _add(sums, who, map(display, commit.paths), weight, Expertise.Source.COMMITTED)
        if time.monotonic() > until:
            commits.close()  # type: ignore[attr-defined]
            return sums, count, False
    return sums, count, count < PIECE


def _add(sums: dict[Key, Sum], who: Iterable[str], paths: Iterable[str], weight: float, source: str) -> None:
    folders = touched(paths)
    for name in who:
        for folder, files in folders.items():
            found = sums[(name, folder, source)]
            found.weight += weight
            found.acts += 1
            found.files += files


@transaction.atomic
def _keep(
    repository: Repository,
    seen: HistoryReading,
    start: HistoryReading,
    sums: dict[Key, Sum],
    *,
    count: int,
    ended: bool,
) -> None:
    """Write the sums and the mark together; nothing when another worker was faster."""
    row = HistoryReading.objects.select_for_update(no_key=True).get(pk=seen.pk)
    if (row.read_oid, row.reading_oid, row.skip) != (seen.read_oid, seen.reading_oid, seen.skip):
        return
    if start.commits == 0 and row.commits:
        Expertise.objects.filter(repository=repository, source=Expertise.Source.COMMITTED).delete()
    _write(repository, sums)
    row.read_oid = start.reading_oid if ended else start.read_oid
    row.reading_oid = "" if ended else start.reading_oid
    row.skip = 0 if ended else start.skip + count
    row.commits = start.commits + count
    row.read_at = now()
    row.save()


@transaction.atomic
def _forget(repository: Repository, seen: HistoryReading) -> None:
    row = HistoryReading.objects.select_for_update(no_key=True).get(pk=seen.pk)
    Expertise.objects.filter(repository=repository, source=Expertise.Source.COMMITTED).delete()
    row.read_oid, row.reading_oid, row.skip, row.commits, row.read_at = "", "", 0, 0, now()
    row.save()


def _write(repository: Repository, sums: dict[Key, Sum]) -> None:
    """Add the sums to the rows that are there; the caller holds the lock under which they are added.

    The database adds: reading each row to write it back costs three times as much, and ``bulk_create`` can only
    replace. The statement is the same for SQLite and PostgreSQL.
    """
    rows = [
        (repository.pk, who, folder, source, found.weight, found.acts, found.files)
        for (who, folder, source), found in sorted(sums.items(), key=lambda pair: pair[0])
    ]
    with connections[router.db_for_write(Expertise)].cursor() as cursor:
        cursor.executemany(ADD, rows)


@transaction.atomic
def learn_landed(change: ChangeRequest) -> None:
    """Count a change that landed for those who contributed to it and those who reviewed it. Once."""
    # The lock of the repository's mark serialises all additions to its sums.
    HistoryReading.objects.get_or_create(repository=change.repository)
    HistoryReading.objects.select_for_update(no_key=True).get(repository=change.repository)
    _, is_new = LearntChange.objects.get_or_create(change=change, defaults={"learnt_at": now()})
    paths = change.revision.paths if change.revision else []
    if not is_new or not paths or len(paths) > BULK_PATHS:
        return
    contributors = set(change.contributions.exclude(user=None).values_list("user", flat=True))
    reviewers = set(Review.objects.filter(change=change).values_list("reviewer", flat=True)) - contributors
    weight = weight_of(change.merged_at or now(), latest=now())
    sums: dict[Key, Sum] = defaultdict(Sum)
    _add(sums, [f"user:{pk}" for pk in contributors], paths, weight, Expertise.Source.LANDED)
    _add(sums, [f"user:{pk}" for pk in reviewers], paths, weight, Expertise.Source.REVIEWED)
    _write(change.repository, sums)
    _remember(change, paths, sorted(reviewers))


def _remember(change: ChangeRequest, paths: Iterable[str], reviewers: list[int]) -> None:
    folders = list(touched(paths))
    rows = FolderHistory.objects.filter(repository=change.repository, folder__in=folders)
    known = {row.folder: row.recent for row in rows}
    FolderHistory.objects.bulk_create(
        [
            FolderHistory(
                repository=change.repository,
                folder=folder,
                recent=[*known.get(folder, []), [change.number, reviewers]][-RECENT:],
            )
            for folder in folders
        ],
        update_conflicts=True,
        unique_fields=["repository", "folder"],
        update_fields=["recent"],
    )
