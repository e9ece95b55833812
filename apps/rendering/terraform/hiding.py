"""The texts that a Terraform plan holds as sensitive, to be hidden wherever else they stand. Pure.

Terraform's marks do not follow a value everywhere: what a provider computes from a sensitive text (``terraform_data``'s
``output`` after its ``input``) stands there unmarked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from apps.rendering.comparing.risks.reading import at, mapping_at, mappings_at
from apps.rendering.model import Json
from apps.rendering.redaction import MARK, Fingerprint, redact_text, redact_value
from apps.rendering.sandbox.messages import clean_message
from apps.rendering.terraform.values import canonical, sensitive_parts

SHORTEST, SHORTEST_INSIDE = 4, 8
"""Shorter texts are hidden where they are marked only; those in between where they are a whole value, too."""
_SHORTEST_NUMBER = 4  # digits
_MOST_INSIDE = 1_000


def secrets_in(plan: Mapping[str, Json]) -> frozenset[str]:
    """All sensitive texts of a plan: of resources, outputs and variables."""
    return frozenset(text for part in _parts(plan) for text in _texts(part) if len(text) >= SHORTEST)


def _parts(plan: Mapping[str, Json]) -> Iterator[Json]:
    changes = [
        at(entry, "change") for name in ("resource_changes", "resource_drift") for entry in mappings_at(plan, name)
    ]
    for change in (*changes, *mapping_at(plan, "output_changes").values()):
        for side in ("before", "after"):
            yield from sensitive_parts(at(change, side), at(change, f"{side}_sensitive"))
    for values in (mapping_at(plan, "planned_values"), mapping_at(plan, "prior_state", "values")):
        for output in mapping_at(values, "outputs").values():
            yield from sensitive_parts(at(output, "value"), at(output, "sensitive"))
        yield from _of_module(mapping_at(values, "root_module"))
    variables = mapping_at(plan, "variables")
    for name, declared in mapping_at(plan, "configuration", "root_module", "variables").items():
        yield from sensitive_parts(at(variables, name, "value"), at(declared, "sensitive"))


def _of_module(root: Mapping[str, Json]) -> Iterator[Json]:
    left = [root]
    while left:
        module = left.pop()
        left += mappings_at(module, "child_modules")
        for resource in mappings_at(module, "resources"):
            yield from sensitive_parts(resource.get("values"), resource.get("sensitive_values"))


def _texts(value: Json) -> Iterator[str]:
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, str):
            yield item
        elif (number := _number(item)) is not None:
            yield number
        elif isinstance(item, Mapping):
            left += item.values()
        elif isinstance(item, list):
            left += item


def _number(value: Json) -> str | None:
    """A number as text, where it is long enough to be a secret: hiding every 1 and 80 would hide the plan."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return text if len(text := str(value)) >= _SHORTEST_NUMBER else None


class Cleaner:
    """Takes known secrets, and what its name or its looks say is secret, out of values and texts."""

    def __init__(self, secrets: Iterable[str], fingerprint: Fingerprint) -> None:
        self.secrets, self.fingerprint = frozenset(secrets), fingerprint
        inside = sorted(
            (text for text in self.secrets if len(text) >= SHORTEST_INSIDE), key=lambda text: (-len(text), text)
        )
        self._inside = re.compile("|".join(map(re.escape, inside[:_MOST_INSIDE]))) if inside else None

    def value(self, value: Json) -> Json:
        """A JSON value, keys of mappings included."""
        return redact_value(self._known(value), self.fingerprint)

    def name(self, value: Json) -> str:
        """A name for people."""
        return clean_message(redact_text(self._text(str(value)), self.fingerprint))

    def _known(self, value: Json) -> Json:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return {self._text(key): self._known(item) for key, item in value.items()}
        number = _number(value)
        if number is not None and number in self.secrets:
            return self.fingerprint(canonical(number))
        return [self._known(item) for item in value] if isinstance(value, list) else value

    def _text(self, text: str) -> str:
        if text in self.secrets and not text.startswith(MARK):
            return self.fingerprint(canonical(text))
        return (
            self._inside.sub(lambda found: self.fingerprint(canonical(found.group())), text) if self._inside else text
        )
