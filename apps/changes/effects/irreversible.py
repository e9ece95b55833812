"""What going back does not bring back, as far as the rendered effect of a change tells. Reads only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from apps.changes.effects.reading import Effects, effects_of
from apps.changes.models import ChangeRequest
from apps.rendering.cloudformation.risks import loss_of

HOLDING = frozenset(
    {"PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition", "StatefulSet"}
)
"""Kinds of Kubernetes that are deleted together with what was stored in them."""
_STORES = re.compile(
    r"(^|_)(db|rds|database|sql|table|bucket|volume|disk|file_system|dynamodb|elasticache|redis|queue)(_|$)"
)
"""Words in the types of Terraform's resources that keep data."""
LOST = frozenset({"delete", "replace"})


@dataclass(frozen=True, slots=True)
class Irreversible:
    """One resource of one target, with a sentence."""

    target: str
    resource: str
    text: str


@dataclass(frozen=True, slots=True)
class ReadBack:
    """``parts`` that do not come back, and ``unknown``: the targets whose effect is not known, so neither is this.

    ``known``: the targets whose effect is. Where both are empty nothing is known beyond the files.
    """

    parts: tuple[Irreversible, ...]
    unknown: tuple[str, ...]
    known: tuple[str, ...] = ()


def irreversible_parts(change: ChangeRequest) -> ReadBack:
    """From the renderings of the change's last revision; without targets nothing is known beyond the files."""
    return irreversible_in(effects_of(change.revision)) if change.revision is not None else ReadBack((), ())


def irreversible_in(effects: Effects) -> ReadBack:
    """The same of renderings that were read already."""
    rows = effects.rows
    parts = tuple(part for row in rows if row.state == "rendered" for part in _parts(row.label, row.facts))
    known, unknown = ([row.label for row in rows if (row.state == "rendered") is told] for told in (True, False))
    return ReadBack(parts, tuple(unknown), tuple(known))


def _parts(target: str, facts: dict[str, Any]) -> list[Irreversible]:
    found = []
    heavy = {where for code, weight, _, where in facts.get("risks", []) if code == "destroy" and weight == "high"}
    for kind, action, namespace, name, codes in facts.get("resources", []):
        shown = f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"
        if action in LOST and "destroy" in codes and any(name in where for where in heavy):
            found.append(
                Irreversible(target, shown, "The change deletes it. Going back makes it anew, without what it held.")
            )
        elif action == "create" and _holds_data(kind):
            found.append(
                Irreversible(target, shown, "The change creates it. Going back deletes it, with what was stored since.")
            )
    return found


def _holds_data(kind: str) -> bool:
    return kind in HOLDING or bool(_STORES.search(kind)) or bool(loss_of(kind))
