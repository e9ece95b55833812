"""One file as HTML: its body in windows of rows, its section with heading, or a shell in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache

from apps.diffs import lookalikes
from apps.diffs.characters import escape, escape_attribute, escape_name, plain
from apps.diffs.files import MAX_SHOWN, FileChange, FileFacts, describe
from apps.diffs.highlight import PIECE, TRAILING, Painter, painter_for, painter_of
from apps.diffs.html import CONTEXT, NO_EXPAND, TABLE_CLOSE, Expand, View, table_open
from apps.diffs.keys import etag, fragment_key
from apps.diffs.lexers import language_of
from apps.diffs.parse import MalformedDiff, iter_hunks
from apps.diffs.writer import Window, write_rows

FIRST_ROWS = 400  # rows of the first response, and of each window after it
PIECE_ROWS = 40  # rows of a window in which long lines are shown in pieces
ALL_ROWS = 1 << 60
MAX_COLOURED = 64 * 1024  # bytes of a patch that is coloured by another process
Colours = Callable[[str, Sequence[str]], Mapping[str, str] | None]
MAX_HIDDEN_NAMED = 6
ALL_CONTEXT = 999_999  # lines around a change that are all there are


@dataclass(frozen=True, slots=True)
class Options:
    """What a person chose. ``query`` is kept on every link (``from=1&to=3``); ``piece`` shows that
    part of long lines (from 1; 0: their beginning).

    ``context``: lines around a change, as the patch was asked for. ``in_place``: a script may put more of them between
    the rows; not where white space is left out, for there the lines of both sides are not the same.
    ``colours`` is asked for the HTML of lines of a language without a lexer of ours (path, lines → HTML by line).
    """

    view: View = "unified"
    query: str = ""
    piece: int = 0
    context: int = CONTEXT
    in_place: bool = True
    colours: Colours | None = field(default=None, compare=False, repr=False)

    @property
    def rows(self) -> int:
        """Rows of a window."""
        return PIECE_ROWS if self.piece else FIRST_ROWS

    def link(self, change: FileChange, *, row: str = "", **extra: int) -> str:
        """A relative link to one file of the same page, or to its ``row`` (``R12``); works without JavaScript."""
        more = ""
        if self.piece and "long" not in extra:
            more = f"&amp;long={self.piece}"
        if self.context != CONTEXT and "context" not in extra:
            more += f"&amp;context={self.context}"
        for name, value in extra.items():
            more += f"&amp;{name}={value}"
        return f"{_start_of_links(self.query, self.view)}{change.id}{more}#f-{change.id}{'-' if row else ''}{row}"


@lru_cache(maxsize=64)
def _start_of_links(query: str, view: str) -> str:
    """The escaped beginning that all links of one page have: a difference has a thousand of them."""
    return escape_attribute(f"?{query}{'&' if query else ''}view={view}&file=")


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of a page: ``rows`` written, ``next_row`` to ask for (``None``: that was all), ``cut_lines`` shortened."""

    html: bytes
    rows: int
    next_row: int | None
    cut_lines: int = 0


def window_etag(change: FileChange, options: Options, start_row: int, max_rows: int) -> str:
    """The ETag of what ``render_file`` gives for these arguments, without the patch: answer 304 before Git is asked.

    (The patch follows from both blobs and the modes under one Git version and one set of flags.)
    """
    facts = {
        "id": change.id, "status": change.status, "modes": f"{change.old_mode} {change.new_mode}",
        "similarity": change.similarity, "query": options.query, "piece": options.piece,
        "start": start_row, "rows": max_rows, "context": options.context,
    }  # fmt: skip
    return etag(fragment_key(change.old_oid, change.new_oid, (change.old_path, change.new_path), options.view, facts))


