"""Secrets of the inputs that a tool could quote in what it says: the messages of a tool name values, not where they stood.

The inputs are read for names that say so; templates, which are no YAML, line by line. Pure.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping

from apps.rendering import embedded
from apps.rendering.model import ABSENT, Json, RenderError
from apps.rendering.paths import inside
from apps.rendering.protocol import FILES, Tree
from apps.rendering.redaction import MARK, Fingerprint
from apps.rendering.sandbox.messages import GAP, clean_message
from apps.rendering.yaml_reader import Budget, documents

_BUDGET = Budget(size=1 << 20, documents=2_000, nodes=100_000, depth=50)
_MOST_BYTES, _MOST_FILES, _MOST = 16 << 20, 2_000, 2_000
_SHORTEST, _SHORTEST_INSIDE = 4, 8
"""Shorter texts stand in sentences by chance; those in between are replaced where no letter stands beside them."""
_LINE = re.compile(r"""^[ \t]*(?:-[ \t]+)?["']?([\w.-]{1,100})["']?[ \t]*[:=][ \t]*(\S.*)$""", re.MULTILINE)
_OF_SECRETS = frozenset({"data", "stringData"})
_GENERATOR = "secretGenerator"
_NAMING = frozenset({"name", "namespace", "key", "kind", "secretName", "existingSecret"})


class Quotes:
    """Takes the secrets of some inputs out of what a tool says."""

    def __init__(self, secrets: Iterable[str], fingerprint: Fingerprint) -> None:
        known = sorted(set(secrets), key=lambda text: (-len(text), text))[:_MOST]
        self._plain = {form: text for text in known for form in _forms(text)}
        forms = sorted(self._plain, key=lambda text: (-len(text), text))
        self._pattern = re.compile("|".join(map(_expression, forms))) if forms else None
        self._fingerprint = fingerprint

    def without(self, text: str) -> str:
        """The text with the fingerprints of secrets in their places, however they are written."""

        def hidden(found: re.Match[str]) -> str:
            return self._fingerprint(self._plain[found.group()].encode("utf-8", "surrogatepass"))

        return self._pattern.sub(hidden, _whole_lines(text)) if self._pattern else text


def _whole_lines(text: str) -> str:
    """Without the lines that were cut where a long message lost its middle: a part of a secret is not known again."""
    head, gap, tail = text.partition(GAP)
    return "".join((head.rpartition("\n")[0], GAP, tail.partition("\n")[2])) if gap else text


def quotes_of(trees: Iterable[Tree], inputs: Iterable[str], fingerprint: Fingerprint) -> Quotes:
    """Takes the secrets of these files and folders out of texts."""
    return Quotes(secret_texts_of(trees, inputs, fingerprint), fingerprint)


def secret_texts_of(trees: Iterable[Tree], inputs: Iterable[str], fingerprint: Fingerprint) -> set[str]:
    """The secrets of these files and folders. What cannot be read has none to tell."""
    found: set[str] = set()
    left = _MOST_BYTES
    folders = [inside(path) for path in inputs]
    for data in _files(trees, folders):
        left -= len(data)
        if left < 0 or len(found) > _MOST:
            break
        found.update(_secrets(data, fingerprint))
    return found


def _files(trees: Iterable[Tree], folders: Iterable[str]) -> Iterator[bytes]:
    wanted = list(folders)
    for tree in trees:
        entries = {entry.path: entry for folder in wanted for entry in tree.entries(folder)}
        for entry in list(entries.values())[:_MOST_FILES]:
            if entry.mode in FILES and entry.size <= _BUDGET.size:
                yield tree.read(entry.path)


def _secrets(data: bytes, fingerprint: Fingerprint) -> Iterator[str]:
    try:
        for value, _ in documents(data, budget=_BUDGET):
            yield from _in_value(value, fingerprint)
    except RenderError:
        text = data.decode("utf-8", "replace")
        of_secret = re.search(r"^kind: *[\"']?Secret\b", text, re.MULTILINE) is not None
        for found in _LINE.finditer(text):
            if of_secret or fingerprint.hides(found.group(1)):
                yield from _texts(found.group(2).strip().strip("\"'"))


def _in_value(value: Json, fingerprint: Fingerprint) -> Iterator[str]:
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, str) and (inside := embedded.parsed(item)) is not ABSENT:
            item = inside
        if isinstance(item, list):
            left += item
        if not isinstance(item, Mapping):
            continue
        of_secret = item.get("kind") == "Secret"
        named = item.get("name") if isinstance(item.get("name"), str) else ""
        for key, inner in item.items():
            name = str(key)
            is_value = name == "value" and named and fingerprint.hides(named)
            if (
                is_value
                or fingerprint.hides_value(name, inner)
                or name == _GENERATOR
                or (of_secret and name in _OF_SECRETS)
            ):
                yield from _below(inner)
            else:
                left.append(inner)


def _below(value: Json) -> Iterator[str]:
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, Mapping):
            left += [inner for key, inner in item.items() if key not in _NAMING]
        elif isinstance(item, list):
            left += item
        elif isinstance(item, str):
            yield from _texts(item)
        elif isinstance(item, int | float) and not isinstance(item, bool):
            yield from _texts(str(item))


def _texts(text: str) -> Iterator[str]:
    """A secret, its lines, what stands behind ``name=`` in a literal, and what it is in base64."""
    found = {text, *text.splitlines(), text.partition("=")[2]}
    with contextlib.suppress(ValueError):
        found.add(base64.b64decode("".join(text.split()), validate=True).decode())
    yield from (each.strip() for each in found if len(each.strip()) >= _SHORTEST and MARK not in each)


def _forms(text: str) -> Iterator[str]:
    """As it is, as programs quote it, and in base64."""
    yield text
    yield clean_message(text) or text
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()


def _expression(text: str) -> str:
    plain = re.escape(text)
    return plain if len(text) >= _SHORTEST_INSIDE else rf"(?<![A-Za-z0-9]){plain}(?![A-Za-z0-9])"
