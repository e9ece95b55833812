"""The bar above a difference: which revisions are compared, and what the comparison leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from apps.accounts.models import User
from apps.changes.models import ChangeRequest, Revision
from apps.presentation.diff_sides import BASE, MINE, Sides
from apps.reviews.effects import effects_compared
from apps.reviews.interdiff import (
    Interdiff,
    interdiff,
    last_reviewed,
    step_of,
    targets_with_changed_inputs,
    upstream_edits,
)
from apps.vcs.trees import Edits, diff_trees


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    label: str
    selected: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """What stands between two revisions, in numbers and words; ``address`` is its page.

    ``upstream``: the edits that came with the target branch are shown, not the author's. ``mixed`` are paths of which
    both are shown, because they could not be separated; ``whole``: so is every path. ``inputs`` are targets that read a
    file which upstream changed. ``remarks`` are sentences about revisions that are not like others.
    """

    address: str
    since: str
    to: str
    is_mine: bool
    equal: bool
    upstream: bool
    edits: Edits
    mixed: tuple[str, ...]
    whole: bool
    inputs: tuple[str, ...]
    remarks: tuple[str, ...]
    effects: tuple[str, ...] = ()
    """Targets whose rendered effect differs. ``inputs`` leaves out targets of which that is known."""


@dataclass(frozen=True, slots=True)
class News:
    """What is new since somebody's review; ``files`` are those that the author changed."""

    comparison: Comparison
    files: int


@dataclass(frozen=True, slots=True)
class RevisionBar:
    """``news_since``: the revision of the reader's last review, when a newer one is looked at whole.

    ``remark`` says why the last review was not compared with, when that was asked for.
    """

    since: tuple[Choice, ...]
    to: tuple[Choice, ...]
    news_since: Revision | None
    remark: str
    comparison: Comparison | None


def revision_bar(user: User, change: ChangeRequest, sides: Sides, *, asked: str = "") -> RevisionBar:
    """The bar for one person; ``asked`` is what the address named as the older side. Two queries."""
    rows = list(change.revisions.defer("paths").order_by("-number"))
    mine = last_reviewed(user, change)
    return RevisionBar(
        since=_since_choices(sides, rows, mine, asked),
        to=tuple(_choice(row, sides.revision) for row in rows),
        news_since=mine if mine and sides.since is None and mine.number < sides.revision.number else None,
        remark=_remark(sides, mine) if asked == MINE else "",
        comparison=comparison(sides.compared, mine, upstream=sides.upstream) if sides.compared else None,
    )


def comparison(found: Interdiff, mine: Revision | None, *, upstream: bool = False) -> Comparison:
    """The numbers and words of one comparison."""
    edits = upstream_edits(found)
    since, to = found.earlier.label, found.later.label
    effects = effects_compared(found.earlier, found.later)
    return Comparison(
        address=f"/changes/{found.later.change.number}/diff/?from={since}&to={to}",
        since=since,
        to=to,
        is_mine=mine is not None and mine.number == found.earlier.number,
        equal=found.is_equal,
        upstream=upstream,
        edits=edits,
        mixed=found.mixed,
        whole=found.whole,
        inputs=tuple(
            target
            for target in targets_with_changed_inputs(found, edits)
            if target not in effects.same and target not in effects.other
        ),
        remarks=tuple(_remarks(found)),
        effects=effects.other,
    )


def reviewed_before(user: User, change: ChangeRequest) -> Revision | None:
    """The revision of ``user``'s last review, when a newer one is there; one query."""
    mine = last_reviewed(user, change)
    return mine if mine and change.revision and mine.number < change.revision.number else None


def news_for(user: User, change: ChangeRequest) -> News | None:
    """What is new since the last review of ``user``; ``None`` when it was of the present revision, or there is none."""
    mine = reviewed_before(user, change)
    if mine is None or change.revision is None:
        return None
    found = interdiff(change.repository.mirror_path, mine, change.revision)
    return News(comparison(found, mine), len(diff_trees(found.git_dir, *found.author)))


def _since_choices(sides: Sides, rows: list[Revision], mine: Revision | None, asked: str) -> tuple[Choice, ...]:
    by_name = sides.since is not None and asked != MINE
    choices = [Choice(BASE, f"Base ({sides.revision.target_branch})", sides.since is None)]
    if mine is not None:
        choices.append(Choice(MINE, f"My last review ({mine.label})", sides.since is not None and not by_name))
    others = [row for row in rows if row.number != sides.revision.number]
    return (*choices, *(_choice(row, sides.since if by_name else None) for row in others))


def _choice(row: Revision, chosen: Revision | None) -> Choice:
    cause = row.get_cause_display().replace("_", " ").lower()
    label = f"{row.label} · {cause} · {row.created_at:%d %b}"
    return Choice(row.label, label, chosen is not None and row.number == chosen.number)


def _remark(sides: Sides, mine: Revision | None) -> str:
    if mine is None:
        return "You have not reviewed this change yet, so this is the whole of it."
    if sides.since is None:
        return f"Your last review was of {mine.label}, the revision that is shown, so this is the whole change."
    return ""


def _remarks(found: Interdiff) -> Iterator[str]:
    for row in (found.earlier, found.later):
        several = len(row.merge_bases) > 1
        if step_of(found.git_dir, row).own:
            yield (
                f"{row.label} conflicts with {row.target_branch}, so what its author wrote since the branches parted is "
                f"compared in place of a merge result{', from the first of several merge bases' if several else ''}."
            )
        elif several:
            yield (
                f"{row.label} has {len(row.merge_bases)} merge bases (the branches were merged into each other). Merge "
                "results are compared, so nothing that a merge brought in is left out."
            )
    if found.earlier.target_branch != found.later.target_branch:
        yield (
            f"{found.earlier.label} was for {found.earlier.target_branch}, {found.later.label} is for "
            f"{found.later.target_branch}: in what these branches differ counts as upstream's."
        )
