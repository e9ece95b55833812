"""Kubernetes resources against the published schemas of a version of Kubernetes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from apps.rendering import options
from apps.rendering.checks.model import ERROR, Checked, Finding
from apps.rendering.checks.program import answer_of, not_installed, run_inside, version_of
from apps.rendering.model import Json, RenderError, Resource
from apps.rendering.protocol import Target
from apps.rendering.sandbox.messages import clean_message
from apps.rendering.toolbox import Toolbox
from apps.rendering.workspace import private_workspace

PACKAGE = "kubernetes-validate"
_FILE = "resources.json"
_LONGEST, _SHOWN_UNKNOWN = 500, 50


def manifest_checker(toolbox: Toolbox) -> str:
    """What would check, with its version; empty where nothing can."""
    version = version_of(PACKAGE, toolbox)
    return f"{PACKAGE} {version}" if version else ""


def check_manifests(resources: Sequence[Resource], target: Target, toolbox: Toolbox) -> Checked:
    """Never raises for what a commit can hold: a check that could not run says so. Its texts may hold names, no values."""
    tool = manifest_checker(toolbox)
    if not tool:
        return Checked(not_checked=not_installed(PACKAGE))
    if not resources:
        return Checked(tool)
    asked = ""
    try:
        asked = options.text(target, "kubeVersion")
        said = _asked(resources, asked, toolbox)
    except RenderError as error:
        return Checked(tool, not_checked=error.message, passing=True)
    if not said["against"]:
        known = f"{said['versions'][0]} to {said['versions'][-1]}"
        text = f"there are no schemas of Kubernetes {clean_message(asked)[:40]} in {tool}, only of {known}."
        return Checked(tool, not_checked=text)
    return _read(said, resources, tool)


def _asked(resources: Sequence[Resource], version: str, toolbox: Toolbox) -> Json:
    with private_workspace(toolbox) as workspace:
        workspace.put(_FILE, json.dumps([resource.body for resource in resources], default=str).encode())
        done = run_inside("check_manifests.py", (f"{{input}}/{_FILE}", version), workspace, toolbox)
    return answer_of(done, PACKAGE)


def _read(said: Json, resources: Sequence[Resource], tool: str) -> Checked:
    found = []
    for index, rule, path, text in said["findings"]:
        resource = resources[index]
        place = resource.source
        finding = Finding(f"schema: {rule}", ERROR, clean_message(text)[:_LONGEST], str(resource.id), path[:_LONGEST])
        found.append(replace(finding, path=place.path, line=place.line) if place else finding)
    unknown = [f"{kind} ({api})" + (f", {count} times" if count > 1 else "") for api, kind, count in said["unknown"]]
    shown = [clean_message(text)[:200] for text in unknown[:_SHOWN_UNKNOWN]]
    if len(unknown) > _SHOWN_UNKNOWN:
        shown.append(f"{len(unknown) - _SHOWN_UNKNOWN} more kinds")
    return Checked(tool, f"Kubernetes {said['against']}", tuple(found), tuple(shown), said["more"])