def render_file(
    change: FileChange,
    patch: bytes,
    *,
    options: Options | None = None,
    start_row: int = 0,
    max_rows: int = FIRST_ROWS,
    facts: FileFacts | None = None,
    sizes: tuple[int | None, int | None] = (None, None),
) -> Fragment:
    """The body of one file: from row 0 notes and table, later only ``<tbody>`` with the rows of that window.

    A ``<tbody class="mr">`` with a link stands where rows follow; replace it by the next window. ``sizes`` are bytes
    before and after, for binary files. Never fails on content: what cannot be read is said in words.
    """
    chosen = options or Options()
    known = facts or describe(change, patch)
    window = Window(start_row, start_row + max_rows)
    painter = _painter(change, patch, chosen)
    problem = ""
    rows: list[str] = []
    end = ""
    try:
        rows, end = write_rows(change.id, painter, iter_hunks(patch), chosen.view, window, _expand(change, chosen))
    except MalformedDiff as error:
        problem = error.message
    next_row = window.end if window.more else None
    # One list, one join, one encoding: a large file is not copied again and again.
    pieces = [f'<tbody data-start="{start_row}">', *rows, "</tbody>"] if rows else []
    pieces.append(f'<tbody class="ce">{end}</tbody>' if end else _more(change, chosen, next_row, max_rows))
    may_be_cut = len(patch) > MAX_SHOWN and max(map(len, rows), default=0) > MAX_SHOWN
    cut = sum(row.count("more characters are not shown]</span>") for row in rows) if may_be_cut else 0
    if start_row == 0:
        pieces = [*_notes(change, known, chosen, cut, sizes, problem), *_table(change, known, chosen, pieces)]
    elif problem:
        pieces.append(f'<tbody><tr class="h"><td colspan="6">{escape_name(problem)}</tbody>')
    return Fragment("".join(pieces).encode("utf-8"), len(rows), next_row, cut)


def _painter(change: FileChange, patch: bytes, options: Options) -> Painter:
    """Our own lexer where there is one, else the colours that are asked for a small patch, else none."""
    own = painter_for(change.path, piece=options.piece)
    if options.colours is None or language_of(change.path) != "text" or len(patch) > MAX_COLOURED:
        return own
    lines: list[str] = []
    with suppress(MalformedDiff):
        for hunk in iter_hunks(patch):
            lines += [line.rstrip(TRAILING) for group in hunk.groups for line in (*group.context, *group.added)]
            lines += [line.rstrip(TRAILING) for group in hunk.groups for line in group.removed]
    painted = options.colours(change.path, lines) if lines else None
    return own if painted is None else painter_of(painted, piece=options.piece)


def _expand(change: FileChange, options: Options) -> Expand:
    """Links to more context; none where all of it is shown already."""
    if options.context >= ALL_CONTEXT:
        return NO_EXPAND
    more = options.link(change, context=options.context + NO_EXPAND.step)
    return Expand(more, options.link(change, context=ALL_CONTEXT), options.in_place, options.context)


def _table(change: FileChange, facts: FileFacts, options: Options, pieces: list[str]) -> list[str]:
    if not any(pieces):
        return []
    name = change.display_path.rsplit("/", 1)[-1]
    return [table_open(options.view, f"Changes in {name}: {count_words(facts)}"), *pieces, TABLE_CLOSE]


def _more(change: FileChange, options: Options, next_row: int | None, max_rows: int) -> str:
    if next_row is None:
        return ""
    span = 6 if options.view == "split" else 4
    link = options.link(change, start=next_row)
    return (
        f'<tbody class="mr" data-file="{change.id}" data-next="{next_row}"><tr><td colspan="{span}">'
        f'<a href="{link}">Show the next {max_rows:,} rows</a></tbody>'
    )


def _notes(
    change: FileChange, facts: FileFacts, options: Options, cut: int, sizes: tuple[int | None, int | None], problem: str
) -> list[str]:
    """Paragraphs above the table: what happened besides lines, and everything a reader could miss."""
    notes = [escape_name(word) for word in facts.words]
    if facts.kind == "binary":
        notes.append(f"Not shown as text{_size_words(sizes)}")
    if problem:
        notes.append(escape_name(problem))
    if not facts.clean:
        notes.append("Some bytes are no UTF-8; each is shown as [\\xNN]")
    if facts.hidden:
        notes.append(escape(hidden_words(facts)))
    if facts.lookalikes:
        notes.append(escape(lookalike_words(facts)))
    if cut or options.piece > 1:
        notes.append(_cut_words(change, options, cut))
    return [f'<p class="dn">{note}</p>' for note in notes]


def _cut_words(change: FileChange, options: Options, cut: int) -> str:
    """How many lines are cut, and links to the parts that are left out."""
    noun = "line is" if cut == 1 else "lines are"
    if not options.piece:
        words = f"{cut} long {noun} cut, and the rest is not displayed."
        return f'{words} <a href="{options.link(change, long=1)}">Show whole lines</a>'
    first, last = (options.piece - 1) * PIECE + 1, options.piece * PIECE
    words = f"Long lines are shown in pieces: characters {first:,} to {last:,}; {cut} {noun} longer."
    back = f' <a href="{options.link(change, long=options.piece - 1)}">Piece before</a>' if options.piece > 1 else ""
    more = f' <a href="{options.link(change, long=options.piece + 1)}">Next piece</a>' if cut else ""
    return f"{words}{back}{more}"


