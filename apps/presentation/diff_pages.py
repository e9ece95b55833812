"""From Git to the difference page: the file list, the first rows, one file at a time; cached by content.

The first response is bounded whatever the size of the change: Git's raw list, the rows of the first
files, and a named shell for every other file. Only a small change is read whole; of a large one just
the files whose rows are sent (PERFORMANCE §5, UX §2.5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from django.core.cache import cache

from apps.core.errors import NotVisible
from apps.diffs import DIFF_VERSION, tiers
from apps.diffs.files import FileChange, FileFacts, describe, with_ids, without_space
from apps.diffs.fragments import ALL_CONTEXT, Options, closed_body, render_file, render_section
from apps.diffs.html import CONTEXT, View
from apps.diffs.pages import stream_sections, stream_shells
from apps.diffs.parse import MalformedDiff, iter_hunks, match_patch, read, split_patch
from apps.diffs.positions import line_named, row_of, window_of
from apps.diffs.tiers import closed_reason
from apps.presentation.colouring import COLOURING
from apps.presentation.diff_sides import Sides
from apps.presentation.recent import Recent
from apps.presentation.viewed_marks import viewed_button
from apps.vcs import objects, trees
from apps.vcs.errors import GitOutputTooLarge

KEEP = 24 * 3600  # seconds in the cache; the content of a key never changes
WHOLE_LINES = tiers.SMALL_LINES
WHOLE_FILES = 60
KEPT_BYTES = 1_000_000
FIRST_FILES = tiers.INLINE_FILES
HEADING_VERSION = 2  # of what the headings of files carry beside their names
ABSENT = "0" * 40
TOO_LARGE = b'<p class="dn">Too large to be shown here: download the patch to read it.</p>'


@dataclass(frozen=True, slots=True)
class Listing:
    """All files in Git's order. ``facts`` by file id: of every file, or (``counted`` false) of none yet.

    ``hidden``: changed lines by file id that a view without white space leaves out.
    """

    files: tuple[FileChange, ...]
    facts: Mapping[str, FileFacts]
    hidden: Mapping[str, int] = field(default_factory=dict)

    @property
    def counted(self) -> bool:
        return len(self.facts) == len(self.files)

    def find(self, file_id: str) -> FileChange:
        """The file with this id; :class:`NotVisible` when this difference has none such."""
        found = next((change for change in self.files if change.id == file_id), None)
        if found is None:
            raise NotVisible("unknown_file", "This difference has no such file.")
        return found


def content_key(sides: Sides, what: str) -> str:
    space = "-w" if sides.ignore_space else ""
    return f"diff{space}:{DIFF_VERSION}:{what}:{sides.git_dir.name}:{sides.old}:{sides.new}"


_LISTINGS: Recent[Listing] = Recent(64)
"""File lists stay in the process: copying a thousand lines out of a cache costs more than asking Git again."""


def listing(sides: Sides) -> Listing:
    """The file list, with facts when they are known already."""
    return _LISTINGS.get_or(content_key(sides, "list"), lambda: _list(sides))


_PATCHES: Recent[tuple[bytes, ...]] = Recent(32)
"""The patches of small differences, from the file list to the first rows and on to the next file."""


def _list(sides: Sides) -> Listing:
    if sides.ignore_space:
        return _list_without_space(sides)
    if sides.lines is not None and sides.lines <= WHOLE_LINES and sides.revision.files_changed <= WHOLE_FILES:
        with suppress(GitOutputTooLarge, MalformedDiff):
            return _read_at_once(sides)
    files = tuple(with_ids(trees.diff_trees(sides.git_dir, sides.old, sides.new)))
    return Listing(files, _count(sides, files) if _is_small(sides, files) else {})


def _list_without_space(sides: Sides) -> Listing:
    """Every file is still listed; what is hidden of each is counted, however large the difference."""
    whole = counted_listing(replace(sides, ignore_space=False))
    patches = _PATCHES.put(content_key(sides, "patches"), tuple(_split_whole(sides, whole.files)))
    facts = {
        change.id: without_space(change, patch, whole.facts[change.id])
        for change, patch in zip(whole.files, patches, strict=True)
    }
    left_out = {key: whole.facts[key].changed - found.changed for key, found in facts.items()}
    return Listing(whole.files, facts, {key: lines for key, lines in left_out.items() if lines > 0})


def _read_at_once(sides: Sides) -> Listing:
    data = trees.difference(sides.git_dir, sides.old, sides.new)
    files, patches = read(data)
    if len(data) <= KEPT_BYTES:
        _PATCHES.put(content_key(sides, "patches"), tuple(patches))
    facts = {change.id: describe(change, patch) for change, patch in zip(files, patches, strict=True)}
    return Listing(tuple(files), facts)


def counted_listing(sides: Sides) -> Listing:
    """The file list with facts of every file, whatever it takes."""
    found = listing(sides)
    if found.counted:
        return found
    return _LISTINGS.put(content_key(sides, "list"), Listing(found.files, _count(sides, found.files)))


def _is_small(sides: Sides, files: tuple[FileChange, ...]) -> bool:
    return len(files) <= WHOLE_FILES and (sides.lines is None or sides.lines <= WHOLE_LINES)


def _count(sides: Sides, files: tuple[FileChange, ...]) -> dict[str, FileFacts]:
    try:
        patches = _split_whole(sides, files)
    except GitOutputTooLarge:
        counted = _count_lines(sides, files)
        return counted | _described_alone(sides, files, counted) if len(files) <= WHOLE_FILES else counted
    return {change.id: describe(change, patch) for change, patch in zip(files, patches, strict=True)}


def _count_lines(sides: Sides, files: tuple[FileChange, ...]) -> dict[str, FileFacts]:
    """Facts of a difference that is too large to be held: Git counts, and everything big stays closed."""
    stats = trees.numstat(sides.git_dir, sides.old, sides.new)
    return {
        change.id: FileFacts("binary" if stat.is_binary else "text", stat.added or 0, stat.deleted or 0, 0)
        for change, stat in zip(files, stats, strict=True)
    }


def _described_alone(
    sides: Sides, files: tuple[FileChange, ...], counted: Mapping[str, FileFacts]
) -> dict[str, FileFacts]:
    """Of a few files each by itself, so that one that cannot be held takes away nothing of what is said of the others."""
    found = {}
    for change in files:
        try:
            data = trees.patch(sides.git_dir, sides.old, sides.new, path=sorted({change.old_path, change.new_path}))
            found[change.id] = describe(change, _split(sides, [change], data)[0])
        except GitOutputTooLarge:
            size = sum(filter(None, _sizes(sides, change)))
            found[change.id] = replace(counted[change.id], patch_bytes=size)
        except MalformedDiff:
            continue  # by itself Git pairs it differently
    return found


def patches_of(sides: Sides, wanted: list[FileChange], context: int | None = None) -> list[tuple[FileChange, bytes]]:
    """The patch of each of ``wanted``, in their order; of one that is too large to be held there is none."""
    ids = {change.id for change in wanted}
    as_printed = [change for change in listing(sides).files if change.id in ids]
    found = {change.id: patch for change, patch in _patches_as_printed(sides, as_printed, context)}
    return [(change, found[change.id]) for change in wanted if change.id in found]


def _patches_as_printed(sides: Sides, wanted: list[FileChange], context: int | None) -> list[tuple[FileChange, bytes]]:
    """The same for files in the order of Git's list, in which it prints their parts."""
    paths = sorted({path for change in wanted for path in (change.old_path, change.new_path)})
    try:
        data = trees.patch(
            sides.git_dir, sides.old, sides.new, path=paths, context=context, ignore_space=sides.ignore_space
        )
        return list(zip(wanted, _split(sides, wanted, data), strict=True))
    except GitOutputTooLarge:
        if len(wanted) == 1:
            return []
        return [pair for change in wanted for pair in _patches_as_printed(sides, [change], context)]
    except MalformedDiff:
        # Limited to some paths, Git pairs renames differently in rare cases: the whole patch is what was listed.
        files = listing(sides).files
        whole = dict(zip([change.id for change in files], _split_whole(sides, files), strict=True))
        return [(change, whole[change.id]) for change in wanted]


