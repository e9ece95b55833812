"""The plan of ``terraform plan -refresh-only`` as a difference: how what is there differs from the state. Pure.

``before`` is what the state says, which is what the last apply left; ``after`` is what was found now. The resources stand in
``resource_drift`` (format 1), outputs that became others in ``output_changes``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from apps.rendering.comparing.risks.reading import mapping_at, mappings_at
from apps.rendering.model import Difference, Failure, Json, RenderError
from apps.rendering.redaction import Fingerprint
from apps.rendering.terraform.hiding import secrets_in
from apps.rendering.terraform.plan_json import planned

OUTPUT = "output"
_BUILT_IN = "terraform.io/builtin/terraform"
_CHANGED = (["update"], ["delete"])


def refreshed(document: Json, fingerprint: Fingerprint) -> Difference:
    """Raises what :func:`planned` raises, and ``REFUSED`` for a plan that says it did not look at everything."""
    if not isinstance(document, Mapping):
        return planned(document, fingerprint).difference  # which refuses it, with its words
    if document.get("complete", True) is not True:
        raise RenderError(Failure.REFUSED, "Terraform put parts of the plan off, so it has not looked at everything.")
    drifted = [*mappings_at(document, "resource_drift"), *_outputs(document)]
    as_plan = {**document, "resource_changes": drifted, "output_changes": {}, "resource_drift": []}
    return planned(as_plan, fingerprint, secrets_in(document)).difference


def _outputs(document: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    """An output that became another value, in the shape of a resource. One that was never applied is none of the drift."""
    outputs = mapping_at(document, "output_changes")
    for name in sorted(outputs):
        change = mapping_at(outputs, name)
        if change.get("actions") not in _CHANGED:
            continue
        sides: dict[str, Json] = {side: {"value": change.get(side)} for side in ("before", "after")}
        if change["actions"] == ["delete"]:
            sides["after"] = None
        marks = {f"{side}_sensitive": {"value": change.get(f"{side}_sensitive", False)} for side in ("before", "after")}
        yield {
            "address": f"{OUTPUT}.{name}", "type": OUTPUT, "provider_name": _BUILT_IN,
            "change": {"actions": change["actions"], **sides, **marks},
        }  # fmt: skip
