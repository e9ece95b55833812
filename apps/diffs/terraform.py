"""What a Terraform file declares: its resources, modules and data sources, by their addresses. Pure.

A small reader of HCL's tokens (comments, strings, here-documents, braces; grammar of the HCL 2 native syntax specification),
enough to see the headings of blocks at the top level. Where braces do not match, or something stands where Terraform could
read it otherwise, nothing can be told: a block that is taken for the inside of a text would be hidden.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator

from apps.diffs.documents import Declared, Pairs

GIVES_RIGHTS = re.compile(
    r"(?:^|_)(?:iam|rbac|roles?|polic(?:y|ies)|grants?|permissions?|service_accounts?|access_entry)(?:_|$)"
)
"""Types of resources that give or take rights: ``aws_iam_role``, ``google_project_iam_member``, ``azurerm_role_assignment`` …"""
_TOKEN = re.compile(
    r"""(?P<skip>\#[^\n]*|//[^\n]*|/\*.*?\*/)|<<-?(?P<here>[^\W\d][\w-]*)\r?\n|(?P<odd><<|/\*)
      |(?P<quote>")|(?P<name>[A-Za-z_][\w-]*)|(?P<open>\{)|(?P<close>\})|(?P<line>\n)|(?P<other>[^\s])""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_INSIDE = re.compile(
    r"""\\.|(?P<odd>[$%]{3,}\{|\n|\#|//|/\*|<<)|[$%]{2}\{|(?P<open>[$%]?\{)|(?P<close>\})|(?P<quote>")""", re.DOTALL
)
_LABELS = {"resource": 2, "data": 2, "module": 1}


def declared(data: bytes, *, is_json: bool = False) -> Declared:
    """What one side of a ``.tf`` or ``.tf.json`` file declares; never raises for any content."""
    try:
        text = data.decode("utf-8")
        blocks = _json_blocks(text) if is_json else _blocks(text)
    except (ValueError, RecursionError):
        return Declared(unsure="it cannot be read as Terraform")
    resources: Counter[str] = Counter()
    rights: set[str] = set()
    for kind, *labels in blocks:
        address = ".".join(labels) if kind == "resource" else ".".join((kind, *labels))
        if kind != "data":  # a data source is only read: without it nothing is destroyed
            resources[address] += 1
        if kind != "module" and GIVES_RIGHTS.search(labels[0]):
            rights.add(address)
    return Declared(resources, tuple(sorted(rights)))


def _blocks(text: str) -> list[tuple[str, ...]]:
    """Headings ``(kind, label, …)`` of the blocks at the top level; ValueError when braces or quotes do not match."""
    found: list[tuple[str, ...]] = []
    depth = 0
    heading: list[str] = []
    for kind, word in _tokens(text):
        if kind == "open" and depth == 0 and heading and _LABELS.get(heading[0]) == len(heading) - 1:
            found.append(tuple(heading))
        depth += {"open": 1, "close": -1}.get(kind, 0)
        if depth < 0:
            raise ValueError("braces do not match")
        # A block's heading stands on one line; anything else ends it.
        heading = [*heading, word] if depth == 0 and kind in ("name", "quote") else []
    if depth:
        raise ValueError("braces do not match")
    return found


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """``(kind, text)`` of each token but comments and here-documents; of a string, what stands between its quotes."""
    at = 0
    while token := _TOKEN.search(text, at):
        at = token.end()
        if token.lastgroup == "quote":
            at = _end_of_string(text, at)
            yield "quote", text[token.end() : at - 1]
        elif token.lastgroup == "here":
            at = _end_of_here_document(text, at, token["here"])
        elif token.lastgroup == "odd":
            raise ValueError("a comment or a here-document does not end")
        elif token.lastgroup != "skip":
            yield str(token.lastgroup), token.group()


def _end_of_here_document(text: str, at: int, mark: str) -> int:
    """Where the document that began before ``at`` ends: at its mark alone on a line, which is none inside of ``${…}``."""
    stop = re.compile(
        rf"(?P<odd>[$%]{{3,}}\{{)|[$%]{{2}}\{{|(?P<open>[$%]\{{)|^(?P<end>[^\S\n]*{re.escape(mark)}[^\S\n]*)$",
        re.MULTILINE,
    )
    while token := stop.search(text, at):
        at = token.end()
        if token.lastgroup == "open":
            at = _end_of_string(text, at, "{")
        elif token.lastgroup == "end" and token.group().strip(" \t\r") == mark:
            return at
        elif token.lastgroup is not None:  # another kind of space, of which Terraform knows some
            break
    raise ValueError("a here-document does not end where all would see it")


def _end_of_string(text: str, at: int, opened: str = '"') -> int:
    """Where what was opened before ``at`` ends; ``${…}`` and ``%{…}`` in a string may hold strings and braces."""
    inside = [opened]
    for token in _INSIDE.finditer(text, at):
        kind, in_string = token.lastgroup, inside[-1] == '"'
        if kind == "odd" and _is_odd(token.group(), in_string=in_string):
            raise ValueError("a string goes over lines, or there is a comment or a here-document in it")
        if kind == "quote":
            if in_string:
                inside.pop()
            else:
                inside.append('"')
        elif kind == "open" and (not in_string or token.group() != "{"):
            inside.append("{")
        elif kind == "close" and not in_string:
            inside.pop()
        if not inside:
            return token.end()
    raise ValueError("a string does not end")


def _is_odd(found: str, *, in_string: bool) -> bool:
    """Text may hold ``#``; what stands between braces may go over lines."""
    return found.endswith("{") or (found == "\n") == in_string


def _json_blocks(text: str) -> list[tuple[str, ...]]:
    """The same of the JSON syntax: ``{"resource": {TYPE: {NAME: …}}}``, each level also as a list of objects."""
    found: list[tuple[str, ...]] = []
    for kind, body in _pairs(json.loads(text, object_pairs_hook=Pairs)):
        for label, inner in _pairs(body) if kind in _LABELS else ():
            found += [(kind, label, name) for name, _ in _pairs(inner)] if _LABELS[kind] > 1 else [(kind, label)]
    return found


def _pairs(value: object) -> list[tuple[str, object]]:
    if isinstance(value, Pairs):
        return list(value)
    return [pair for item in value for pair in _pairs(item)] if isinstance(value, list) else []