def hidden_words(facts: FileFacts) -> str:
    """Such as "3 hidden characters are shown as tokens: [U+202E] 2, [CR] 1"; empty when there are none."""
    if not facts.hidden:
        return ""
    total = sum(number for _, number in facts.hidden)
    named = ", ".join(f"{name} {number:,}" for name, number in facts.hidden[:MAX_HIDDEN_NAMED])
    more = ", …" if len(facts.hidden) > MAX_HIDDEN_NAMED else ""
    noun = "character is shown as a token" if total == 1 else "characters are shown as tokens"
    return f"{total:,} hidden {noun}: {named}{more}"


def lookalike_words(facts: FileFacts) -> str:
    """Such as ``1 character looks like ASCII and is not: U+0430 CYRILLIC SMALL LETTER A, looks like "a" (1)``."""
    if not facts.lookalikes:
        return ""
    total = sum(number for _, number in facts.lookalikes)
    named = "; ".join(f"{lookalikes.name(char)} ({number:,})" for char, number in facts.lookalikes[:MAX_HIDDEN_NAMED])
    more = "; …" if len(facts.lookalikes) > MAX_HIDDEN_NAMED else ""
    noun = "character looks" if total == 1 else "characters look"
    least = "At least " if total >= lookalikes.MAX_COUNTED else ""
    return f"{least}{total:,} {noun} like ASCII and {'is' if total == 1 else 'are'} not: {named}{more}"


def _size_words(sizes: tuple[int | None, int | None]) -> str:
    old, new = ("" if size is None else f"{size:,} bytes" for size in sizes)
    if old and new:
        return f": {old} → {new}"
    return f": {old or new}" if old or new else ""


def count_words(facts: FileFacts | None) -> str:
    """Such as "2 added, 1 removed", or what stands for it where there are no lines."""
    if facts is None:
        return "not counted yet"
    if facts.kind in ("binary", "mode_only", "empty") and not facts.changed:
        return {"binary": "binary", "mode_only": "no lines changed", "empty": "no lines"}[facts.kind]
    return f"{facts.added:,} added, {facts.removed:,} removed"


def section_open(change: FileChange, facts: FileFacts | None, *, state: str = "open", tools: str = "") -> str:
    """``<section>`` and its heading. ``state``: ``open``, ``load`` (a shell that loads by itself), ``closed``.

    ``tools`` is trusted HTML for the heading (the Viewed form), written by the caller's template.
    """
    name = escape_name(change.path)
    if change.is_moved:
        name = f'<span class="old">{escape_name(change.old_path)} → </span>{name}'
    lines = "" if facts is None else f' data-lines="{facts.changed}"'
    return (
        f'<section class="df" id="f-{change.id}" data-file="{change.id}" data-state="{state}"{lines} '
        f'aria-labelledby="f-{change.id}-h"><header class="fh"><h3 id="f-{change.id}-h" tabindex="-1">{name}</h3> '
        f'<span class="st st--neu">{change.status_word}</span> <span>{count_words(facts)}</span>{tools}</header>'
    )


def render_section(change: FileChange, facts: FileFacts | None, body: bytes, *, tools: str = "") -> bytes:
    """A whole file: heading and the body of ``render_file``."""
    opening = section_open(change, facts, tools=tools).encode()
    return b"".join((opening, b'<div class="fb">', body, b"</div></section>"))


def render_shell(
    change: FileChange, facts: FileFacts | None, *, options: Options, reason: str = "", tools: str = ""
) -> bytes:
    """A file without its rows: loads by itself when near, or stays closed for a ``reason`` that is shown."""
    state = "closed" if reason else "load"
    body = closed_body(change, reason, options=options)
    return f'{section_open(change, facts, state=state, tools=tools)}<div class="fb">{body}</div></section>'.encode()


def closed_body(change: FileChange, reason: str, *, options: Options) -> str:
    """What stands in the place of rows that are not there: why, if there is a reason, and the link that shows them."""
    words = f'<p class="why">{escape_name(plain(reason))}</p>' if reason else ""
    return f'{words}<a href="{options.link(change)}">Show the difference</a>'


def folder_heading(folder: str, files: int) -> bytes:
    """The name of a folder above its files; ``files`` are those of the whole difference."""
    noun = "file" if files == 1 else "files"
    name = escape_name(f"{folder}/") if folder else "Top folder"
    return f'<h2 class="dg">{name} <span>{files:,} {noun}</span></h2>'.encode()
