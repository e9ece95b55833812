"""Rendered resources as rows: what happens to each, field by field, in words and values that cannot be misread."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from apps.core.text import start_of_difference
from apps.diffs.characters import plain
from apps.presentation.lines import Line, difference
from apps.rendering.comparing import RULES, words
from apps.rendering.comparing.codec import encode_value
from apps.rendering.model import ABSENT, FieldChange, Json, Order, ResourceChange, Risk, Step, Unknown

LONGEST = 400
"""Characters of one value before it is cut, which is said."""
LED = 40
"""Characters that stay before the first one that differs, of a text that is cut there."""
MOST_WHOLE = 20_000
"""Lines of one resource that is shown whole."""
AFTER_IT_WAS_DONE = "(known after apply)"


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field. ``before`` or ``after`` is ``None`` where there is nothing; ``lines`` in place of both for long texts.

    ``rule`` says in words why the difference has no effect; ``forces``: it is why the resource is replaced.
    """

    path: str
    before: str | None
    after: str | None
    lines: tuple[Line, ...] = ()
    rule: str = ""
    forces: bool = False

    @property
    def sign(self) -> str:
        """``+`` for a new field, ``-`` for one that goes, ``~`` for one that changes."""
        if self.before is None:
            return "+"
        return "-" if self.after is None else "~"


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """One resource on one or many targets to which the same happens. ``key`` names what happens, for marks and anchors.

    ``also``: its names on targets where fields that stay are other ones. ``raw_of``: the target of ``raw``, if it is not
    the same on all of them.
    """

    key: str
    action: str
    kind: str
    name: str
    namespace: str
    api: str
    targets: tuple[str, ...]
    fields: tuple[FieldRow, ...]
    quiet: tuple[FieldRow, ...]
    unchanged: int
    risks: tuple[Risk, ...]
    source: str = ""
    source_url: str = ""
    history_url: str = ""
    raw: tuple[Line, ...] = ()
    raw_of: str = ""
    seen: bool = False
    also: tuple[str, ...] = ()

    @property
    def heavy(self) -> bool:
        """Whether something is lost: shown first, and marked one by one."""
        return self.action in {"delete", "replace"}

    @property
    def names_kind(self) -> bool:
        """Whether the name says the kind already, as addresses of Terraform do."""
        return f".{self.kind}." in f".{self.name}"


def field_rows(change: ResourceChange) -> tuple[tuple[FieldRow, ...], tuple[FieldRow, ...]]:
    """The fields that count, and those whose difference has no effect."""
    rows = [field_row(field, change) for field in change.fields]
    return tuple(row for row in rows if not row.rule), tuple(row for row in rows if row.rule)


def field_row(field: FieldChange, change: ResourceChange) -> FieldRow:
    """One field of a resource, as it is shown."""
    path, rule = plain(words(field.path)), RULES.get(field.rule, field.rule)
    forces = any(_is_around(field.path, place) for place in change.replace_paths)
    lines = _lines_of(field.before, field.after)
    if lines:
        before, after = (None if value is ABSENT else "" for value in (field.before, field.after))
    else:
        before, after = shown(field.before, field.after)
    return FieldRow(path, before, after, lines, rule, forces)


def _is_around(one: tuple[Step, ...], other: tuple[Step, ...]) -> bool:
    """Whether one of the places is inside the other one, or the same."""
    return all(step == there for step, there in zip(one, other, strict=False))


def shown(before: Json, after: Json) -> tuple[str | None, str | None]:
    """Two values that differ, each on one line, ``None`` for nothing: never the same words for both."""
    found = _cut(_on_one_line(before), _on_one_line(after))
    return found if found[0] != found[1] else _cut(_exactly(before), _exactly(after))


def _on_one_line(value: Json) -> str | None:
    """Text as it is, unless it would be read as something else; everything else as JSON."""
    if value is ABSENT:
        return None
    if isinstance(value, Unknown):
        return AFTER_IT_WAS_DONE
    return value if isinstance(value, str) and _is_clear(value) else _json(value)


def _is_clear(text: str) -> bool:
    """Whether a text without quotation marks is taken for a text: no number, no truth value, nothing between quotes."""
    if text.strip() != text or text in {"", AFTER_IT_WAS_DONE}:
        return False
    try:
        return isinstance(json.loads(text), list | dict)
    except (ValueError, RecursionError):
        return True


def _exactly(value: Json) -> str:
    """Another text for each other value: all of it as JSON, what is hidden or looks like something else escaped."""
    return json.dumps(encode_value(value), sort_keys=True)


def _cut(before: str | None, after: str | None) -> tuple[str | None, str | None]:
    """Both no longer than they may be; what they begin with alike goes first, so that the place where they differ stays."""
    if before is None or after is None:
        return _part(before, 0), _part(after, 0)
    start = start_of_difference(before, after, LED)
    return _part(before, start), _part(after, start)


def _part(text: str | None, start: int) -> str | None:
    if text is None or len(text) <= LONGEST:
        return None if text is None else plain(text)
    end = start + LONGEST
    return plain(f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''} ({len(text):,} characters)")


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, default=lambda _: AFTER_IT_WAS_DONE)


def _lines_of(before: Json, after: Json) -> tuple[Line, ...]:
    """Texts of many lines, and what is too long for one line, line by line; nothing where both fit on one."""
    if any(isinstance(value, str) and "\n" in value for value in (before, after)):
        return difference(_as_text(before), _as_text(after))
    if any(isinstance(value, Mapping | list) and len(_json(value)) > LONGEST for value in (before, after)):
        return difference(_yaml_of(before), _yaml_of(after))
    return ()


def _as_text(value: Json) -> str:
    if value is ABSENT:
        return ""
    return value if isinstance(value, str) else _json(value)


def raw_lines(change: ResourceChange, *, whole: bool = False) -> tuple[Line, ...]:
    """Both bodies as YAML, compared line by line; ``whole``: with every line that stays."""
    sides = as_yaml(change.before), as_yaml(change.after)
    return difference(*sides, around=MOST_WHOLE, most=MOST_WHOLE) if whole else difference(*sides)


def as_yaml(body: Mapping[str, Json] | None) -> str:
    """A body as YAML; empty for none."""
    return "" if body is None else _yaml_of(dict(body))


def _yaml_of(value: Json) -> str:
    """A value as YAML; empty for nothing."""
    if value is ABSENT:
        return ""
    return yaml.dump(json.loads(_json(value)), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)


class _Dumper(yaml.SafeDumper):
    """Texts of many lines as blocks, so that they are compared line by line."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def staying(change: ResourceChange) -> int:
    """How many values of a changed body stay as they are."""
    changed = (
        field.after for field in change.fields if field.after is not ABSENT and not isinstance(field.path[-1], Order)
    )
    return leaves(change.after or {}) - sum(map(leaves, changed))


def leaves(value: Json) -> int:
    """How many values a body has."""
    if isinstance(value, Mapping):
        return sum(leaves(item) for item in value.values())
    if isinstance(value, list):
        return sum(leaves(item) for item in value)
    return 1
