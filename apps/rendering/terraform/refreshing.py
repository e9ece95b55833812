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
from apps.rendering.terraform.outputs import as_resources
from apps.rendering.terraform.plan_json import planned

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
    """An output that became another value. One that was never applied is none of the drift."""
    return (entry for entry in as_resources(document) if mapping_at(entry, "change").get("actions") in _CHANGED)
