"""Outputs of a Terraform plan in the shape of its resources, so that they are compared, approved and shown as these are. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from apps.rendering.comparing.risks.reading import mapping_at
from apps.rendering.model import Json

OUTPUT = "output"
BUILT_IN = "terraform.io/builtin/terraform"
_NOTHING, _CREATE, _DELETE = ["no-op"], ["create"], ["delete"]


def as_resources(plan: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    """Those that change, by their names. The value stands under the name of the output, which can say that it is secret."""
    outputs = mapping_at(plan, "output_changes")
    for name in sorted(outputs):
        change = mapping_at(outputs, name)
        actions = change.get("actions")
        if actions == _NOTHING:
            continue
        before: Json = None if actions == _CREATE else {name: change.get("before")}
        after: Json = None if actions == _DELETE else {name: change.get("after")}
        marks = {f"{side}_sensitive": {name: change.get(f"{side}_sensitive", False)} for side in ("before", "after")}
        unknown = {name: change.get("after_unknown", False)}
        yield {
            "address": f"{OUTPUT}.{name}", "type": OUTPUT, "provider_name": BUILT_IN,
            "change": {"actions": actions, "before": before, "after": after, "after_unknown": unknown, **marks},
        }  # fmt: skip
