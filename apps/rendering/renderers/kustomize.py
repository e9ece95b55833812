"""Kustomize, as ``kubectl kustomize`` has it: no plugins, no charts, nothing remote."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from apps.rendering import kubernetes, kustomizations, options
from apps.rendering.export import export, read_file, with_link_targets
from apps.rendering.identity import identity_of
from apps.rendering.model import Failure, Json, Kind, Rendered, RenderError, Source, ToolIdentity
from apps.rendering.paths import joined, listed
from apps.rendering.protocol import Target, Tree
from apps.rendering.sandbox.commands import Command, for_go
from apps.rendering.sandbox.isolation import run
from apps.rendering.sandbox.messages import clean_message, warnings_in
from apps.rendering.sandbox.running import Completed
from apps.rendering.toolbox import Toolbox
from apps.rendering.workspace import Workspace, private_workspace
from apps.rendering.yaml_reader import documents

ORIGIN = "config.kubernetes.io/origin"
_FLAGS = (
    "--enable-alpha-plugins=false",
    "--enable-helm=false",
    "--network=false",
)
_ORIGIN = re.compile(r"path: ([a-z./][\w./-]*\.ya?ml)\n?", re.ASCII)
"""What almost every origin is; text in every reading of YAML."""
_PLACE = re.compile(r"([\w./-]+\.(?:ya?ml|json))(?::? line |:)(\d+)")


_INSIDE = re.compile(r"yaml: line (\d+): .* in File: ([\w./-]+)")


class Kustomize:
    """Option: ``path``, the folder of the kustomization; ``namespace`` of what names none."""

    kind = Kind.KUSTOMIZE

    def tool(self, toolbox: Toolbox) -> ToolIdentity:
        return identity_of("kubectl", ("version", "--client"), toolbox)

    def inputs(self, tree: Tree, target: Target) -> tuple[str, ...]:
        reading = kustomizations.follow(tree, options.path(target, "path"), strict=False)
        return listed(with_link_targets(tree, reading.inputs))

    def render(self, tree: Tree, target: Target, toolbox: Toolbox) -> Rendered:
        tool = self.tool(toolbox)
        root = options.path(target, "path")
        built = build(tree, root, toolbox)
        found = kubernetes.resources(built.placed, options.name(target, "namespace"))
        return Rendered(found, tool, built.inputs, built.warnings)


@dataclass(frozen=True, slots=True)
class Built:
    """What a kustomization gives, before anything is made of it."""

    placed: tuple[kubernetes.Placed, ...]
    inputs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def build(
    tree: Tree, root: str, toolbox: Toolbox, *, anywhere: bool = False, rewrite: Callable[[bytes], bytes] | None = None
) -> Built:
    """Run it for one folder. Raises ``RenderError`` as the tool, or what is read before it, says.

    ``anywhere``: files outside of the folder may be named, too. ``rewrite`` gets what is printed before it is read.
    """
    reading = kustomizations.follow(tree, root)
    with private_workspace(toolbox) as workspace:
        warnings = export(tree, reading.inputs, workspace, toolbox.input_limits)
        asked = _ask_for_origins(tree, root, workspace)
        done = run_kustomize(root, workspace, toolbox, anywhere=anywhere)
    output = rewrite(done.stdout) if rewrite else done.stdout
    placed = tuple(_without_origin(each.value, tree, root) if asked else each for each in kubernetes.read(output))
    return Built(placed, listed(with_link_targets(tree, reading.inputs)), (*warnings, *warnings_in(done.stderr)))


def run_kustomize(root: str, workspace: Workspace, toolbox: Toolbox, *, anywhere: bool = False) -> Completed:
    """What the tool prints for a folder of the workspace. Raises ``TEMPLATE`` with its message."""
    restricted = "LoadRestrictionsNone" if anywhere else "LoadRestrictionsRootOnly"
    arguments = ("kustomize", f"--load-restrictor={restricted}", *_FLAGS, f"./{root}")
    command = Command(toolbox.find("kubectl"), arguments, environment=for_go(toolbox.limits))
    done = run(command, workspace, toolbox.limits, toolbox)
    if done.returncode == 0:
        return done
    said = clean_message(done.stderr, (str(workspace.input), "/input")) or f"kubectl ended with {done.returncode}."
    path, line = _place_in(said, root)
    raise RenderError(Failure.TEMPLATE, said, path=path, line=line)


def _place_in(said: str, root: str) -> tuple[str, int]:
    """The file and line of a message, in the ways in which the tool names them."""
    place, inside = _PLACE.search(said), _INSIDE.search(said)
    if place:
        return joined("", place.group(1)) or "", int(place.group(2))
    return (joined(root, inside.group(2)) or "", int(inside.group(1))) if inside else ("", 0)


def _ask_for_origins(tree: Tree, root: str, workspace: Workspace) -> bool:
    """Let the copy of the root name the file of every resource, where that changes nothing else; whether it will."""
    path = kustomizations.file_of(tree, root)
    if path is None or not (before := kustomizations.content(tree, path)) or "buildMetadata" in before:
        return False  # an empty one stays the error that it is
    longer = read_file(tree, path).rstrip() + b"\nbuildMetadata: [originAnnotations]\n"
    try:
        after = [document.value for document in documents(longer)]
    except RenderError:
        return False
    place = workspace.input / path
    if after != [{**before, "buildMetadata": ["originAnnotations"]}] or place.is_symlink():
        return False
    place.write_bytes(longer)
    return True


def _without_origin(value: Json, tree: Tree, root: str) -> kubernetes.Placed:
    """The object without the annotation that we asked for, which becomes its source."""
    metadata = value.get("metadata") if isinstance(value, dict) else None
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(annotations, dict) or ORIGIN not in annotations:
        return kubernetes.Placed(value)
    left = {name: text for name, text in annotations.items() if name != ORIGIN}
    rest = {name: each for name, each in metadata.items() if name != "annotations"}
    plain = {**value, "metadata": {**rest, **({"annotations": left} if left else {})}}
    return kubernetes.Placed(plain, _source(annotations[ORIGIN], tree, root))


def _source(origin: Json, tree: Tree, root: str) -> Source | None:
    plain = _ORIGIN.fullmatch(str(origin))
    try:
        facts = {"path": plain[1]} if plain else next((each.value for each in documents(str(origin).encode())), None)
    except RenderError:
        return None
    named = (facts.get("path") or facts.get("configuredIn")) if isinstance(facts, Mapping) else None
    path = joined(root, named) if isinstance(named, str) else None
    return Source(path) if path and any(entry.path == path for entry in tree.entries(path)) else None
