"""Rendered resources as rows: what happens to each, field by field, in words and values that cannot be misread."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from apps.diffs.characters import plain
from apps.presentation.lines import Line, difference
from apps.rendering.comparing import RULES, words
from apps.rendering.model import ABSENT, FieldChange, Json, ResourceChange, Risk, Unknown

LONGEST = 400
"""Characters of one value before it is cut, which is said."""
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
    """One resource on one or many targets to which the same happens. ``key`` names what happens, for marks and anchors."""

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
    seen: bool = False

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
    forces = any(field.path[: len(path)] == path for path in change.replace_paths)
    if _is_long(field.before) or _is_long(field.after):
        return FieldRow(path, "", "", _text_lines(field.before, field.after), rule, forces)
    return FieldRow(path, shown(field.before), shown(field.after), rule=rule, forces=forces)


def shown(value: Json) -> str | None:
    """A value on one line: text as it is, everything else as JSON; hidden characters as tokens."""
    if value is ABSENT:
        return None
    if isinstance(value, Unknown):
        return AFTER_IT_WAS_DONE
    text = value if isinstance(value, str) and value.strip() == value != "" else _json(value)
    return plain(text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)")


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, default=lambda _: AFTER_IT_WAS_DONE)


def _is_long(value: Json) -> bool:
    return isinstance(value, str) and "\n" in value


def _text_lines(before: Json, after: Json) -> tuple[Line, ...]:
    return difference(_as_text(before), _as_text(after))


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
    if body is None:
        return ""
    clean = json.loads(_json(dict(body)))
    return yaml.dump(clean, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)


class _Dumper(yaml.SafeDumper):
    """Texts of many lines as blocks, so that they are compared line by line."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def leaves(value: Json) -> int:
    """How many values a body has, for "12 unchanged fields"."""
    if isinstance(value, Mapping):
        return sum(leaves(item) for item in value.values())
    if isinstance(value, list):
        return sum(leaves(item) for item in value)
    return 1
