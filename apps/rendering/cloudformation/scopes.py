"""One template with its values: how everything in it is resolved, as far as it is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from apps.rendering.cloudformation.conditions import Conditions
from apps.rendering.cloudformation.functions import FUNCTIONS, UNSUPPORTED
from apps.rendering.cloudformation.markers import literal, marker
from apps.rendering.cloudformation.problems import problem, shown
from apps.rendering.cloudformation.templates import Template
from apps.rendering.cloudformation.values import NOTHING, Spending
from apps.rendering.model import Failure, Json
from apps.rendering.redaction import MARK, Fingerprint

_PSEUDO = frozenset("AccountId NotificationARNs Partition Region StackId StackName URLSuffix".split())


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a stack gets from outside its template. ``prefix``: the ids of the stacks around it, each with a ``/``.

    ``names``: the ids of the templates around it, which markers in its parameters may have.
    """

    fingerprint: Fingerprint
    spending: Spending
    stack: str = ""
    region: str = ""
    prefix: str = ""
    names: frozenset[str] = frozenset()


class Scope:
    def __init__(self, template: Template, values: Mapping[str, Json], around: Surroundings) -> None:
        self.template, self.values, self.around = template, values, around
        self.conditions = Conditions(template.conditions, self.resolve, around.fingerprint)
        self.names = around.names | template.resources.keys() | template.parameters.keys()

    def resolve(self, value: Json) -> Json:
        """``NOTHING`` for ``AWS::NoValue``; otherwise JSON, in which text may be a marker."""
        self.around.spending.spend(1)
        if isinstance(value, str):
            return self.literal(value)
        if isinstance(value, list):
            return [each for each in map(self.resolve, value) if each is not NOTHING]
        if not isinstance(value, Mapping):
            return value
        for name in value:
            if name in UNSUPPORTED or name.startswith("Fn::ForEach"):
                raise problem(f"{shown(name)} needs a macro, which only AWS can run.", Failure.UNSUPPORTED)
            if name.startswith("Fn::") and (name not in FUNCTIONS or len(value) > 1):
                raise problem(f"{shown(name)} is no function that can stand here.")
        if len(value) == 1 and (name := next(iter(value))) in FUNCTIONS:
            return FUNCTIONS[name](self, value[name])
        found = {key: self.resolve(each) for key, each in value.items()}
        return {key: each for key, each in found.items() if each is not NOTHING}

    def literal(self, text: str) -> str:
        if MARK in text:
            raise problem("A text holds the mark of fingerprints; it would be read as one.", Failure.REFUSED)
        self.around.spending.spend(len(text) // 64)
        return literal(text, self.names)

    def reference(self, name: str) -> Json:
        if name.startswith("AWS::"):
            return self._pseudo(name.removeprefix("AWS::"))
        if name in self.values:
            value = self.values[name]
            self.around.spending.spend(len(value) if isinstance(value, list) else len(value) // 64)
            return value
        return marker(self.resource(name))

    def _pseudo(self, name: str) -> Json:
        if name == "NoValue":
            return NOTHING
        if name not in _PSEUDO:
            raise problem(f"There is no pseudo parameter AWS::{shown(name)}.")
        known = {"Region": self.around.region, "StackName": self.around.stack}.get(name, "")
        if self.around.prefix and name in {"StackName", "StackId"}:
            return marker(f"AWS::{name}", self.around.prefix.rstrip("/"))
        return known or marker(f"AWS::{name}")

    def resource(self, name: str) -> str:
        """The resource with its stacks, as markers name it. It must be there."""
        if not self.has(name):
            raise problem(f"“{shown(name)}” is no parameter and no resource that is created.")
        return f"{self.around.prefix}{name}"

    def has(self, name: str) -> bool:
        """Whether the template has this resource, and its condition holds."""
        declared = self.template.resources.get(name)
        return declared is not None and ("Condition" not in declared or self.conditions.holds(declared["Condition"]))

    def found_in(self, name: str, first: str, second: str) -> Json:
        table = self.template.mappings.get(name)
        row = table.get(first) if isinstance(table, Mapping) else None
        if not isinstance(row, Mapping) or second not in row:
            raise problem(f"The mapping {shown(name)} has no {shown(first)}.{shown(second)}.")
        return self.resolve(row[second])
