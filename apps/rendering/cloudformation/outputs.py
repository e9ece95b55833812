"""Outputs of a stack: they are no resources, but people read them and other stacks import what they export.

An export that goes or changes is told as a change of its own, because CloudFormation refuses the update while a stack imports
it; everything else is a note.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from apps.rendering.cloudformation.markers import inner
from apps.rendering.cloudformation.problems import placed
from apps.rendering.cloudformation.scopes import Scope
from apps.rendering.cloudformation.secrets import hidden
from apps.rendering.comparing.risks.reading import shown, shown_apart
from apps.rendering.model import (
    Action,
    FieldChange,
    Json,
    RenderError,
    ResourceChange,
    ResourceId,
    Risk,
    Source,
    Weight,
)

EXPORT = "Export"
"""The kind of an export among the resources of a stack; no type of AWS has such a name."""
_MOST_NOTES = 50


@dataclass(frozen=True, slots=True)
class Export:
    value: str
    source: Source


@dataclass(slots=True)
class Outputs:
    """Of one side, without secrets: values by the names of the outputs, and exports by the names under which all see them."""

    values: dict[str, str] = field(default_factory=dict)
    exports: dict[str, Export] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def read(self, scope: Scope) -> None:
        """Those of a stack; of a nested one, whose outputs only its parent sees, the exports."""
        for name, output in scope.template.outputs.items():
            if not isinstance(output, Mapping):
                continue
            try:
                self._read_one(scope, name, output)
            except RenderError as error:
                if "Export" in output:
                    raise
                self.warnings.append(f"The output {shown(name)} is not known here: {error.message}")

    def _read_one(self, scope: Scope, name: str, output: Mapping[str, Json]) -> None:
        line, fingerprint = scope.template.line("Outputs", name), scope.around.fingerprint
        with placed(scope.template.path, line, f"output {shown(name)}"):
            if "Condition" in output and not scope.conditions.holds(output["Condition"]):
                return
            named = hidden({name: scope.resolve(output.get("Value"))}, fingerprint)
            value = inner(next(iter(named.values())))
            if not scope.around.prefix:
                self.values[name] = value
            export = output.get("Export")
            if isinstance(export, Mapping) and "Name" in export:
                exported = inner(hidden(scope.resolve(export["Name"]), fingerprint))
                self.exports[exported] = Export(value, Source(scope.template.path, line))


def notes(old: Outputs, new: Outputs) -> list[str]:
    """What becomes of the outputs, in words; how many more there are is the last one."""
    found = list(_notes(old, new))
    more = [f"{len(found) - _MOST_NOTES} more outputs change."] if len(found) > _MOST_NOTES else []
    return found[:_MOST_NOTES] + more


def _notes(old: Outputs, new: Outputs) -> Iterator[str]:
    before, after = old.values, new.values
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield f"The output {shown(name)} is new: {shown(after[name])}."
        elif name not in after:
            yield f"The output {shown(name)} goes away; it was {shown(before[name])}."
        elif before[name] != after[name]:
            was, now = shown_apart(before[name], after[name])
            yield f"The output {shown(name)} changes from {was} to {now}."


def export_changes(old: Outputs, new: Outputs, namespace: str) -> tuple[ResourceChange, ...]:
    """Exports that other stacks may import and that will not be what they were."""
    found = []
    for name, export in sorted(old.exports.items()):
        there = new.exports.get(name)
        if there is not None and there.value == export.value:
            continue
        before = {"Name": name, "Value": export.value}
        found.append(
            ResourceChange(
                ResourceId("", EXPORT, namespace, name),
                Action.DELETE if there is None else Action.UPDATE,
                fields=() if there is None else (FieldChange(("Value",), export.value, there.value),),
                before=before,
                after=None if there is None else {**before, "Value": there.value},
                risks=(_risk(name, is_gone=there is None),),
                source=export.source if there is None else there.source,
            )
        )
    return tuple(found)


def _risk(name: str, *, is_gone: bool) -> Risk:
    what = "is taken away" if is_gone else "changes its value"
    return Risk("destroy", f"The export {shown(name)} {what}; while a stack imports it, the update fails.", Weight.HIGH)
