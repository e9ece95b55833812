"""The file list as a tree of links, folder by folder. Written here, because two thousand templates cost seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

DEEPEST = 12
"""Folders within folders; below that a path stays whole, so that a hostile path cannot exhaust a browser."""
_MARKS = {
    "viewed": '<span class="mk" data-mark="viewed"><span aria-hidden="true">✓</span><span class="sr">viewed</span></span>',
    "changed": '<span class="mk" data-mark="changed"><span aria-hidden="true">●</span>'
    '<span class="sr">changed since you viewed it</span></span>',
}


@dataclass(frozen=True, slots=True)
class FileLine:
    """One line of the file list; ``sign`` is the status letter, ``reason`` why the file is closed.

    ``mark`` is ``viewed``, ``changed`` (since it was viewed) or empty, for the person who looks; ``owner`` are the owners
    whose line of CODEOWNERS decides, in words.
    """

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
    owner: str = ""
    mark: str = ""

    @property
    def shown_path(self) -> str:
        """The path as the tree shows it; ``path`` is what is written into forms."""
        return f"{self.folder}/{self.name}" if self.folder else self.name


@dataclass(slots=True)
class _Folder:
    folders: dict[str, _Folder] = field(default_factory=dict)
    entries: list[FileLine | str] = field(default_factory=list)
    """Files, and the names of sub-folders where they are first met."""
    files: int = 0


def tree_html(lines: Iterable[FileLine], *, teach: bool, page_of: Mapping[str, str]) -> SafeString:
    """Nested lists of links, folders that hold nothing but a folder joined with it, in the order of the difference.

    ``teach``: the list came after the page and tells the headings their counts in words. ``page_of`` names, escaped,
    the page on which a file is whose heading is not in the first response.
    """
    top = _Folder()
    for line in lines:
        _place(top, line)
    return mark_safe("".join(_entries(top, teach, page_of)))  # noqa: S308  # every foreign part is escaped


def _place(top: _Folder, line: FileLine) -> None:
    here = top
    here.files += 1
    parts = line.folder.split("/") if line.folder else []
    for part in [*parts[: DEEPEST - 1], "/".join(parts[DEEPEST - 1 :])]:
        if not part:
            continue
        if part not in here.folders:
            here.folders[part] = _Folder()
            here.entries.append(part)
        here = here.folders[part]
        here.files += 1
    here.entries.append(line)


def _entries(folder: _Folder, teach: bool, page_of: Mapping[str, str]) -> Iterable[str]:
    for entry in folder.entries:
        if isinstance(entry, FileLine):
            yield _line_html(entry, teach, page_of.get(entry.id, ""))
            continue
        name, inner = entry, folder.folders[entry]
        while len(inner.entries) == 1 and isinstance(only := inner.entries[0], str):
            name, inner = f"{name}/{only}", inner.folders[only]
        yield f'<li><details open><summary><bdi>{escape(name)}</bdi> <span class="tn">{inner.files}</span></summary><ul>'
        yield from _entries(inner, teach, page_of)
        yield "</ul></details></li>"


def _line_html(line: FileLine, teach: bool, page: str) -> str:
    """One item; its end tag may be left out, and is: the first answer has up to 500 of them."""
    counts = ""
    if line.counts:
        words = f' data-counts="{escape(line.counts)}"' if teach else ""
        counts = f'<span class="file-counts"{words}>{_numbers(line)}</span>'
    facts = f' data-owner="{escape(line.owner)}"' if line.owner else ""
    facts += f' data-path="{escape(line.path)}"' if line.path != line.shown_path else ""
    return (
        f'<li><a href="{page}#f-{line.id}"{facts}><abbr class="sign sign--{line.sign}" title="{line.word}">{line.sign}</abbr>'
        f"{escape(line.name)}{_MARKS.get(line.mark, '')}{counts}</a>\n"
    )


def _numbers(line: FileLine) -> str:
    added = f"+{line.added}" if line.added else ""
    removed = f"−{line.removed}" if line.removed else ""
    return f"{added} {removed}".strip()
