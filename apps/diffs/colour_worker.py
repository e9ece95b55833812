"""A process that colours lines with Pygments, for languages that have no lexer of ours: ``python -m apps.diffs.colour_worker``.

One JSON object a line, both ways. In: ``{"name": "a.rego", "lines": […]}``. Out: ``null`` where Pygments knows no such
name, else for each line a list of ``[class, text]`` (our class names, ``""`` for none). It writes no HTML, and whoever
asks checks that the texts are those that were sent. A regular expression of a lexer may take for ever on a hostile
line: the process holds nothing, so it is killed (Pygments' own advice for untrusted text).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from pygments.lexer import Lexer
from pygments.lexers import find_lexer_class_for_filename
from pygments.token import Comment, Keyword, Name, Number, String, _TokenType

READY = "ready"
Part = tuple[str, str]
_CLASSES: tuple[tuple[_TokenType, str], ...] = (
    (Comment, "c"), (String, "s"), (Number, "u"), (Keyword, "w"), (Name.Tag, "k"), (Name.Attribute, "k"),
    (Name.Function, "f"), (Name.Class, "f"), (Name.Builtin, "f"), (Name.Decorator, "f"), (Name.Variable, "k"),
)  # fmt: skip


def class_of(kind: _TokenType) -> str:
    """Our class for a token of Pygments; empty for what has no colour."""
    return next((name for parent, name in _CLASSES if kind in parent), "")


def coloured(name: str, lines: list[str]) -> list[list[Part]] | None:
    """The parts of each line; ``None`` where the name says no language."""
    found = find_lexer_class_for_filename(name)
    return None if found is None else list(_by_line(found(stripnl=False, ensurenl=False), lines))


def _by_line(lexer: Lexer, lines: list[str]) -> Iterator[list[Part]]:
    row: list[Part] = []
    for kind, text in lexer.get_tokens("\n".join(lines)):
        first, *rest = text.split("\n")
        if first:
            row.append((class_of(kind), first))
        for part in rest:
            yield row
            row = [(class_of(kind), part)] if part else []
    yield row


def main() -> None:
    """Answer until the input ends."""
    print(READY, flush=True)  # noqa: T201  # the protocol
    for question in sys.stdin:
        asked = json.loads(question)
        print(json.dumps(coloured(asked["name"], asked["lines"])), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
