"""The ``standard`` changes of the file: templates that were approved with it."""

from __future__ import annotations

from apps.policies.config.model import DEPLOY, MERGE, StandardConfig
from apps.policies.config.needs import read_people
from apps.policies.config.nodes import Node, Scalar
from apps.policies.config.reader import Reader
from apps.policies.config.rules import read_paths, read_resources, read_size

KEYS = ("name", "paths", "fields", "resources", "size", "by", "covers", "runbook")
EXAMPLE = "- {name: scale the shop, paths: [env/*/shop.yaml], fields: [spec.replicas]}"
MAX_ENTRIES = 50
_EVERYTHING = {"*", "**", "**/*", "/", "/*", "/**"}


def read_standards(reader: Reader, node: Node | None) -> tuple[StandardConfig, ...]:
    """All templates in the order of the file. One that would fit anything is an error: it would be no template."""
    entries = reader.entries(node, "standard", EXAMPLE)
    if len(entries) > MAX_ENTRIES and node is not None:
        reader.error(node, "standard", f"At most {MAX_ENTRIES} standard changes are allowed.", "Join some of them.")
    found: list[StandardConfig] = []
    for item, path in entries[:MAX_ENTRIES]:
        entry = _entry(reader, item, path)
        if entry is None:
            continue
        if entry.name and any(other.name == entry.name for other in found):
            reader.error(
                item, f"{path}.name", f"Two standard changes are named `{entry.name}`.", "Rename one of the two."
            )
        found.append(entry)
    return tuple(found)


def _entry(reader: Reader, item: Node, path: str) -> StandardConfig | None:
    mapping = reader.mapping(item, path, EXAMPLE)
    if mapping is None:
        return None
    fields = reader.fields(mapping, path, KEYS, ("name", "paths"))
    covers = reader.listed(fields.get("covers"), f"{path}.covers", (MERGE, DEPLOY), "no stage", "covers: [merge]")
    return StandardConfig(
        reader.text(fields.get("name"), f"{path}.name", "name: scale the shop", limit=100),
        _some_paths(reader, fields.get("paths"), f"{path}.paths"),
        _fields(reader, fields.get("fields"), f"{path}.fields"),
        read_resources(reader, fields.get("resources"), f"{path}.resources"),
        read_size(reader, fields.get("size"), f"{path}.size"),
        read_people(reader, fields["by"], f"{path}.by") if "by" in fields else (),
        covers or (MERGE,),
        reader.text(fields.get("runbook"), f"{path}.runbook", "runbook: scale-the-shop", limit=200).removesuffix(".md"),
        mapping.line,
    )


def _some_paths(reader: Reader, node: Node | None, path: str) -> tuple[str, ...]:
    found = read_paths(reader, node, path)
    for text in found:
        if text in _EVERYTHING and node is not None:
            message = f"`{text}` fits every path, so nothing would need an approval any more."
            reader.error(node, path, message, "Name the files of the procedure, such as `env/*/shop.yaml`.")
    return found


def _fields(reader: Reader, node: Node | None, path: str) -> tuple[str, ...]:
    found = reader.texts(node, path, "fields: [spec.replicas]")
    for item, place in reader.entries(node, path, "") if found else ():
        text = item.text if isinstance(item, Scalar) else ""
        if text and not text.replace("*", "").strip(".[]"):
            reader.error(item, place, f"`{text}` fits every field.", "Name fields, such as `spec.replicas`.")
    return found
