"""What surrounds the rows of a difference page: revisions to choose, counts, the file list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from django.utils.html import escape
from django.utils.safestring import SafeString

from apps.changes.models import ChangeRequest, Revision
from apps.diffs import DIFF_VERSION
from apps.diffs.files import FileFacts
from apps.diffs.fragments import Options, count_words
from apps.diffs.html import CONTEXT
from apps.diffs.tiers import SHELLS_PER_PAGE, FilePlan
from apps.policies.queries import policy_at
from apps.presentation.diff_pages import Listing, plan_of
from apps.presentation.diff_sides import Sides
from apps.presentation.diff_tree import FileLine, tree_html
from apps.presentation.plain import visible
from apps.presentation.undisplayed import NAMED, SHORT, Undisplayed, undisplayed
from apps.vcs.paths import display

LISTED = 500
"""Files named in the list of the first response; the rest arrives with the counts, or page by page."""
LISTED_COUNTED = 2_000


@dataclass(frozen=True, slots=True)
class DiffView:
    """``alone`` is the file shown by itself. ``context``: lines around a change, where more were asked for.
    ``piece``: which part of long lines is shown.
    ``next_shells``: from which file the next page of shells starts.
    ``ignore_space``: white space is left out, ``hidden_lines`` in ``hidden_files`` are not shown, and nothing is decided
    here; ``space_url`` is the address of the other view. ``list_later``: the list is fetched again after the first
    response, with more files or with their counts.
    ``average`` is the height to reserve for a file that is not counted yet, in changed lines.
    """

    sides: Sides
    files: tuple[FileLine, ...]
    list_html: SafeString
    total: int
    counted: bool
    list_later: bool
    added: int
    removed: int
    tier: int
    average: int
    not_displayed: tuple[Undisplayed, ...]
    not_displayed_total: int
    view: str
    is_current: bool
    hidden: Mapping[str, int]
    space_url: str
    alone: FileLine | None
    start: int
    context: int
    piece: int
    next_shells: int | None

    @property
    def version(self) -> int:
        return DIFF_VERSION

    @property
    def query(self) -> str:
        return self.sides.query

    @property
    def revision(self) -> Revision:
        return self.sides.revision

    @property
    def since(self) -> Revision | None:
        return self.sides.since

    @property
    def whole(self) -> bool:
        return self.sides.since is None

    @property
    def upstream(self) -> bool:
        return self.sides.upstream

    @property
    def ignore_space(self) -> bool:
        return self.sides.ignore_space

    @property
    def head_only(self) -> bool:
        return self.sides.head_only

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
    def fields(self) -> list[tuple[str, str]]:
        """The two sides as fields of a form."""
        return parse_qsl(self.query)

    @property
    def names_all_parts(self) -> bool:
        """Whether what is not displayed is few enough to be named at once."""
        return 0 < self.not_displayed_total <= SHORT

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
    marks: Mapping[str, str] | None = None,
) -> DiffView:
    """The read model around ``found``.

    ``long_list`` is for the list that follows the first response: it names more files. ``marks``: file id → ``viewed``
    or ``changed``, for the person who looks.
    """
    plan = plan_of(sides, found)
    listed = plan.files[: LISTED_COUNTED if long_list else LISTED]
    lines = tuple(_lines(change, sides, found, listed, marks or {}))
    parts = undisplayed(found)
    later = f"?{escape(sides.query)}&amp;view={options.view}&amp;file="
    beyond = {line.id: f"{later}{line.id}" for line in lines[SHELLS_PER_PAGE:]}
    return DiffView(
        sides=sides,
        files=lines,
        list_html=tree_html(lines, teach=long_list, page_of=beyond),
        total=len(plan.files),
        counted=found.counted,
        list_later=not found.counted or (len(plan.files) > len(listed) and not long_list),
        added=sum(one.added for one in found.facts.values()) if found.counted else sides.revision.lines_added,
        removed=sum(one.removed for one in found.facts.values()) if found.counted else sides.revision.lines_removed,
        tier=plan.tier,
        average=max((sides.lines or 0) // max(len(plan.files), 1), 4),
        not_displayed=parts[:NAMED],
        not_displayed_total=len(parts),
        view=options.view,
        is_current=change.revision_id == sides.revision.pk,
        hidden=found.hidden,
        space_url=f"?{replace(sides, ignore_space=not sides.ignore_space).query}&view={options.view}",
        alone=_line(FilePlan(found.find(alone), "inline"), found.facts.get(alone)) if alone else None,
        start=start,
        context=options.context if alone and options.context != CONTEXT else 0,
        piece=options.piece if alone else 0,
        next_shells=SHELLS_PER_PAGE if len(plan.files) > SHELLS_PER_PAGE and not alone else None,
    )


def _lines(
    change: ChangeRequest, sides: Sides, found: Listing, files: Iterable[FilePlan], marks: Mapping[str, str]
) -> Iterable[FileLine]:
    # The owners of the target's tip: those who are asked, and read once for the verdict anyway.
    owners = policy_at(change.repository, sides.revision.target_branch, sides.revision.target_oid).owners
    for item in files:
        matches = owners.owners_of(display(item.change.path)) if owners.entries else ()
        names = ", ".join(dict.fromkeys(name.removeprefix("@") for match in matches for name in match.owners))
        yield _line(item, found.facts.get(item.change.id), owner=names, mark=marks.get(item.change.id, ""))


def _line(item: FilePlan, facts: FileFacts | None, *, owner: str = "", mark: str = "") -> FileLine:
    change = item.change
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
        reason=item.reason,
        owner=owner,
        mark=mark,
    )
