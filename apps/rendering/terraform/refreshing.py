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
    """Raises what :func:`planned` raises, and ``REFUSED`` for a plan that did not look at everything, or at nothing."""
    if not isinstance(document, Mapping):
        return planned(document, fingerprint).difference  # which refuses it, with its words
    if document.get("complete", True) is not True:
        raise RenderError(Failure.REFUSED, "Terraform put parts of the plan off, so it has not looked at everything.")
    drifted = [*mappings_at(document, "resource_drift"), *_outputs(document)]
    if not drifted and not _is_about_something(document):
        raise RenderError(
            Failure.REFUSED,
            "The state holds nothing, so nothing was compared: everything was destroyed past the portal, or the state is lost, or "
            "another one (workspace, key) is read than at the deployment. Look at it before anything is applied.",
        )
    as_plan = {**document, "resource_changes": drifted, "output_changes": {}, "resource_drift": []}
    return planned(as_plan, fingerprint, secrets_in(document)).difference


def _is_about_something(document: Mapping[str, Json]) -> bool:
    """Whether there is a managed resource or an output in the state, as it was found now."""
    values = mapping_at(mapping_at(document, "prior_state"), "values")
    outputs = mapping_at(document, "output_changes").values()  # those that the state does not have are to be created
    had = any(isinstance(one, Mapping) and one.get("actions") != ["create"] for one in outputs)
    return had or _has_managed(mapping_at(values, "root_module"))


def _has_managed(module: Mapping[str, Json]) -> bool:
    waiting = [module]
    while waiting:
        one = waiting.pop()
        if any(row.get("mode") == "managed" for row in mappings_at(one, "resources")):
            return True
        waiting += mappings_at(one, "child_modules")
    return False


def _outputs(document: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    """An output that became another value. One that was never applied is none of the drift."""
    return (entry for entry in as_resources(document) if mapping_at(entry, "change").get("actions") in _CHANGED)