def file_patches(sides: Sides, wanted: list[FileChange]) -> list[tuple[FileChange, bytes]]:
    """The patch of each of ``wanted``; of all files at once when the whole difference is asked for."""
    files = listing(sides).files
    if len(wanted) < len(files):
        return patches_of(sides, wanted)
    try:
        return list(zip(files, _split_whole(sides, files), strict=True))
    except GitOutputTooLarge:
        return patches_of(sides, wanted)


def _split_whole(sides: Sides, files: tuple[FileChange, ...]) -> list[bytes]:
    kept = _PATCHES.get(content_key(sides, "patches"))
    if kept is not None:
        return list(kept)
    return _split(sides, files, trees.patch(sides.git_dir, sides.old, sides.new, ignore_space=sides.ignore_space))


def _split(sides: Sides, files: Sequence[FileChange], data: bytes) -> list[bytes]:
    return match_patch(files, data) if sides.ignore_space else split_patch(files, data)


def options_of(sides: Sides, view: str, *, piece: int = 0, context: int = CONTEXT) -> Options:
    chosen = min(max(context, CONTEXT), ALL_CONTEXT)
    layout: View = "split" if view == "split" else "unified"
    return Options(layout, sides.query, piece, chosen, in_place=not sides.ignore_space, colours=COLOURING.html_of)


