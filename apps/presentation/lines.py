"""Differences of texts line by line, each line by its sign: none that differs is left out, whatever it begins or ends with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from itertools import islice

from apps.diffs.characters import plain

AROUND = 3
MOST_LINES = 400
"""Lines of one difference that are shown."""
HEADS_OF_DIFFLIB = 2
"""Lines with the names of both sides, which ``unified_diff`` writes first; what a text says may look like them."""
NO_LINE_END = "\\ No newline at end of file"
"""As Git says it."""
OF_A_FILE = (
    "Binary files ", "old mode ", "new mode ",
    *(f"{side} file mode {mode}" for side in ("new", "deleted") for mode in ("100755", "120000", "160000")),
)  # fmt: skip
"""What a patch says about a file beside its paths, its object ids and its lines: of a new or deleted one, that it is a program, a
link or another repository, and no ordinary file."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a difference: ``sign`` is ``+``, ``-``, ``@`` or a space."""

    sign: str
    text: str


def difference(before: str, after: str, *, around: int = AROUND, most: int = MOST_LINES) -> tuple[Line, ...]:
    """The lines that differ, with ``around`` lines before and after each; a cut after ``most`` says how many are left out."""
    # One piece, about which neither a line number nor its last line says anything.
    is_one_sided = not before or not after
    rows = unified_diff(_lines(before), _lines(after), n=around, lineterm="\n")
    found: list[Line] = []
    for text in islice(rows, HEADS_OF_DIFFLIB, None):
        if text[0] == "@":
            found += [] if is_one_sided else [Line("@", text.rstrip("\n"))]
            continue
        found.append(Line(text[0], plain(text[1:].removesuffix("\n"))))
        if not text.endswith("\n") and not is_one_sided:
            found.append(Line(" ", NO_LINE_END))
    if len(found) <= most:
        return tuple(found)
    return (*found[:most], Line("@", f"{len(found) - most:,} more lines are not shown"))


def _lines(text: str) -> list[str]:
    """With their ends. Only LF ends one: any other character that Python takes for an end is part of what differs."""
    found = [f"{line}\n" for line in text.split("\n")]
    found[-1] = found[-1][:-1]
    return found if found[-1] else found[:-1]


def patch_lines(patch: bytes, *, with_heads: bool = False) -> Iterator[Line]:
    """The lines of a patch of Git. In a hunk every line has a sign, so what stands in the first column outside is Git's own.

    ``with_heads``: also what it says before the first hunk of each file (paths, object ids).
    """
    in_hunk = False
    for text in patch.decode("utf-8", "replace").removesuffix("\n").split("\n"):
        if text.startswith("@@ "):
            in_hunk = True
        elif not text.startswith(("+", "-", " ", "\\")):
            in_hunk = False
        if in_hunk and text[0] in "+- ":
            yield Line(text[0], plain(text[1:]))
        elif in_hunk and text[0] == "\\":
            yield Line(" ", text)
        elif text and (in_hunk or with_heads or text.startswith(OF_A_FILE)):
            yield Line("@", plain(text))
