"""What a label selector asks for, and whether one selects no less than another."""

from __future__ import annotations

from collections.abc import Mapping

from apps.rendering.comparing.risks.reading import mapping_at, mappings_at, text_at, texts_at
from apps.rendering.model import Json

Requirement = tuple[str, str, tuple[str, ...]]
"""Key, operator, values in order; a label of ``matchLabels`` is one with the operator ``In``."""


def requirements(selector: Json) -> frozenset[Requirement]:
    """Everything that must hold; nothing: whatever there is is selected."""
    labels = mapping_at(selector, "matchLabels") if isinstance(selector, Mapping) else {}
    found: set[Requirement] = {(str(key), "In", (str(value),)) for key, value in labels.items()}
    for each in mappings_at(selector, "matchExpressions"):
        values = tuple(sorted(texts_at(each, "values")))
        found.add((text_at(each, "key"), text_at(each, "operator"), values))
    return frozenset(found)


def selects_all_of(wide: Json, narrow: Json) -> bool:
    """Whether everything that ``narrow`` selects is surely selected by ``wide``: that asks for nothing more."""
    return requirements(wide) <= requirements(narrow)