def plan_of(sides: Sides, found: Listing) -> tiers.Plan:
    """What loads when, from what is known by now."""
    return tiers.plan(found.files, found.facts, lines=sides.lines)


def first_sections(sides: Sides, found: Listing, options: Options) -> bytes:
    """The sections of the first response: rows up to the budget, then shells; at most one page of shells."""
    key = content_key(sides, f"first{HEADING_VERSION}:{int(found.counted)}:{options.view}:{options.query}")
    cached: bytes | None = cache.get(key)
    if cached is None:
        plan = plan_of(sides, found).page()
        wanted = [item.change for item in plan.files if not item.reason]
        patches = _first_patches(sides, found, plan, wanted)
        cached = b"".join(stream_sections(plan, patches, options=options, facts=found.facts, tools=viewed_button))
        cache.set(key, cached, KEEP)
    return cached


def _first_patches(
    sides: Sides, found: Listing, plan: tiers.Plan, wanted: list[FileChange]
) -> list[tuple[FileChange, bytes]]:
    """Those of a small difference are read at once, of any other one the first of those that are ``wanted``."""
    if found.counted and _is_small(sides, found.files):
        with suppress(GitOutputTooLarge):
            whole = dict(zip([one.id for one in found.files], _split_whole(sides, found.files), strict=True))
            return [(item.change, whole[item.change.id]) for item in plan.files]
    return patches_of(sides, wanted[:FIRST_FILES]) if wanted else []


def shells(sides: Sides, found: Listing, options: Options, start: int) -> bytes:
    """The next page of shells, for differences of more files than one page holds."""
    return b"".join(
        stream_shells(plan_of(sides, found).page(start), options=options, facts=found.facts, tools=viewed_button)
    )


def file_body(
    sides: Sides, change: FileChange, options: Options, *, start: int = 0, rows: int = 0, asked: bool = True
) -> bytes:
    """The rows of one file: from row 0 with notes and table, later the ``<tbody>`` of the next window.

    ``rows`` shortens the window. A file that loads by itself (not ``asked`` for) and turns out to be one that stays
    closed answers with its reason.
    """
    html, facts = _file(sides, change, options, start, rows or options.rows)
    reason = "" if asked else closed_reason(change, facts)
    return closed_body(change, reason, options=options).encode() if reason else html


def window_with(sides: Sides, change: FileChange, options: Options, line: str) -> int:
    """The first row of the window in which line ``R12`` or ``L3`` stands; 0 where the difference does not show it."""
    named = line_named(line)
    pairs = patches_of(sides, [change], _context(options)) if named else []
    if named is None or not pairs:
        return 0
    with suppress(MalformedDiff):
        row = row_of(iter_hunks(pairs[0][1]), options.view, *named)
        return window_of(row, options.rows) if row is not None else 0
    return 0


def _context(options: Options) -> int | None:
    return None if options.context == CONTEXT else options.context


def file_section(sides: Sides, change: FileChange, options: Options, *, start: int = 0) -> bytes:
    """One file with its heading, to stand alone on a page."""
    html, facts = _file(sides, change, options, start, options.rows)
    return html if start else render_section(change, facts, html, tools=viewed_button(change))


def _file(sides: Sides, change: FileChange, options: Options, start: int, rows: int) -> tuple[bytes, FileFacts | None]:
    chosen = f"{options.view}:{options.piece}:{options.context}:{options.query}"
    key = content_key(sides, f"file:{change.id}:{chosen}:{start}:{rows}")
    cached: tuple[bytes, FileFacts | None] | None = cache.get(key)
    if cached is None:
        pairs = patches_of(sides, [change], _context(options))
        if not pairs:
            return TOO_LARGE, None
        facts = listing(sides).facts[change.id] if sides.ignore_space else describe(change, pairs[0][1])
        sizes = _sizes(sides, change) if facts.kind == "binary" else (None, None)
        body = render_file(
            change, pairs[0][1], options=options, start_row=start, max_rows=rows, facts=facts, sizes=sizes
        )
        cached = (body.html, facts)
        cache.set(key, cached, KEEP)
    return cached


def _sizes(sides: Sides, change: FileChange) -> tuple[int | None, int | None]:
    """Bytes before and after, for a file that has no lines."""
    old = objects.blob_size(sides.git_dir, change.old_oid) if change.old_oid != ABSENT else None
    new = objects.blob_size(sides.git_dir, change.new_oid) if change.new_oid != ABSENT else None
    return old, new
