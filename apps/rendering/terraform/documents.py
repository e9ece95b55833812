"""The document of ``terraform show -json PLAN``, read with limits (format version 1; "JSON Output Format" of Terraform's manual)."""

from __future__ import annotations

import json
from typing import Any

from apps.rendering.model import Failure, RenderError

MAX_BYTES = 50_000_000
MAX_DEPTH = 100


def read_document(data: bytes) -> dict[str, Any]:
    """The plan as a mapping. Raises ``TOO_LARGE``, or ``REFUSED`` for what is no complete plan of a known format."""
    if len(data) > MAX_BYTES:
        raise RenderError(Failure.TOO_LARGE, f"A plan has at most {MAX_BYTES // 1_000_000} MB of JSON.")
    try:
        found = json.loads(data, object_pairs_hook=_pairs)
    except RecursionError:
        raise RenderError(Failure.TOO_LARGE, "It is nested too deeply.") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise RenderError(Failure.REFUSED, f"It is no JSON: {str(error)[:200]}.") from None
    _require_shallow(found)
    _require_plan(found)
    return dict(found)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one mapping")
    return found


def _require_shallow(value: Any) -> None:
    level, left = 0, [value]
    while left:
        level += 1
        if level > MAX_DEPTH:
            raise RenderError(Failure.TOO_LARGE, f"It is nested more than {MAX_DEPTH} levels deep.")
        left = [inner for each in left for inner in _inner(each)]


def _inner(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _require_plan(found: Any) -> None:
    if not isinstance(found, dict) or "format_version" not in found:
        raise RenderError(Failure.REFUSED, "It is no plan: write what `terraform show -json PLAN` prints.")
    version = str(found["format_version"])
    if version.partition(".")[0] != "1":
        raise RenderError(
            Failure.REFUSED, f"Plans of the format version {version[:20]} are not understood here, only 1.x."
        )
    if found.get("errored"):
        raise RenderError(Failure.REFUSED, "This plan ended with errors, so it does not tell what will happen.")
    if "planned_values" not in found and "resource_changes" not in found:
        raise RenderError(Failure.REFUSED, "It is a state or a configuration, and no plan.")
    if not isinstance(found.get("resource_changes", []), list):
        raise RenderError(Failure.REFUSED, "Its resource_changes are no list.")
