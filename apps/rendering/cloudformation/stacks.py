"""All resources of a stack, with those of the stacks nested in it whose templates are in the repository."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from apps.rendering.cloudformation.outputs import Outputs
from apps.rendering.cloudformation.parameters import is_secret, parameter_values
from apps.rendering.cloudformation.problems import placed, problem, shown
from apps.rendering.cloudformation.scopes import Scope, Surroundings
from apps.rendering.cloudformation.secrets import hidden
from apps.rendering.cloudformation.templates import Template, read_template
from apps.rendering.cloudformation.values import NOTHING, Spending
from apps.rendering.export import read_file
from apps.rendering.model import Failure, Json, Part, RenderError, Resource, ResourceId, Source
from apps.rendering.paths import joined, parent
from apps.rendering.protocol import Tree
from apps.rendering.redaction import MARK, Fingerprint

STACK = "AWS::CloudFormation::Stack"
MAX_DEPTH, MAX_STACKS, MAX_RESOURCES = 8, 200, 5_000
_BYTES_OF_A_VALUE = 16
_VARIABLE = re.compile(r"\$\{[^}]*\}")
_BODY = (
    "Type Version Properties DependsOn Metadata CreationPolicy UpdatePolicy DeletionPolicy UpdateReplacePolicy".split()
)


@dataclass(slots=True)
class Found:
    """One side of a stack."""

    resources: list[Resource] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    outputs: Outputs = field(default_factory=Outputs)
    stacks: int = 0


def is_remote(url: str) -> bool:
    """Whether the template of a nested stack lies elsewhere, or is named only when the stack is made."""
    return "://" in url or "${" in url or url.startswith(("{{", "/", MARK))


def nested_path(template: str, url: str) -> str:
    """A relative ``TemplateURL``, from the root of the repository."""
    path = joined(parent(template), url)
    if not path:
        raise problem(f"The template {shown(url)} leads out of the repository.", Failure.REFUSED)
    return path


class Expansion:
    """Expands one side; ``found`` grows."""

    def __init__(self, tree: Tree, namespace: str) -> None:
        self.tree, self.namespace, self.found = tree, namespace, Found()
        self.templates: dict[str, Template] = {}

    def read(self, path: str, spending: Spending) -> Template:
        """Each template once; its size counts as values."""
        if path not in self.templates:
            data = read_file(self.tree, path)
            spending.spend(len(data) // _BYTES_OF_A_VALUE)
            self.templates[path] = read_template(data, path)
        return self.templates[path]

    def expand(
        self, template: Template, given: Mapping[str, Json], around: Surroundings, above: tuple[str, ...] = ()
    ) -> None:
        self.found.stacks += 1
        if self.found.stacks > MAX_STACKS or len(above) >= MAX_DEPTH:
            raise problem("There are too many stacks, or they are nested too deeply.", Failure.TOO_LARGE)
        foreign = sorted(given.keys() - template.parameters.keys())
        if foreign:
            names = ", ".join(map(shown, foreign[:5]))
            self.found.warnings.append(f"{template.path} has no parameters with these names: {names}.")
        scope = Scope(template, parameter_values(template, given, around.fingerprint), around)
        for name in template.resources:
            with placed(template.path, template.line("Resources", name), f"resource {name}"):
                if scope.has(name):
                    self._resource(scope, name, (*above, template.path))
        self.found.outputs.read(scope)

    def _resource(self, scope: Scope, name: str, above: tuple[str, ...]) -> None:
        declared, template = scope.template.resources[name], scope.template
        body = {key: scope.resolve(declared[key]) for key in _BODY if key in declared}
        body = {key: value for key, value in body.items() if value is not NOTHING}
        kind = declared["Type"]
        if kind == STACK:
            body["Properties"] = self._nested(scope, name, body.get("Properties") or {}, above)
        if len(self.found.resources) >= MAX_RESOURCES:
            raise problem(f"There are more than {MAX_RESOURCES:,} resources.", Failure.TOO_LARGE)
        identity = ResourceId("", kind, self.namespace, f"{scope.around.prefix}{name}")
        source = Source(template.path, template.line("Resources", name))
        self.found.resources.append(Resource(identity, hidden(body, scope.around.fingerprint), source))

    def _nested(self, scope: Scope, name: str, properties: Json, above: tuple[str, ...]) -> Json:
        """Expands what can be; the properties without what the template inside says is secret."""
        around, url = scope.around, properties.get("TemplateURL") if isinstance(properties, Mapping) else None
        given = (properties.get("Parameters") or {}) if isinstance(properties, Mapping) else None
        if not isinstance(url, str) or not isinstance(given, Mapping):
            raise problem("A nested stack wants a TemplateURL, and its Parameters in a mapping.")
        part = f"{around.prefix}{name}"
        if is_remote(url):
            failure = f"Its template ({shown(_clean(url, around.fingerprint))}) is not in the repository; its resources are not compared."
            self.found.parts.append(Part(part, failure))
            return properties
        path = nested_path(scope.template.path, url)
        if path in above:
            raise problem(f"The template {shown(path)} contains itself.")
        template = self.read(path, around.spending)
        inside = replace(around, stack="", prefix=f"{part}/", names=scope.names)
        self.found.parts.append(Part(part))
        self.expand(template, given, inside, above)
        values = parameter_values(template, given, around.fingerprint)
        secret = {key for key, declared in template.parameters.items() if is_secret(key, declared, around.fingerprint)}
        return {
            **properties,
            "Parameters": {key: values[key] if key in secret else each for key, each in given.items()},
        }


def _clean(value: Json, fingerprint: Fingerprint) -> Json:
    return hidden(value, fingerprint)


def nested_inputs(tree: Tree, path: str) -> set[str]:
    """The template and those nested in it, as far as they can be read; ``./`` where one is named only by values."""
    found: set[str] = set()
    left = [path]
    while left:
        path = left.pop()
        if path in found:
            continue
        found.add(path)
        if len(found) > MAX_STACKS:
            return {"./"}
        try:
            template = read_template(read_file(tree, path), path)
        except RenderError:
            continue
        for url in (each for each in _urls(template) if not _is_remote_anyway(each)):
            if not isinstance(url, str):
                found.add("./")
            elif inside := joined(parent(path), url):
                left.append(inside)
    return found


def _is_remote_anyway(url: Json) -> bool:
    """:func:`is_remote` of a ``TemplateURL`` whatever its values are: they replace nothing of the text around them."""
    if isinstance(url, str):
        return is_remote(url)
    name, content = next(iter(url.items()), ("", None)) if isinstance(url, Mapping) else ("", None)
    if name == "Fn::Sub":
        texts = content[:1] if isinstance(content, list) else [content]
    elif name == "Fn::Join":
        texts = content[-1] if isinstance(content, list) and content and isinstance(content[-1], list) else []
    else:
        return False
    return any(isinstance(text, str) and "://" in _VARIABLE.sub("", text) for text in texts)


def _urls(template: Template) -> Iterator[Json]:
    for declared in template.resources.values():
        properties = declared.get("Properties")
        if declared["Type"] == STACK and isinstance(properties, Mapping):
            yield properties.get("TemplateURL")
