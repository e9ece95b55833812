"""Templates in YAML or JSON: their sections, and the line of every entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from apps.rendering.cloudformation.lines import lines_of
from apps.rendering.cloudformation.problems import placed, problem, shown
from apps.rendering.comparing.equality import within_limits
from apps.rendering.model import Failure, Json
from apps.rendering.yaml_reader import Budget, Dialect, documents

BUDGET = Budget(size=1 << 20, documents=1, nodes=100_000, depth=40)
"""AWS takes templates of 1 MB. A short form is two levels, so that no body has more than a comparison takes."""

_SECTIONS = frozenset(
    "AWSTemplateFormatVersion Description Metadata Parameters Rules Mappings Conditions Transform Resources Outputs Hooks".split()
)
_ATTRIBUTES = frozenset(
    "Type Version Properties DependsOn Condition Metadata CreationPolicy UpdatePolicy DeletionPolicy UpdateReplacePolicy".split()
)
_MACRO = "is made by a macro, which only AWS can run; such a template cannot be compared here"


def _function(name: str) -> Callable[[Json], Json]:
    return lambda content: {name: content}


def _attribute(content: Json) -> Json:
    return {"Fn::GetAtt": content.split(".", 1) if isinstance(content, str) else content}


_NAMES = (
    "And Base64 Cidr Equals FindInMap ForEach GetAZs If ImportValue Join Length Not Or Select Split Sub ToJsonString Transform "
    "Contains EachMemberEquals EachMemberIn RefAll ValueOf ValueOfAll"  # these of Rules, which change no resource
).split()
_TAGS = {
    **{f"!{name}": _function(f"Fn::{name}") for name in _NAMES},
    **{f"!{name}": _function(name) for name in ("Ref", "Condition")},
    "!GetAtt": _attribute,
}
DIALECT = Dialect(_TAGS, text_keys=True, texts=frozenset("yYnN"))
"""CloudFormation reads YAML 1.1, in which ``yes`` is true; but ``AttributeType: N`` is text."""


@dataclass(frozen=True, slots=True)
class Template:
    """``lines``: where the entries of sections stand, as far as that is known."""

    path: str
    parameters: Mapping[str, Mapping[str, Json]]
    mappings: Mapping[str, Json]
    conditions: Mapping[str, Json]
    resources: Mapping[str, Mapping[str, Json]]
    outputs: Mapping[str, Json]
    lines: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def line(self, section: str, name: str) -> int:
        return self.lines.get((section, name), 0)


def read_document(data: bytes, path: str) -> Json:
    """The one document of a file, short forms written out. ``None`` for an empty file."""
    found = list(islice(documents(data, path, BUDGET, DIALECT), 2))
    value = found[0].value if found else None
    if isinstance(value, Mapping | list):
        with placed(path, 0, "levels"):
            within_limits(value)  # aliases in aliases are deeper than any text
    return value


def read_template(data: bytes, path: str) -> Template:
    """Raises ``TEMPLATE`` for what AWS does not take, ``UNSUPPORTED`` for macros, with path and line."""
    value = read_document(data, path)
    with placed(path, 0, "template"):
        if not isinstance(value, Mapping):
            raise problem("This is no CloudFormation template.")
        _refuse_macros(value)
        foreign = sorted(value.keys() - _SECTIONS)
        if foreign:
            raise problem(f"A template has no section “{shown(foreign[0])}”.")
        sections = {name: _section(value, name) for name in _SECTIONS}
        if not sections["Resources"]:
            raise problem("The template has no Resources.")
    lines = lines_of(data)
    for name in ("Parameters", "Resources"):
        for entry, body in sections[name].items():
            with placed(path, lines.get((name, entry), 0), f"{name}.{shown(entry)}"):
                _check(name, entry, body)
    return Template(
        path,
        sections["Parameters"],
        sections["Mappings"],
        sections["Conditions"],
        sections["Resources"],
        sections["Outputs"],
        lines,
    )


def _refuse_macros(value: Mapping[str, Json]) -> None:
    if value.get("Transform"):
        raise problem(f"The template {_MACRO} (Transform).", Failure.UNSUPPORTED)
    for name, section in value.items():
        for key in (name, *(section if isinstance(section, Mapping) else ())):
            if key.startswith(("Fn::ForEach", "Fn::Transform")):
                raise problem(f"{shown(name)} {_MACRO} ({shown(key)}).", Failure.UNSUPPORTED)


def _section(value: Mapping[str, Json], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    if isinstance(found, Mapping):
        return found
    if found is not None and name in {"Parameters", "Mappings", "Conditions", "Resources", "Outputs"}:
        raise problem(f"{name} must be a mapping.")
    return {}


def _check(section: str, name: str, body: Json) -> None:
    if not name.isascii() or not name.isalnum():
        raise problem("A logical id has letters and digits only.")
    if not isinstance(body, Mapping) or not isinstance(body.get("Type"), str):
        raise problem("It must be a mapping with a Type.")
    if section == "Parameters":
        return
    kind = body["Type"]
    if kind.startswith("AWS::Serverless::") or kind.endswith("::MODULE"):
        raise problem(f"A resource of the type {shown(kind)} {_MACRO}.", Failure.UNSUPPORTED)
    foreign = sorted(body.keys() - _ATTRIBUTES)
    if foreign:
        raise problem(f"A resource has no attribute “{shown(foreign[0])}”.")
    if not isinstance(body.get("Properties"), Mapping | None):
        raise problem("Properties must be a mapping.")
    if not isinstance(body.get("Condition", ""), str):
        raise problem("The Condition of a resource is the name of one.")
