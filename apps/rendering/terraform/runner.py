"""Terraform against the real state: what the runner of an environment does with credentials that belong to it.

The whole repository is there, the backend is that of the code, and providers and modules may be downloaded. So the code of
a change that nobody has approved runs with the network and with these credentials: they must not be able to change anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from apps.rendering import options
from apps.rendering.export import export, read_file
from apps.rendering.identity import identity_of
from apps.rendering.model import Difference, Failure, Json, RenderError
from apps.rendering.paths import listed, rooted
from apps.rendering.planning import Planned
from apps.rendering.protocol import Target, Tree
from apps.rendering.redaction import Fingerprint
from apps.rendering.sandbox.commands import Command
from apps.rendering.sandbox.isolation import run
from apps.rendering.terraform import modules
from apps.rendering.terraform.documents import load
from apps.rendering.terraform.messages import failure
from apps.rendering.terraform.plan_json import planned
from apps.rendering.terraform.quotable import quotable
from apps.rendering.terraform.refreshing import refreshed
from apps.rendering.toolbox import Toolbox
from apps.rendering.workspace import Workspace, private_workspace

_SCRIPT = """
set -u
terraform="$1" settings="$2"
shift 2
printf '%s' "$settings" > "$HOME/terraform.rc" || exit 10
"$terraform" init -input=false -no-color -lockfile=readonly 1>&2 || exit 11
"$terraform" plan -input=false -no-color -lock=false "-out=$HOME/plan" "$@" 1>&2 || exit 12
sha256sum < "$HOME/plan" || exit 13
exec "$terraform" show -json -no-color "$HOME/plan"
"""
_ENVIRONMENT: Mapping[str, str] = {
    "TF_CLI_CONFIG_FILE": "{home}/terraform.rc",
    "TF_DATA_DIR": "{home}/data",
    "TF_IN_AUTOMATION": "1",
    "TF_INPUT": "0",
    "CHECKPOINT_DISABLE": "1",
}
_MIRROR = 'provider_installation {\n  filesystem_mirror {\n    path = "{folders}/providers"\n  }\n}\n'
_SUM = re.compile(rb"([0-9a-f]{64})  -\n")


def _unchanged(said: bytes) -> bytes:
    return said


@dataclass(frozen=True, slots=True)
class Credentials:
    """``variables``: what the plan gets as its environment. ``mask`` takes their values, however spelled, out of an output.

    ``providers``: a mirror from which alone providers come (``None``: from where the code says).
    """

    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    mask: Callable[[bytes], bytes] = _unchanged
    providers: Path | None = None


@dataclass(frozen=True, slots=True)
class StatePlan:
    """``saved``: the SHA-256 of the plan file."""

    planned: Planned
    saved: str


def plan_with_state(
    after: Tree, target: Target, toolbox: Toolbox, fingerprint: Fingerprint, credentials: Credentials
) -> StatePlan:
    """What Terraform would do to what is there. Raises ``TEMPLATE`` with its message, without any credential."""
    document, saved = _document(after, target, toolbox, fingerprint, credentials)
    found = planned(document, fingerprint)
    tool = identity_of("terraform", ("version",), toolbox)
    return StatePlan(replace(found, tool=tool, inputs=listed({"./"})), saved)


def refresh_with_state(
    tree: Tree, target: Target, toolbox: Toolbox, fingerprint: Fingerprint, credentials: Credentials
) -> Difference:
    """How what is there differs from the state: ``terraform plan -refresh-only``. Raises as :func:`plan_with_state` does."""
    document, _ = _document(tree, target, toolbox, fingerprint, credentials, "-refresh-only")
    return refreshed(document, fingerprint)


def _document(
    tree: Tree, target: Target, toolbox: Toolbox, fingerprint: Fingerprint, given: Credentials, *flags: str
) -> tuple[Json, str]:
    """The plan as JSON, and the SHA-256 of its file."""
    _check(tree, options.path(target, "path"))
    with private_workspace(toolbox) as workspace:
        said = _run(tree, target, workspace, toolbox, fingerprint, given, flags)
    saved = _SUM.match(said)
    if saved is None:
        raise RenderError(Failure.TEMPLATE, "Terraform printed something else than a plan.")
    return load(said[saved.end() :]), saved.group(1).decode()


def _check(tree: Tree, root: str) -> None:
    """Without a module there is nothing to plan, and without a backend there is no state: all would count as created."""
    if not modules.exists(tree, root):
        text = (
            "After the change there is no Terraform module at the path of the target, so nobody would know of its resources "
            "any more. Empty the module first, and take it away when its resources are gone."
        )
        raise RenderError(Failure.MISSING_INPUT, text)
    blocks = [block for file in modules.follow(tree, root).folders[root] for block in file.named("terraform")]
    if not any(True for block in blocks for _ in block.named("backend", "cloud")):
        text = (
            "The module names no backend, so the runner knows no state. Write the backend block of the environment's state, "
            "or leave out plan: runner."
        )
        raise RenderError(Failure.MISSING_INPUT, text)


def _run(
    tree: Tree,
    target: Target,
    workspace: Workspace,
    toolbox: Toolbox,
    fingerprint: Fingerprint,
    given: Credentials,
    flags: tuple[str, ...],
) -> bytes:
    export(tree, {"./"}, workspace, toolbox.input_limits)
    root = options.path(target, "path")
    paths = [rooted(path, "file") for path in options.texts(target, "variables")]
    for path in paths:
        read_file(tree, path)
    workspace_name = options.text(target, "workspace")
    own = {**_ENVIRONMENT, **({"TF_WORKSPACE": workspace_name} if workspace_name else {})}
    folders = {"terraform": toolbox.find("terraform"), **({"providers": given.providers} if given.providers else {})}
    settings = _MIRROR if given.providers else ""
    variables = (f"-var-file={{input}}/{path}" for path in paths)
    command = Command(
        Path("/bin/sh").resolve(),
        ("-c", _SCRIPT, "sh", "{folders}/terraform", settings, *flags, *variables),
        root,
        {**given.variables, **own},
        folders,
        network=True,
    )
    done = run(command, workspace, toolbox.limits, toolbox)
    if done.returncode:
        secrets = quotable(tree, target, modules.follow(tree, root), fingerprint)
        raise failure(given.mask(done.stderr), root, secrets, fingerprint)
    return given.mask(done.stdout)
