"""What a change does to a stack, told from its template and its parameters alone: no account is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from apps.core.text import first_few
from apps.rendering import options
from apps.rendering.cloudformation.differences import compare
from apps.rendering.cloudformation.outputs import export_changes, notes
from apps.rendering.cloudformation.parameters import PREVIOUS, parameters_of, read_parameters
from apps.rendering.cloudformation.problems import placed, problem
from apps.rendering.cloudformation.scopes import Surroundings
from apps.rendering.cloudformation.stacks import Expansion, Found, nested_inputs
from apps.rendering.cloudformation.templates import Template
from apps.rendering.cloudformation.values import Spending
from apps.rendering.export import read_file, real_path, with_link_targets
from apps.rendering.model import Failure, Json, Kind, Part, RenderError, ToolIdentity
from apps.rendering.paths import listed
from apps.rendering.planning import Planned
from apps.rendering.protocol import Target, Tree
from apps.rendering.redaction import Fingerprint
from apps.rendering.toolbox import Toolbox

COMPARER = ToolIdentity("gitops-portal-cloudformation", "2")


class CloudFormation:
    """Options: ``template``; ``parameters``, a file; ``stack`` and ``region``, without which what asks for them is not known."""

    kind = Kind.CLOUDFORMATION

    def tool(self, toolbox: Toolbox) -> ToolIdentity:
        return COMPARER

    def inputs(self, tree: Tree, target: Target) -> tuple[str, ...]:
        found = nested_inputs(tree, options.path(target, "template")) | set(_parameters_paths(target))
        return listed(with_link_targets(tree, found))

    def plan(self, before: Tree, after: Tree, target: Target, toolbox: Toolbox, fingerprint: Fingerprint) -> Planned:
        """A side without the template, or without the file of parameters, had no stack; the side after must have both."""
        new = _side(after, target, fingerprint)
        missing = [path for path in _files(target) if not _has(before, path)]
        old = Found() if missing else _old_side(before, target, fingerprint)
        exported = export_changes(old.outputs, new.outputs, options.text(target, "stack"))
        difference = compare(old.resources, new.resources, exported)
        inputs = {*self.inputs(before, target), *self.inputs(after, target)}
        warnings = [*dict.fromkeys((*new.warnings, *new.outputs.warnings)), *notes(old.outputs, new.outputs)]
        if missing and _has(before, options.path(target, "template")):
            warnings.append(f"Before the change there is no {missing[0]}: everything counts as created.")
        return Planned(difference, COMPARER, listed(inputs), tuple(warnings), _parts(old.parts, new.parts))


def _files(target: Target) -> list[str]:
    return [options.path(target, "template"), *_parameters_paths(target)]


def _parameters_paths(target: Target) -> list[str]:
    given = target.options.get("parameters")
    return [options.path(target, "parameters")] if isinstance(given, str) and given else []


def _has(tree: Tree, path: str) -> bool:
    place = real_path(tree, path)
    return any(entry.path == place for entry in tree.entries(place))


def _side(tree: Tree, target: Target, fingerprint: Fingerprint) -> Found:
    path = options.path(target, "template")
    stack = options.text(target, "stack")
    around = Surroundings(fingerprint, Spending(), stack, options.text(target, "region"))
    expansion = Expansion(tree, stack)
    template = expansion.read(path, around.spending)
    with placed(path, 0, "template"):
        try:
            kept = _kept(template, target)
            expansion.expand(template, {**kept, **_given(tree, target)}, around)
        except RecursionError:
            raise problem("Its functions stand in one another too deeply.", Failure.TOO_LARGE) from None
    if kept:
        text = f"Compared without the values of {first_few(list(kept))}: they are not in the repository, and have no defaults."
        expansion.found.warnings.append(text)
    return expansion.found


def _old_side(tree: Tree, target: Target, fingerprint: Fingerprint) -> Found:
    try:
        return _side(tree, target, fingerprint)
    except RenderError as error:
        text = f"Before the change: {error.message}"
        raise RenderError(error.failure, text, path=error.path, line=error.line) from None


def _given(tree: Tree, target: Target) -> Mapping[str, Json]:
    given = target.options.get("parameters")
    for path in _parameters_paths(target):
        return read_parameters(read_file(tree, path), path)
    return parameters_of(given) if given else {}


def _kept(template: Template, target: Target) -> Mapping[str, Json]:
    """With :data:`~apps.rendering.options.KEEPS_PARAMETERS` what is given nowhere is not known; without it, that is missing."""
    if not options.switch(target, options.KEEPS_PARAMETERS, default=False):
        return {}
    return {name: PREVIOUS for name, declared in template.parameters.items() if declared.get("Default") is None}


def _parts(old: Iterable[Part], new: Iterable[Part]) -> tuple[Part, ...]:
    """Those of the new side; of the old one what it could not tell."""
    found = {part.name: part for part in old if part.failure}
    for part in new:
        if not (part.name in found and not part.failure):
            found[part.name] = part
    return tuple(found[name] for name in sorted(found))
