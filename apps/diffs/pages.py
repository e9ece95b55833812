"""A whole diff as a stream of sections: what a view sends after the file list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from apps.diffs.files import FileChange, FileFacts, describe
from apps.diffs.fragments import (
    ALL_ROWS,
    FIRST_ROWS,
    Options,
    folder_heading,
    render_file,
    render_section,
    render_shell,
)
from apps.diffs.tiers import FilePlan, Plan, closed_reason, folder_of

Tools = Callable[[FileChange], str]


def _no_tools(_change: FileChange) -> str:
    return ""


def stream_sections(
    plan: Plan,
    patches: Iterable[tuple[FileChange, bytes]],
    *,
    options: Options,
    facts: Mapping[str, FileFacts] | None = None,
    budget: int = FIRST_ROWS,
    tools: Tools = _no_tools,
) -> Iterator[bytes]:
    """One chunk for each file of ``plan``, in its order; in tier 3 under the names of their folders.

    Files planned ``inline`` get rows until ``budget`` rows are out; the one in which the budget ends is followed by a
    "next rows" link, those after it are shells that load by themselves. ``patches`` come in the same order (as from
    ``parse.read_stream``), perhaps without those of closed files, and are not read further than needed, so Git need not
    have finished. Tier 3 has a budget
    too: its first files are opened as long as rows are left, for the first response always shows rows.
    """
    known = facts or {}
    source = iter(patches)
    left = budget
    folder: str | None = None
    for item in plan.files:
        change = item.change
        if plan.folders and folder != folder_of(change):
            folder = folder_of(change)
            yield folder_heading(folder, plan.folders[folder])
        found = known.get(change.id)
        patch = _next_for(source, change) if left > 0 and not item.reason else None
        if patch is not None and found is None:
            found = describe(change, patch)
        reason = item.reason or closed_reason(change, found)
        if patch is None or reason:
            yield render_shell(change, found, options=options, reason=reason, tools=tools(change))
            continue
        window = min(left, ALL_ROWS)
        body = render_file(change, patch, options=options, max_rows=window, facts=found)
        left -= max(body.rows, 1)
        yield render_section(change, found, body.html, tools=tools(change))


def _next_for(source: Iterator[tuple[FileChange, bytes]], change: FileChange) -> bytes | None:
    for other, patch in source:
        if other.id == change.id:
            return patch
    return None


def stream_shells(
    plan: Plan, *, options: Options, facts: Mapping[str, FileFacts], tools: Tools = _no_tools
) -> Iterator[bytes]:
    """The files of ``plan`` without rows: what ``stream_sections`` gives once its budget is spent."""
    return stream_sections(plan, (), options=options, facts=facts, budget=0, tools=tools)


def stream_whole(
    plan: Plan, patches: Iterable[tuple[FileChange, bytes]], *, options: Options, tools: Tools = _no_tools
) -> Iterator[bytes]:
    """Every row of every file that is not closed ("Load all files"); a closed one keeps its reason and its link."""
    planned: dict[str, FilePlan] = {item.change.id: item for item in plan.files}
    for change, patch in patches:
        found = describe(change, patch)
        reason = planned[change.id].reason or closed_reason(change, found)
        if reason:
            yield render_shell(change, found, options=options, reason=reason, tools=tools(change))
            continue
        body = render_file(change, patch, options=options, max_rows=ALL_ROWS, facts=found)
        yield render_section(change, found, body.html, tools=tools(change))


def whole_page(
    files: Iterable[tuple[FileChange, bytes]], *, options: Options, tools: Tools = _no_tools
) -> Iterator[bytes]:
    """Every row of every file, nothing closed (print, benchmarks)."""
    for change, patch in files:
        found = describe(change, patch)
        body = render_file(change, patch, options=options, max_rows=ALL_ROWS, facts=found)
        yield render_section(change, found, body.html, tools=tools(change))
