"""Terraform in the sandbox: for root modules that need no provider, no module and no state from outside.

The state of an environment is not here, so both sides are planned on an empty one, and what they would make is compared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from apps.rendering import options
from apps.rendering.export import export
from apps.rendering.identity import identity_of
from apps.rendering.model import (
    Action,
    Difference,
    Failure,
    Kind,
    RenderError,
    ResourceChange,
    ResourceId,
    ToolIdentity,
)
from apps.rendering.paths import joined, listed
from apps.rendering.planning import Planned
from apps.rendering.protocol import Target, Tree
from apps.rendering.redaction import Fingerprint, redact_text
from apps.rendering.sandbox.commands import Command
from apps.rendering.sandbox.isolation import run
from apps.rendering.sandbox.messages import clean_message
from apps.rendering.terraform.documents import read_document
from apps.rendering.terraform.modules import read_module
from apps.rendering.terraform.plan_json import fields_between, planned_from
from apps.rendering.terraform.risks import risks_of
from apps.rendering.toolbox import Toolbox
from apps.rendering.workspace import private_workspace

NO_STATE = "The state of the environment is not known here: both sides were planned from nothing and compared."
_REPLACES = "triggers_replace"
_SCRIPT = """
set -e
"$0" init -backend=false -input=false -no-color > /dev/null
"$0" plan -input=false -no-color -lock=false -refresh=false -out="$1" > /dev/null
exec "$0" show -json -no-color "$1"
"""
_ENVIRONMENT = {
    "TF_DATA_DIR": "{home}/data", "TF_CLI_CONFIG_FILE": "/dev/null", "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1",
    "TF_PLUGIN_CACHE_DIR": "", "TF_INPUT": "0",
}  # fmt: skip
_PLACE = re.compile(r"\bon ([\w./-]+\.tf(?:vars)?) line (\d+)")
_SHELL = Path("/bin/sh")


class Terraform:
    """Options: ``path``, the folder of the root module; ``workspace`` is of the environment's runner."""

    kind = Kind.TERRAFORM

    def tool(self, toolbox: Toolbox) -> ToolIdentity:
        return identity_of("terraform", ("version",), toolbox)

    def inputs(self, tree: Tree, target: Target) -> tuple[str, ...]:
        return listed({f"{folder}/" for folder in read_module(tree, options.path(target, "path")).folders})

    def plan(self, before: Tree, after: Tree, target: Target, toolbox: Toolbox, fingerprint: Fingerprint) -> Planned:
        root = options.path(target, "path")
        for tree in (after, before):
            for need in read_module(tree, root).needs:
                raise need.refusal()
        tool = self.tool(toolbox)
        sides = [_side(tree, root, tool, toolbox, fingerprint) for tree in (before, after)]
        changes = tuple(_changes(*sides))
        unchanged = len({*sides[0]} | {*sides[1]}) - len(changes)
        return Planned(Difference(changes, unchanged), tool, self.inputs(after, target), (NO_STATE,))


def _side(
    tree: Tree, root: str, tool: ToolIdentity, toolbox: Toolbox, fingerprint: Fingerprint
) -> Mapping[ResourceId, Mapping[str, Any]]:
    """Everything that this side would make on an empty state; nothing where the folder is not there."""
    if not any(True for _ in tree.entries(root)):
        return {}
    document = read_document(_shown(tree, root, toolbox, fingerprint))
    planned = planned_from(document, tool, fingerprint)
    return {change.id: change.after for change in planned.difference.changes if change.after is not None}


def _shown(tree: Tree, root: str, toolbox: Toolbox, fingerprint: Fingerprint) -> bytes:
    program = toolbox.find("terraform")
    folders = tuple(f"{folder}/" for folder in read_module(tree, root).folders)
    with private_workspace(toolbox) as workspace:
        export(tree, folders, workspace, toolbox.input_limits)
        command = Command(
            _SHELL.resolve(),
            ("-c", _SCRIPT, "{folders}/terraform", "{home}/plan"),
            directory=root,
            environment=_ENVIRONMENT,
            folders={"terraform": program},
        )
        done = run(command, workspace, toolbox.limits, toolbox)
        said = clean_message(done.stderr, (str(workspace.input), "/input"))
    if done.returncode == 0:
        return done.stdout
    place = _PLACE.search(said)
    message = redact_text(said or f"terraform ended with {done.returncode}.", fingerprint)
    raise RenderError(
        Failure.TEMPLATE,
        message,
        path=(joined(root, place.group(1)) or "") if place else "",
        line=int(place.group(2)) if place else 0,
    )


def _changes(
    before: Mapping[ResourceId, Mapping[str, Any]], after: Mapping[ResourceId, Mapping[str, Any]]
) -> list[ResourceChange]:
    found = []
    for identity in sorted({*before, *after}):
        old, new = before.get(identity), after.get(identity)
        fields = fields_between(old, new) if old is not None and new is not None else ()
        if old is not None and new is not None and not fields:
            continue
        forced = tuple(field.path for field in fields if field.path[:1] == (_REPLACES,))
        action = Action.CREATE if old is None else Action.DELETE if new is None else Action.UPDATE
        change = ResourceChange(identity, Action.REPLACE if forced else action, fields, old, new, replace_paths=forced)
        found.append(replace(change, risks=risks_of(change)))
    return found
