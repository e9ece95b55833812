"""From a plan to a difference: every resource that does not stay as it is, with what forces its replacement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from apps.rendering.comparing import compare
from apps.rendering.model import (
    Action,
    Difference,
    Failure,
    FieldChange,
    RenderError,
    Resource,
    ResourceChange,
    ResourceId,
    Risk,
    Step,
    ToolIdentity,
)
from apps.rendering.planning import Planned
from apps.rendering.redaction import Fingerprint, redact_text
from apps.rendering.terraform.documents import read_document
from apps.rendering.terraform.risks import risks_of
from apps.rendering.terraform.values import prepared

ACTIONS: Mapping[tuple[str, ...], Action | None] = {
    ("no-op",): None,
    ("read",): None,
    ("create",): Action.CREATE,
    ("update",): Action.UPDATE,
    ("delete",): Action.DELETE,
    ("delete", "create"): Action.REPLACE,
    ("create", "delete"): Action.REPLACE,
    ("forget",): Action.UPDATE,
    ("create", "forget"): Action.REPLACE,
}
"""Terraform's words for what happens; ``None``: nothing does."""

FORGOTTEN = Risk("destroy", "Terraform forgets it: it stays as it is, and nobody manages it any more.")
MAX_CHANGES = 100_000


def read_plan(data: bytes, fingerprint: Fingerprint) -> Planned:
    """A plan that a pipeline handed in. Raises :class:`~apps.rendering.model.RenderError` for what is none."""
    document = read_document(data)
    tool = ToolIdentity("terraform", str(document.get("terraform_version", ""))[:40])
    return planned_from(document, tool, fingerprint)


def planned_from(document: Mapping[str, Any], tool: ToolIdentity, fingerprint: Fingerprint) -> Planned:
    """What the document says will happen, secrets replaced."""
    entries = document.get("resource_changes", [])
    if len(entries) > MAX_CHANGES:
        raise RenderError(Failure.TOO_LARGE, f"It has {len(entries):,} resources; at most {MAX_CHANGES:,} are read.")
    found = [(entry, _change(entry, fingerprint)) for entry in entries]
    changes = tuple(change for _, change in found if change is not None)
    return Planned(
        difference=Difference(changes, unchanged=len(found) - len(changes)),
        tool=tool,
        warnings=tuple(redact_text(text, fingerprint) for text in _warnings(document)),
    )


def _change(entry: Any, fingerprint: Fingerprint) -> ResourceChange | None:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("change"), Mapping):
        raise RenderError(Failure.REFUSED, "One of its resource_changes has no change.")
    facts, address = entry["change"], str(entry.get("address", ""))
    words = tuple(str(word) for word in facts.get("actions", ()))
    if words not in ACTIONS:
        raise RenderError(Failure.REFUSED, f"{address[:200]}: nobody here knows the action {'/'.join(words)[:60]}.")
    moved = str(entry.get("previous_address", "")) not in ("", address)
    action = ACTIONS[words] or (Action.UPDATE if moved or "importing" in facts else None)
    if action is None:
        return None
    before = prepared(facts.get("before"), None, facts.get("before_sensitive"), fingerprint)
    after = prepared(facts.get("after"), facts.get("after_unknown"), facts.get("after_sensitive"), fingerprint)
    change = ResourceChange(
        id=_identity(entry, address),
        action=action,
        fields=fields_between(before, after) if before is not None and after is not None else (),
        before=before,
        after=after,
        replace_paths=_paths(facts.get("replace_paths", ())),
    )
    return _with_risks(change, words, entry, moved=moved, imported="importing" in facts)


def _identity(entry: Mapping[str, Any], address: str) -> ResourceId:
    name = f"{address} (deposed {entry['deposed']})" if entry.get("deposed") else address
    return ResourceId(str(entry.get("provider_name", "")), str(entry.get("type", "")), "", name)


def fields_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """What differs, place by place; no rule of any system takes part."""
    identity = ResourceId("", "attributes", "", "")
    found = compare([Resource(identity, before)], [Resource(identity, after)])
    return next((change.fields for change in (*found.changes, *found.silent)), ())


def _paths(found: Any) -> tuple[tuple[Step, ...], ...]:
    if not isinstance(found, list):
        return ()
    return tuple(
        tuple(step if isinstance(step, int) and not isinstance(step, bool) else str(step) for step in path)
        for path in found
        if isinstance(path, list)
    )


def _with_risks(
    change: ResourceChange, words: tuple[str, ...], entry: Mapping[str, Any], *, moved: bool, imported: bool
) -> ResourceChange:
    said: list[Risk] = []
    if "forget" in words:
        said.append(FORGOTTEN)
    if moved:
        said.append(
            Risk("restart", f"Known as {str(entry.get('previous_address'))[:200]} until now; only its address moves.")
        )
    if imported:
        said.append(Risk("restart", "It exists already, and is taken over by Terraform."))
    return replace(change, risks=(*risks_of(change), *said))


def _warnings(document: Mapping[str, Any]) -> Iterator[str]:
    if document.get("complete") is False:
        yield "This plan is not complete: Terraform deferred a part of it to a later run."
    for name, output in _mapping(document.get("output_changes")).items():
        actions = _mapping(output).get("actions")
        if actions not in (["no-op"], None):
            yield f"The output {str(name)[:100]} changes ({'/'.join(map(str, actions))[:40]})."
    for entry in document.get("resource_drift", []) or []:
        yield f"{str(_mapping(entry).get('address', ''))[:200]} was changed outside of Terraform since the last run."


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
