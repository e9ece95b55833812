"""The history of a branch or of one path in it, fifty commits a page.

A page is pinned to the commit at which the reading began (``at``): whoever pages through it never meets a commit twice
because somebody pushed. Its rows are written here, because fifty template rows would cost more than Git.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Q
from django.utils.safestring import SafeString, mark_safe

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.core.errors import InvalidInput, NotVisible
from apps.diffs.characters import escape, escape_attribute
from apps.presentation.diff_pages import listing
from apps.presentation.diff_sides import Sides
from apps.presentation.moments import in_words
from apps.presentation.recent import Recent
from apps.repositories import queries
from apps.repositories.models import Repository
from apps.vcs import history
from apps.vcs.history import Commit
from apps.vcs.objects import OID, has_commit
from apps.vcs.paths import display, is_safe
from apps.vcs.trees import diff_trees

PER_PAGE = 50
MOST_SKIPPED = 1_000_000
_CHANGE = re.compile(r"CHG-(\d{1,9})", re.IGNORECASE)
_READ: Recent[tuple[Commit, ...]] = Recent(128)


@dataclass(frozen=True, slots=True)
class Place:
    """A commit of a repository by the name that the address gave it; ``path`` may be empty (everything)."""

    repository: Repository
    ref: str
    oid: str
    path: str

    def address(self, page: str, **more: str | int) -> str:
        """The address of ``history`` or ``blame`` here; bytes of odd paths survive it."""
        return address(self.repository, page, ref=self.ref, path=self.path, **more)

    @property
    def whole(self) -> str:
        """The history of everything, from the same commit."""
        return address(self.repository, "history", ref=self.ref)


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """``first`` is the number of the first commit shown (from 1); ``before`` is the earlier name of a renamed file."""

    place: Place
    rows: SafeString
    first: int
    last: int
    older: str
    newer: str
    before: str
    before_address: str
    blame: str


def address(repository: Repository, page: str, **query: str | int) -> str:
    """``/repositories/NAME/PAGE/?…`` with the parts that are not empty."""
    kept = {name: value for name, value in query.items() if value != ""}
    return f"/repositories/{repository.name}/{page}/?{urlencode(kept, errors='surrogateescape')}"


def file_address(sides: Sides, file_id: str, page: str) -> str:
    """The ``history`` or ``blame`` of one file of a difference, at the newer side; of a deleted file at the older one."""
    file, revision = listing(sides).find(file_id), sides.revision
    older = sides.since.head_oid if sides.since else revision.target_oid
    ref = older if file.status == "D" else revision.head_oid
    return address(revision.change.repository, page, ref=ref, path=file.path)


def place_of(user: User, name: str, *, ref: str, path: str) -> Place:
    """Where an address points; ``ref`` is a branch (default: the main one) or a full commit id.

    :class:`NotVisible` for a repository that ``user`` may not see, or a branch or commit that is not there.
    """
    repository = queries.find(user, name)
    path = path.strip("/")
    if path and not is_safe(path):
        raise InvalidInput("bad_path", "This is not the path of a file in a repository.", field="path")
    ref = display(ref) or repository.default_branch
    oid = queries.tip(repository, ref)
    if not oid and OID.fullmatch(ref) and has_commit(repository.mirror_path, ref):
        oid = ref
    if not oid:
        raise NotVisible("unknown_branch", f"{repository.name} has no branch or commit {ref[:80]}.", ref=ref[:80])
    return Place(repository, ref, oid, path)


def history_page(place: Place, *, at: str, start: int) -> HistoryPage:
    """One page from the commit ``at`` (default: the tip), after ``start`` commits."""
    git_dir = place.repository.mirror_path
    pinned = at if OID.fullmatch(at) and has_commit(git_dir, at) else place.oid
    start = min(start, MOST_SKIPPED)
    key = f"{git_dir.name}:{pinned}:{start}:{place.path}"
    found = _READ.get_or(
        key, lambda: tuple(history.log(git_dir, pinned, path=place.path or None, limit=PER_PAGE + 1, skip=start))
    )
    shown = found[:PER_PAGE]
    more = len(found) > PER_PAGE
    before = _earlier_name(place, shown) if shown and not more else ""
    return HistoryPage(
        place=place,
        rows=_rows(place, shown),
        first=start + 1,
        last=start + len(shown),
        older=place.address("history", at=pinned, start=start + PER_PAGE) if more else "",
        newer=place.address("history", at=pinned, start=max(start - PER_PAGE, 0)) if start else "",
        before=before,
        before_address=address(place.repository, "history", ref=shown[-1].parents[0], path=before) if before else "",
        blame=place.address("blame") if place.path else "",
    )


def _earlier_name(place: Place, shown: tuple[Commit, ...]) -> str:
    """What the file was called before the oldest commit of its history, if that renamed it."""
    oldest = shown[-1]
    if not place.path or len(oldest.parents) != 1:
        return ""
    changes = diff_trees(place.repository.mirror_path, oldest.parents[0], oldest.oid)
    return next((one.old_path for one in changes if one.status == "R" and one.new_path == place.path), "")


def _linked(place: Place, shown: tuple[Commit, ...]) -> dict[str, list[int]]:
    """Numbers of changes by commit: those that the portal merged there, and those that a trailer names; one query."""
    named = {
        commit.oid: [
            int(found[1]) for value in commit.trailer_values("Change-Request") if (found := _CHANGE.search(value))
        ]
        for commit in shown
    }
    numbers = {number for some in named.values() for number in some}
    rows = ChangeRequest.objects.filter(repository=place.repository).filter(
        Q(number__in=numbers) | Q(merge_commit__in=list(named))
    )
    known = dict(rows.values_list("number", "merge_commit"))
    return {
        oid: sorted({*(n for n in some if n in known), *(n for n, merged in known.items() if merged == oid)})
        for oid, some in named.items()
    }


def _rows(place: Place, shown: tuple[Commit, ...]) -> SafeString:
    linked = _linked(place, shown) if shown else {}
    return mark_safe("".join(_row(place, commit, linked[commit.oid]) for commit in shown))  # noqa: S308  # all escaped


def _row(place: Place, commit: Commit, changes: list[int]) -> str:
    here = escape_attribute(address(place.repository, "history", ref=commit.oid, path=place.path))
    links = "".join(f' <a href="/changes/{number}/">CHG-{number}</a>' for number in changes)
    merge = ' <span class="st st--neu">merge</span>' if commit.is_merge else ""
    blame = ""
    if place.path:
        target = escape_attribute(address(place.repository, "blame", ref=commit.oid, path=place.path))
        blame = f' <a class="small" href="{target}">Blame<span class="sr"> at {commit.oid[:10]}</span></a>'
    return (
        f'<li class="commit"><span class="commit-subject"><bdi>{escape(commit.subject) or "(no subject)"}</bdi>{merge}{links}</span>'
        f'<span class="muted small"><bdi title="{escape_attribute(commit.author.email)}">{escape(commit.author.name)}</bdi>, '
        f"{moment(commit)}</span>"
        f'<span class="commit-links"><a class="mono" href="{here}">{commit.oid[:10]}</a>{blame}</span></li>\n'
    )


def moment(commit: Commit) -> str:
    """The author's time in the reader's zone; the committer's beside it where another person committed."""
    text = _time(commit.author)
    if commit.committer.name == commit.author.name:
        return text
    return f"{text}; committed by <bdi>{escape(commit.committer.name)}</bdi>, {_time(commit.committer)}"


def _time(who: history.Signature) -> str:
    return f'<time datetime="{who.at.isoformat(timespec="seconds")}">{in_words(who.at)}</time>'
