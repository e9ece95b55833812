"""What surrounds the rows of a difference page: revisions to choose, counts, the file list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from apps.changes.models import ChangeRequest, Revision
from apps.diffs import DIFF_VERSION
from apps.diffs.files import FileChange, FileFacts
from apps.diffs.fragments import Options, count_words
from apps.diffs.html import CONTEXT
from apps.diffs.tiers import SHELLS_PER_PAGE, plan
from apps.presentation.diff_pages import Listing
from apps.presentation.diff_sides import Sides
from apps.presentation.plain import visible
from apps.vcs.paths import display

LISTED = 500
"""Files named in the list of the first response; the rest arrives with the counts, or page by page."""
LISTED_COUNTED = 2_000


@dataclass(frozen=True, slots=True)
class FileLine:
    """One line of the file list; ``sign`` is the status letter, ``reason`` why the file is closed."""

    id: str
    path: str
    folder: str
    name: str
    sign: str
    word: str
    counts: str
    added: int | None
    removed: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class DiffView:
    """``alone`` is the file shown by itself. ``context``: lines around a change, where more were asked for.
    ``piece``: which part of long lines is shown.
    ``next_shells``: from which file the next page of shells starts.
    ``ignore_space``: white space is left out, ``hidden_lines`` in ``hidden_files`` are not shown, and nothing is decided
    here; ``space_url`` is the address of the other view. ``list_later``: the list is fetched again after the first
    response, with more files or with their counts.
    """

    files: tuple[FileLine, ...]
    list_html: SafeString
    total: int
    counted: bool
    list_later: bool
    added: int
    removed: int
    not_displayed: tuple[FileLine, ...]
    view: str
    query: str
    version: int
    revision: Revision
    is_current: bool
    whole: bool
    upstream: bool
    ignore_space: bool
    hidden: Mapping[str, int]
    space_url: str
    head_only: bool
    alone: FileLine | None
    start: int
    context: int
    piece: int
    next_shells: int | None

    @property
    def hidden_lines(self) -> int:
        """Changed lines that are left out with the white space."""
        return sum(self.hidden.values())

    @property
    def hidden_files(self) -> int:
        return len(self.hidden)

    @property
    def may_decide(self) -> bool:
        """Whether all of the change is on this page or named on it."""
        return self.whole and not self.ignore_space

    @property
    def left(self) -> int:
        return self.total - (self.next_shells or self.total)


def diff_view(
    change: ChangeRequest,
    sides: Sides,
    found: Listing,
    options: Options,
    *,
    alone: str = "",
    start: int = 0,
    long_list: bool = False,
) -> DiffView:
    """The read model around ``found``.

    ``long_list`` is for the list that follows the first response: it names more files.
    """
    reasons = {item.change.id: item.reason for item in plan(found.files, found.facts).files}
    lines = tuple(_line(item, found.facts.get(item.id), reasons[item.id]) for item in found.files)
    total = len(lines)
    listed = LISTED_COUNTED if long_list else LISTED
    return DiffView(
        files=lines[:listed],
        list_html=list_html(lines[:listed], teach=long_list, alone=f"?{escape(sides.query)}&amp;view={options.view}"),
        total=total,
        counted=found.counted,
        list_later=not found.counted or (total > listed and not long_list),
        added=sum(line.added or 0 for line in lines) if found.counted else sides.revision.lines_added,
        removed=sum(line.removed or 0 for line in lines) if found.counted else sides.revision.lines_removed,
        not_displayed=tuple(line for line in lines if line.reason),
        view=options.view,
        query=sides.query,
        version=DIFF_VERSION,
        revision=sides.revision,
        is_current=change.revision_id == sides.revision.pk,
        whole=sides.since is None,
        upstream=sides.upstream,
        ignore_space=sides.ignore_space,
        hidden=found.hidden,
        space_url=f"?{replace(sides, ignore_space=not sides.ignore_space).query}&view={options.view}",
        head_only=sides.head_only,
        alone=next((line for line in lines if line.id == alone), None) if alone else None,
        start=start,
        context=options.context if alone and options.context != CONTEXT else 0,
        piece=options.piece if alone else 0,
        next_shells=SHELLS_PER_PAGE if total > SHELLS_PER_PAGE and not alone else None,
    )


def list_html(lines: Iterable[FileLine], *, teach: bool, alone: str) -> SafeString:
    """The lines of the file list. Written here, because a thousand of them cost a template 100 ms.

    ``teach``: they came after the page and tell its headings the counts in words. A file whose heading is not in the
    first response is opened by itself: ``alone`` is the address, escaped, to which it is added.
    """
    written = (
        _line_html(line, teach, "" if index < SHELLS_PER_PAGE else f"{alone}&amp;file={line.id}")
        for index, line in enumerate(lines)
    )
    return mark_safe("".join(written))  # noqa: S308  # every foreign part is escaped


def _line_html(line: FileLine, teach: bool, page: str) -> str:
    folder = f'<span class="muted">{escape(line.folder)}/</span>' if line.folder else ""
    counts = ""
    if line.counts:
        added = f'<span class="plus">+{line.added}</span>' if line.added else ""
        removed = f' <span class="minus">−{line.removed}</span>' if line.removed else ""
        words = f' data-counts="{escape(line.counts)}"' if teach else ""
        counts = f'<span class="file-counts"{words}>{added}{removed}</span>'
    return (
        f'<li><a href="{page}#f-{line.id}"><abbr class="sign sign--{line.sign}" title="{line.word}">{line.sign}</abbr>'
        f"<bdi>{folder}{escape(line.name)}</bdi>{counts}</a></li>\n"
    )


def _line(change: FileChange, facts: FileFacts | None, reason: str) -> FileLine:
    path = visible(display(change.path))
    # Shown with a token for what looks like ASCII and is not; ``path`` is what is written into forms.
    folder, _, name = change.display_path.rpartition("/")
    text = facts is not None and facts.kind not in {"binary", "mode_only", "empty"}
    return FileLine(
        id=change.id,
        path=path,
        folder=folder,
        name=name,
        sign=change.status,
        word=change.status_word,
        counts=count_words(facts) if facts else "",
        added=facts.added if facts and text else None,
        removed=facts.removed if facts and text else None,
        reason=reason,
    )
