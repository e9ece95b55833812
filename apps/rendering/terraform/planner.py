"""Terraform, for root modules that need nothing from elsewhere; what does is planned by the pipeline of its owners.

A plan runs what the code says (data sources, functions that read files), so it is made shut in, without network and
credentials. Without a state both sides are planned as if there were nothing, and compared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from apps.rendering import options
from apps.rendering.export import export, read_file, with_link_targets
from apps.rendering.identity import identity_of
from apps.rendering.model import Action, Failure, Json, Kind, RenderError, ResourceChange, ToolIdentity
from apps.rendering.paths import listed, rooted
from apps.rendering.planning import Planned
from apps.rendering.protocol import Target, Tree
from apps.rendering.redaction import Fingerprint
from apps.rendering.sandbox.commands import Command
from apps.rendering.sandbox.isolation import run
from apps.rendering.terraform import modules, offline
from apps.rendering.terraform.documents import load
from apps.rendering.terraform.hiding import secrets_in
from apps.rendering.terraform.messages import failure
from apps.rendering.terraform.pair import as_one
from apps.rendering.terraform.plan_json import planned
from apps.rendering.terraform.quotable import quotable
from apps.rendering.toolbox import Toolbox
from apps.rendering.views import Nothing, WithFiles
from apps.rendering.workspace import Workspace, private_workspace

_SCRIPT = """
set -u
terraform="$1" state="$2"
shift 2
mkdir -p "$HOME" || exit 10
"$terraform" init -input=false -no-color -lockfile=readonly "-backend-config=workspace_dir=$HOME/states" 1>&2 || exit 11
"$terraform" plan -input=false -no-color -lock=false -refresh=false "-state=$state" "-out=$HOME/plan" "$@" 1>&2 || exit 12
exec "$terraform" show -json -no-color "$HOME/plan"
"""
_ENVIRONMENT: Mapping[str, str] = {
    "TF_CLI_CONFIG_FILE": "/dev/null",
    "TF_DATA_DIR": "{home}/data",
    "TF_IN_AUTOMATION": "1",
    "TF_INPUT": "0",
    "CHECKPOINT_DISABLE": "1",
}
_OVERRIDE = "portal_state_override.tf"
"""No backend that the code names is used; workspaces need a place that can be written."""
_NO_STATE = "{home}/none.tfstate"
_STATE_PROVIDER = f'provider["{modules.BUILT_IN}"]'


@dataclass(frozen=True, slots=True)
class _Side:
    tree: Tree
    target: Target
    reading: modules.Reading
    words: str

    @property
    def root(self) -> str:
        return options.path(self.target, "path")


class Terraform:
    """Options: ``path``, the root module; ``workspace``; ``variables``, files of values; ``state``, a file of the repository."""

    kind = Kind.TERRAFORM

    def tool(self, toolbox: Toolbox) -> ToolIdentity:
        return identity_of("terraform", ("version",), toolbox)

    def inputs(self, tree: Tree, target: Target) -> tuple[str, ...]:
        reading = modules.follow(tree, options.path(target, "path"))
        return listed(with_link_targets(tree, {*reading.inputs, *_files(target)}))

    def plan(self, before: Tree, after: Tree, target: Target, toolbox: Toolbox, fingerprint: Fingerprint) -> Planned:
        tool = self.tool(toolbox)
        old, new = _side(before, target, "Before the change: "), _side(after, target, "")
        if old is None and new is None:
            raise RenderError(Failure.MISSING_INPUT, "There is no Terraform module at the path of the target.")
        for side in (new, old):
            if side is not None and side.reading.problem is not None:
                raise _of_side(side.reading.problem, side)
        if options.text(target, "state"):
            found = _with_state(before, new or _emptied(target), toolbox, fingerprint)
        else:
            found = _without_state(old, new, toolbox, fingerprint)
            told = offline.notes(new.reading if new else None, options.path(target, "path"), found.difference)
            found = replace(found, warnings=(*told, *found.warnings))
        inputs = {path for tree in (before, after) for path in self.inputs(tree, target)}
        return replace(_with_sources(found, old, new), tool=tool, inputs=listed(inputs))


def _files(target: Target) -> tuple[str, ...]:
    """The files that the target itself names."""
    state = options.text(target, "state")
    named = [*options.texts(target, "variables"), *([state] if state else [])]
    return tuple(rooted(path, "file") for path in named)


def _side(tree: Tree, target: Target, words: str) -> _Side | None:
    root = options.path(target, "path")
    if not modules.exists(tree, root):
        return None
    return _Side(tree, target, modules.follow(tree, root), words)


def _variables(side: _Side) -> list[str]:
    """The files of values. Before the change one may not have been there; after it all must be."""
    paths = [rooted(path, "file") for path in options.texts(side.target, "variables")]
    if side.words:
        return [path for path in paths if any(True for _ in side.tree.entries(path))]
    for path in paths:
        read_file(side.tree, path)
    return paths


def _document(side: _Side, state: str, toolbox: Toolbox, fingerprint: Fingerprint) -> Json:
    """What Terraform would do, in its own words. Raises ``TEMPLATE`` with its message."""
    with private_workspace(toolbox) as workspace:
        return _run(side, state, workspace, toolbox, fingerprint)


def _run(side: _Side, state: str, workspace: Workspace, toolbox: Toolbox, fingerprint: Fingerprint) -> Json:
    export(side.tree, {*side.reading.inputs, *_files(side.target)}, workspace, toolbox.input_limits)
    workspace.put(f"{side.root}/{_OVERRIDE}".lstrip("/"), b'terraform {\n  backend "local" {}\n}\n')
    program = toolbox.find("terraform")
    variables = [f"-var-file={{input}}/{path}" for path in _variables(side)]
    workspace_name = options.text(side.target, "workspace")
    command = Command(
        Path("/bin/sh").resolve(),
        ("-c", _SCRIPT, "sh", "{folders}/terraform", state, *variables),
        side.root,
        {**_ENVIRONMENT, **({"TF_WORKSPACE": workspace_name} if workspace_name else {})},
        {"terraform": program},
    )
    done = run(command, workspace, toolbox.limits, toolbox)
    if done.returncode:
        raise failure(
            done.stderr, side.root, quotable(side.tree, side.target, side.reading, fingerprint), fingerprint, side.words
        )
    return load(done.stdout)


def _without_state(old: _Side | None, new: _Side | None, toolbox: Toolbox, fingerprint: Fingerprint) -> Planned:
    """Both as if there were nothing; the new one first, because its errors are those that its author looks for."""
    after, before = (None if side is None else _document(side, _NO_STATE, toolbox, fingerprint) for side in (new, old))
    secrets = frozenset[str]().union(*(secrets_in(plan) for plan in (before, after) if plan is not None))
    return planned(as_one(before, after), fingerprint, secrets)


def _with_state(before: Tree, side: _Side, toolbox: Toolbox, fingerprint: Fingerprint) -> Planned:
    """The state is that of the target branch: a change does not say itself what is there."""
    path = rooted(options.text(side.target, "state"), "state")
    data = read_file(before, path)
    _check_state(data, path)
    known = replace(side, tree=WithFiles(side.tree, {path: data}))
    return planned(_document(known, f"{{input}}/{path}", toolbox, fingerprint), fingerprint)


def _check_state(data: bytes, path: str) -> None:
    try:
        resources = json.loads(data)["resources"]
        is_known = all(resource["provider"].endswith(_STATE_PROVIDER) for resource in resources)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RenderError(Failure.TEMPLATE, f"{path} is no state of Terraform.", path=path) from None
    if not is_known:
        text = f"{path} holds resources of other providers. {modules.HINT}"
        raise RenderError(Failure.UNSUPPORTED, text, path=path)


def _emptied(target: Target) -> _Side:
    """A module that is no more, planned as one without resources."""
    kept = {name: value for name, value in target.options.items() if name != "variables"}
    empty = f"{options.path(target, 'path')}/empty.tf".lstrip("/")
    side = _side(WithFiles(Nothing(), {empty: b""}), replace(target, options=kept), "")
    assert side is not None  # noqa: S101 - it was just given a file
    return side


def _with_sources(found: Planned, old: _Side | None, new: _Side | None) -> Planned:
    def placed(change: ResourceChange) -> ResourceChange:
        sides = (old,) if change.action is Action.DELETE else (new, old)
        places = (modules.source_of(side.reading, side.root, change.id.name) for side in sides if side)
        return replace(change, source=next(filter(None, places), None))

    difference = found.difference
    changes, silent = tuple(map(placed, difference.changes)), tuple(map(placed, difference.silent))
    return replace(found, difference=replace(difference, changes=changes, silent=silent))


def _of_side(error: RenderError, side: _Side) -> RenderError:
    if not side.words:
        return error
    return RenderError(error.failure, side.words + error.message, path=error.path, line=error.line)
