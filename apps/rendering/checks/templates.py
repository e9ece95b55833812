"""CloudFormation templates, read by cfn-lint as they stand in the repository: with what it knows of types and regions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from apps.rendering import options
from apps.rendering.checks.model import ERROR, MOST, WARNING, Checked, Finding
from apps.rendering.checks.program import not_installed, run_inside, version_of
from apps.rendering.cloudformation.parameters import is_secret
from apps.rendering.cloudformation.stacks import nested_inputs
from apps.rendering.cloudformation.templates import read_document, read_template
from apps.rendering.export import read_file
from apps.rendering.model import Failure, Json, RenderError
from apps.rendering.protocol import FILES, Target, Tree
from apps.rendering.quoted import Quotes
from apps.rendering.redaction import Fingerprint, redact_text
from apps.rendering.sandbox.messages import clean_message
from apps.rendering.toolbox import Toolbox
from apps.rendering.workspace import private_workspace

PACKAGE = "cfn-lint"
_SIDES = ("before", "after")
_SUFFIXES = (".yaml", ".yml", ".json", ".template", ".txt")
_HARMLESS = frozenset({"ignore_checks", "include_checks", "regions"})
"""Settings of a template that take nothing away here: errors and warnings are mandatory."""
_FINE = frozenset({0, 2, 4, 6, 8, 10, 12, 14})
"""What cfn-lint ends with when it has done its work: nothing found, or errors, warnings and remarks, added."""
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_LONGEST = 500
_LEVELS = {"Error": ERROR, "Warning": WARNING}


def check_templates(before: Tree, after: Tree, target: Target, toolbox: Toolbox, hide: Fingerprint) -> Checked:
    """The side after, with what is new. Never raises for what a commit can hold; its texts have lost their secrets."""
    version = version_of(PACKAGE, toolbox)
    if not version:
        return Checked(not_checked=not_installed(PACKAGE))
    tool = f"{PACKAGE} {version}"
    try:
        path = options.path(target, "template")
        sides = {name: _templates(tree, path) for name, tree in zip(_SIDES, (before, after), strict=True)}
        found = _found(sides, target, toolbox)
    except RenderError as error:
        return Checked(tool, not_checked=redact_text(error.message, hide), passing=True)
    quotes = Quotes(_secrets(sides, hide), hide)
    old, new = (Checked(tool, **_read(found, name, quotes, hide)) for name in _SIDES)
    return new.compared(old).said(lambda text: redact_text(text, hide))


def _templates(tree: Tree, path: str) -> dict[str, bytes]:
    """The template and those nested in it that are files of the repository; none where there is no template."""
    inputs = nested_inputs(tree, path)
    entries = [entry for name in inputs if name != "./" for entry in tree.entries(name) if entry.mode in FILES]
    found = {entry.path: read_file(tree, entry.path) for entry in entries if entry.path.endswith(_SUFFIXES)}
    for name, data in found.items():
        _refuse_settings(read_document(data, name), name)
    return found


def _refuse_settings(template: Json, path: str) -> None:
    """A template can tell cfn-lint which rules there are, or load some from files: then its answer proves nothing."""
    section: Json = template
    for step in ("Metadata", "cfn-lint", "config"):
        section = section.get(step) if isinstance(section, Mapping) else None
    foreign = sorted(map(str, section.keys() - _HARMLESS)) if isinstance(section, Mapping) else []
    if foreign:
        text = (
            f"{path} sets {clean_message(foreign[0])[:40]} of {PACKAGE} in its Metadata; remove it to have it checked."
        )
        raise RenderError(Failure.REFUSED, text, path=path)


def _found(sides: dict[str, dict[str, bytes]], target: Target, toolbox: Toolbox) -> list[Json]:
    region = options.text(target, "region")
    regions = ("--regions", region) if _REGION.fullmatch(region) else ()
    with private_workspace(toolbox) as workspace:
        files = []
        for name, templates in sides.items():
            for path, data in templates.items():
                workspace.put(f"{name}/{path}", data)
                files.append(f"{{input}}/{name}/{path}")
        if not files:
            return []
        arguments = ("--format", "json", "--mandatory-checks", "E", "W", *regions, "--template", *files)
        done = run_inside("check_templates.py", arguments, workspace, toolbox)
    try:
        answer = json.loads(done.stdout)
    except (ValueError, RecursionError):
        answer = None
    if done.returncode not in _FINE or not isinstance(answer, list):
        raise RenderError(Failure.DEFECT, f"{PACKAGE} ended without an answer (code {done.returncode}).")
    return answer


def _read(found: list[Json], side: str, quotes: Quotes, hide: Fingerprint) -> Json:
    marker = f"/input/{side}/"
    mine = [one for one in found if marker in str(one.get("Filename", ""))]
    findings = tuple(_finding(one, marker, quotes, hide) for one in mine[:MOST])
    return {"findings": findings, "more": max(0, len(mine) - MOST)}


def _finding(one: Json, marker: str, quotes: Quotes, hide: Fingerprint) -> Finding:
    location, rule = one.get("Location") or {}, one.get("Rule") or {}
    steps = [str(step) for step in location.get("Path") or ()]
    text = quotes.without(str(one.get("Message", "")))
    if any(hide.hides(step) for step in steps):
        text = _QUOTED.sub("(hidden)", text)
    return Finding(
        str(rule.get("Id", "?")),
        _LEVELS.get(str(one.get("Level")), WARNING),
        clean_message(text)[:_LONGEST],
        steps[1] if len(steps) > 1 and steps[0] == "Resources" else "",
        ".".join(steps)[:_LONGEST],
        str(one.get("Filename", "")).partition(marker)[2],
        int((location.get("Start") or {}).get("LineNumber") or 0),
    )


def _secrets(sides: dict[str, dict[str, bytes]], hide: Fingerprint) -> Iterable[str]:
    """The defaults of secret parameters: cfn-lint puts them where they are referred to, and quotes them."""
    for templates in sides.values():
        for path, data in templates.items():
            try:
                declared = read_template(data, path).parameters
            except RenderError:
                continue
            for name, parameter in declared.items():
                default = parameter.get("Default")
                if default is not None and is_secret(name, parameter, hide) and len(str(default)) > 1:
                    yield str(default)
