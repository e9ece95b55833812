"""The ``secrets`` of the file: what this repository calls secret beside what everybody does."""

from __future__ import annotations

from apps.policies.config.model import SecretConfig
from apps.policies.config.nodes import Node, Scalar
from apps.policies.config.reader import Reader

KEYS = ("name", "keys", "values")
EXAMPLE = '- {name: internal tokens, keys: ["*_apikey"], values: ["acme-*"]}'
MAX_ENTRIES = 20
MAX_PATTERNS = 20
MAX_LENGTH = 100
MIN_LITERAL = 3
"""Letters of a pattern that are no ``*``: with fewer, it would hide what has to be reviewed."""
_OTHER = "?[]"


def read_secrets(reader: Reader, node: Node | None) -> tuple[SecretConfig, ...]:
    """All entries in the order of the file."""
    entries = reader.entries(node, "secrets", EXAMPLE)
    if len(entries) > MAX_ENTRIES and node is not None:
        message = f"`secrets` has {len(entries)} entries; at most {MAX_ENTRIES} are allowed."
        reader.error(node, "secrets", message, "Join entries: each can have several patterns.")
    found: list[SecretConfig] = []
    for item, path in entries[:MAX_ENTRIES]:
        entry = _entry(reader, item, path)
        if entry is None:
            continue
        if entry.name and any(other.name == entry.name for other in found):
            reader.error(item, f"{path}.name", f"Two entries are named `{entry.name}`.", "Rename one of the two.")
        found.append(entry)
    return tuple(found)


def _entry(reader: Reader, item: Node, path: str) -> SecretConfig | None:
    mapping = reader.mapping(item, path, EXAMPLE)
    if mapping is None:
        return None
    fields = reader.fields(mapping, path, KEYS, ("name",))
    if "keys" not in fields and "values" not in fields:
        reader.error(
            mapping, path, f"`{path}` says neither which `keys` nor which `values` are secret.", f"Write `{EXAMPLE}`."
        )
    return SecretConfig(
        reader.text(fields.get("name"), f"{path}.name", "name: internal tokens", limit=100),
        _patterns(reader, fields.get("keys"), f"{path}.keys", 'keys: ["*_apikey"]'),
        _patterns(reader, fields.get("values"), f"{path}.values", 'values: ["acme-*"]'),
        mapping.line,
    )


def _patterns(reader: Reader, node: Node | None, path: str, example: str) -> tuple[str, ...]:
    found = reader.texts(node, path, example)
    if len(found) > MAX_PATTERNS and node is not None:
        message = f"`{path}` has {len(found)} patterns; at most {MAX_PATTERNS} are allowed."
        reader.error(node, path, message, "Write fewer, or another entry.")
    for item, place in reader.entries(node, path, example) if found else ():
        _check(reader, item, place)
    return found[:MAX_PATTERNS]


def _check(reader: Reader, item: Node, place: str) -> None:
    text = item.text if isinstance(item, Scalar) else ""
    if not text:
        return
    if len(text) > MAX_LENGTH:
        reader.error(
            item, place, f"This pattern has {len(text)} characters; at most {MAX_LENGTH} are allowed.", "Shorten it."
        )
    if any(letter in text for letter in _OTHER):
        message = f"`{text[:40]}` has a `?`, `[` or `]`; only `*` stands for other characters here."
        reader.error(item, place, message, "Write `*` in its place.")
    if any(letter.isspace() for letter in text):
        message = f"`{text[:40]}` has white space in it, but patterns are tried on single words."
        reader.error(item, place, message, "Write a pattern of one word.")
    if len(text.replace("*", "")) < MIN_LITERAL:
        message = f"`{text[:40]}` would hide nearly everything: at least {MIN_LITERAL} characters must be no `*`."
        reader.error(item, place, message, "Name more of what all these secrets have in common, such as `acme-*`.")
