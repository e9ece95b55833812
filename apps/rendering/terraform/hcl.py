"""The structure of Terraform's files: blocks, their labels and attributes, with lines. Pure; evaluates nothing.

A small reader of the native syntax of HCL 2 (and of its JSON form), enough to see before a run what a module asks for.
The text of strings is as it is written, with their ``${…}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from apps.rendering.model import Failure, Json, RenderError

MAX_DEPTH = 50
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\f\ufeff]+|\#[^\n]*|//[^\n]*|/\*.*?\*/)|(?P<line>\n)
      |<<-?(?P<mark>[\w-]+)[ \t]*\r?\n(?P<document>.*?)^[ \t]*(?P=mark)[ \t]*\r?$
      |(?P<endless>/\*|<<-?[\w-]+[ \t]*\r?\n)|(?P<quote>")|(?P<word>[^\W\d][\w-]*)|(?P<mark_>.)""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_INSIDE = re.compile(r"""\\.|[$%]{2}\{|(?P<open>[$%]\{|\{)|(?P<close>\})|(?P<quote>")""", re.DOTALL)
_LABELS = {
    "resource": 2,
    "data": 2,
    "ephemeral": 2,
    "module": 1,
    "provider": 1,
    "variable": 1,
    "output": 1,
    "backend": 1,
}
_PAIRS = {"}": "{", "]": "[", ")": "("}


class Token(NamedTuple):
    """``kind``: ``word``, ``text`` (a string), ``line`` (its end) or ``mark`` (anything else, one character)."""

    kind: str
    text: str
    line: int


@dataclass(slots=True)
class Block:
    """``attributes``: the tokens of each expression. The file itself is a block with its path as name."""

    name: str = ""
    labels: tuple[str, ...] = ()
    line: int = 0
    attributes: dict[str, list[Token]] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    def named(self, *names: str) -> Iterator[Block]:
        """The blocks of these kinds directly in it."""
        return (block for block in self.blocks if block.name in names)

    def text(self, attribute: str) -> str | None:
        """The string that an attribute is; ``None`` where it is missing, or anything else."""
        found = self.attributes.get(attribute, [])
        return found[0].text if len(found) == 1 and found[0].kind == "text" else None

    def everything(self) -> Iterator[Token]:
        """All tokens of all expressions, at any depth."""
        left = [self]
        while left:
            block = left.pop()
            for tokens in block.attributes.values():
                yield from tokens
            left += block.blocks


def read(data: bytes, path: str) -> Block:
    """One file; ``path`` tells the syntax. Raises ``TEMPLATE`` with file and line where it cannot be read."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise RenderError(Failure.TEMPLATE, f"{path} is no UTF-8.", path=path) from None
    return _read_json(text, path) if path.endswith(".json") else _read_native(text, path)


def tokens(text: str, path: str = "") -> Iterator[Token]:
    """Raises ``TEMPLATE`` for a string without an end."""
    at, line = 0, 1
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup == "endless":
            raise _broken(path, line)
        kind, value, end = found.lastgroup or "", found.group(), found.end()
        if kind == "quote":
            end = _end_of_string(text, at, path, line)
            yield Token("text", text[at + 1 : end - 1], line)
        elif found.group("mark") is not None:
            yield Token("text", found.group("document"), line)
        elif kind != "space":
            yield Token("mark" if kind == "mark_" else kind, value, line)
        line += text.count("\n", at, end)
        at = end


def _end_of_string(text: str, start: int, path: str, line: int) -> int:
    """Behind the closing quotation mark; templates in it hold strings of their own."""
    inside = ['"']
    at = start + 1
    while inside:
        found = _INSIDE.search(text, at)
        if found is None or len(inside) > 2 * MAX_DEPTH:
            raise _broken(path, line)
        at = found.end()
        quoted = inside[-1] == '"'
        if found.lastgroup == "quote":
            inside.pop() if quoted else inside.append('"')
        elif found.lastgroup == "open" and not (quoted and found.group() == "{"):
            inside.append("{")
        elif found.lastgroup == "close" and not quoted:
            inside.pop()
    return at


def _read_native(text: str, path: str) -> Block:
    root = Block(path)
    inside = [root]
    stream = tokens(text, path)
    heading: list[Token] = []
    for token in stream:
        if token.kind in {"word", "text"}:
            heading.append(token)
        elif token.kind != "line" or heading:
            _structure(token, heading, inside, stream, path)
            heading = []
    if heading or len(inside) != 1:
        raise _broken(path, inside[-1].line)
    return root


def _structure(token: Token, heading: list[Token], inside: list[Block], stream: Iterator[Token], path: str) -> None:
    """What a mark does to the blocks that are open: close one, give one an attribute, open one."""
    closes = token.text == "}" and not heading
    if token.text == "=" and len(heading) == 1:
        closes = _expression(stream, inside[-1].attributes.setdefault(heading[0].text, []), path)
    elif token.text == "{" and heading and len(inside) <= MAX_DEPTH:
        block = Block(heading[0].text, tuple(label.text for label in heading[1:]), heading[0].line)
        inside[-1].blocks.append(block)
        inside.append(block)
    elif not closes:
        raise _broken(path, token.line)
    if closes and len(inside) == 1:
        raise _broken(path, token.line)
    if closes:
        inside.pop()


def _expression(stream: Iterator[Token], found: list[Token], path: str) -> bool:
    """Read an expression to the end of its line; whether the brace behind it closes its block instead."""
    brackets: list[str] = []
    for token in stream:
        if not brackets and (token.kind == "line" or token == ("mark", "}", token.line)):
            return token.kind == "mark"
        if token.kind == "mark" and token.text in _PAIRS.values():
            brackets.append(token.text)
        elif token.kind == "mark" and token.text in _PAIRS and (not brackets or brackets.pop() != _PAIRS[token.text]):
            raise _broken(path, token.line)
        if token.kind != "line":
            found.append(token)
    if brackets:
        raise _broken(path, found[-1].line)
    return False


def _read_json(text: str, path: str) -> Block:
    try:
        content = json.loads(text)
        return _json_block(path, (), content, 0)
    except json.JSONDecodeError as error:
        raise _broken(path, error.lineno) from None
    except (ValueError, RecursionError):
        raise _broken(path, 0) from None


def _json_block(name: str, labels: tuple[str, ...], content: Json, depth: int) -> Block:
    """Every key is an attribute and, where it holds an object, a block, too: the JSON form does not tell them apart."""
    if depth > MAX_DEPTH or not isinstance(content, dict):
        raise ValueError(name)
    block = Block(name, labels)
    for key, value in content.items():
        block.attributes[key] = list(_json_tokens(value))
        block.blocks += _json_blocks(key, (), value, _LABELS.get(key, 0), depth)
    return block


def _json_blocks(name: str, labels: tuple[str, ...], value: Json, missing: int, depth: int) -> Iterator[Block]:
    for each in value if isinstance(value, list) else [value]:
        if not isinstance(each, dict):
            continue
        if not missing:
            yield _json_block(name, labels, each, depth + 1)
        else:
            for label, inner in each.items():
                yield from _json_blocks(name, (*labels, label), inner, missing - 1, depth)


def _json_tokens(value: Json) -> Iterator[Token]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield Token("word", key, 0)
            yield from _json_tokens(item)
    elif isinstance(value, list):
        for item in value:
            yield from _json_tokens(item)
    else:
        yield Token("text" if isinstance(value, str) else "word", str(value), 0)


def _broken(path: str, line: int) -> RenderError:
    where = f"{path}:{line}" if line else path
    return RenderError(Failure.TEMPLATE, f"{where} cannot be read as Terraform.", path=path, line=line)
