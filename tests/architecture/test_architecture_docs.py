"""What the documentation names exists, and what exists is named: settings, keys, addresses, commands, metrics, links, examples."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from apps.deployments.dispatchers.kinds import KINDS
from apps.policies.config import parse_portal_yaml

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
PAGES = sorted({*DOCS, *(ROOT / "docs" / "adr").glob("*.md")})
SCHEMA = json.loads((ROOT / "apps/policies/schema/portal.schema.json").read_text(encoding="utf-8"))
VALUES = json.loads((ROOT / "deploy/chart/values.schema.json").read_text(encoding="utf-8"))
READERS = {"text", "flag", "number", "whole", "choice", "words", "folders", "folder", "url", "origin"}
OWN_WORDS = re.compile(r"\b(?:PORTAL|OTEL)_[A-Z_]*[A-Z]\b(?!…|_)")
FOREIGN = ("apiVersion: rbac", "apiVersion: notification", "on:\n", "workflow:\n")
"""What stands in examples that are no portal.yaml, but of Kubernetes and of pipelines."""
PLACE = "environments:\n  production:\n    targets: {web: {kind: manifests, path: m}}\n"
PART = "deploy:\n  via: kubernetes\n  connection: cluster\n"
"""What an example goes without that shows only how a `deploy` of this kind goes on."""


@cache
def text_of(*names: str) -> str:
    """These pages, or all of them but the changelog, one after the other."""
    pages = [ROOT / "docs" / name for name in names] or [page for page in DOCS if page.name != "CHANGELOG.md"]
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)


def is_named(word: str, text: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", text) is not None


def calls(path: Path) -> Iterator[ast.Call]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args)


def settings() -> dict[str, ast.Call]:
    """Every variable that the portal reads from its environment, with the call that reads it."""
    found = {}
    for path in (ROOT / "gitops_portal").glob("*.py"):
        for node in calls(path):
            name, reader = node.args[0], node.func
            if isinstance(reader, ast.Attribute) and reader.attr in READERS and isinstance(name, ast.Constant):
                found[str(name.value)] = node
    return found


def test_every_setting_is_told():
    found = settings()
    assert len(found) > 70
    assert [name for name in found if not is_named(name, text_of())] == []


def test_every_setting_that_is_told_of_exists():
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("gitops_portal", "apps", "scripts", "deploy", "tests")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".tpl", ".yaml"} and "static" not in path.parts
    )
    programs = {"PORTAL_HELM", "PORTAL_KUBECTL", "PORTAL_TERRAFORM"}  # made of the names of the programs
    of_others = {word for word in OWN_WORDS.findall(text_of()) if word.startswith("OTEL_")}  # OpenTelemetry reads them
    told = set(OWN_WORDS.findall(text_of())) - programs - of_others
    assert {word for word in told if not is_named(word, code)} == set()


def test_defaults_that_are_numbers_are_those_of_the_code():
    code = {name: node.args[1].value for name, node in settings().items() if len(node.args) > 1 and isinstance(node.args[1], ast.Constant)}  # fmt: skip
    told = {}
    for line in text_of("configuration.md", "deploying.md", "rendering.md").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        names = re.findall(r"`(PORTAL_[A-Z_]+)`", " ".join(cells[:-1]))
        values = re.findall(r"(?<![\w`])`?([\d,]*\d)`?(?![\w`])", " ".join(cells[1:]))
        if line.startswith("|") and len(names) == 1 and values and isinstance(code.get(names[0]), (int, float)):
            told.setdefault(names[0], float(values[0].replace(",", "")))
    assert {"PORTAL_STEP_MEMORY_MB", "PORTAL_LEASE_SECONDS", "PORTAL_PLAN_SECONDS", "PORTAL_RUNS_KEEP_DAYS"} <= set(
        told
    )
    assert told == {name: code[name] for name in told}


def test_every_key_and_word_of_portal_yaml_is_told():
    def words(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            yield from node["properties"] if isinstance(node.get("properties"), dict) else ()
            yield from (one for one in (*node.get("enum", ()), node.get("const")) if isinstance(one, str))
            node = list(node.values())
        for inner in node if isinstance(node, list) else ():
            yield from words(inner)

    marked = "\n".join(re.findall(r"`[^`\n]+`|```yaml.*?```", text_of(), re.DOTALL))
    assert sorted({word for word in words(SCHEMA) if not is_named(word, marked)}) == []


def blocks(kind: str) -> Iterator[Any]:
    for page in DOCS:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(rf"^```{kind}\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            yield pytest.param(match[1], id=f"{page.name}:{text[: match.start()].count(chr(10)) + 2}")


@pytest.mark.parametrize("example", [*blocks("yaml")])
def test_example_of_yaml_is_what_it_says(example: str):
    """Of portal.yaml: valid, also where it shows only a part of the file."""
    if any(mark in example for mark in FOREIGN):
        assert all(yaml.safe_load_all(example))
        return
    if example.startswith("worker:"):
        assert set(yaml.safe_load(example)["worker"]) <= set(VALUES["properties"]["worker"]["properties"])
        return
    text = PART + example if example.startswith("  ") else example
    if text.startswith("deploy:"):
        text = PLACE + "".join(f"    {line}\n" for line in text.splitlines())
    head = "" if "apiVersion:" in text else "apiVersion: portal/v1\n"
    assert parse_portal_yaml((head + text).encode()).problems == ()


@pytest.mark.parametrize("example", [*blocks("json")])
def test_example_of_json_is_json(example: str):
    """One value, or one a line."""
    try:
        json.loads(example)
    except ValueError:
        assert all(isinstance(json.loads(line), dict) for line in example.splitlines())


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_links_lead_to_what_is_there(file: Path):
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", file.read_text(encoding="utf-8")):
        name, _, place = target.partition("#")
        there = file.parent / name if name else file
        if target.startswith("https://"):
            continue
        headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE) if place else ()
        if not there.exists() or (place and place not in map(anchor, headings)):
            wrong.append(target)
    assert wrong == []


def test_every_address_of_the_api_is_listed_and_no_other():
    from apps.api.urls import urlpatterns

    served = {re.sub(r"<\w+:(\w+)>", r"{\1}", str(one.pattern)) for one in urlpatterns if one.name != "unknown"}
    part = text_of("api.md").partition("## Every address")[2].partition("\n## ")[0]
    listed = set()
    for row in re.findall(r"^\| `(.*?)` \| (.*) \|$", part, re.MULTILINE):
        listed |= {row[0] + ("" if tail == "." else tail) for tail in re.findall(r"`([^`]+)`", row[1])}
    assert listed == served


def test_every_command_is_told_with_its_options():
    """But `demo`, which `make` calls."""
    files = [path for path in ROOT.glob("apps/*/management/commands/[a-z]*.py") if path.stem != "demo"]
    assert [one.stem for one in files if f"manage.py {one.stem}" not in text_of()] == []
    given = {
        str(node.args[0].value) for path in files for node in calls(path) if isinstance(node.args[0], ast.Constant)
    }
    options = {word for word in given if re.fullmatch("--[a-z-]+", word)}
    assert len(options) > 10
    assert {word for word in options if not is_named(word, text_of())} == set()


def test_every_metric_is_told_and_no_other():
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "apps/operations").glob("*.py"))
    kept = set(re.findall(r'"(portal_[a-z_]+)"', code))
    told = {name.removesuffix("_total") for name in re.findall(r"`(portal_[a-z_]+)", text_of("operations.md"))}
    assert kept == told


def test_every_kind_of_connection_is_told_with_its_values():
    part = text_of("connections.md").partition("| `kind` |")[2]
    told = {}
    for kinds, needed, optional in re.findall(r"^\| (`[^|]*) \|([^|]*)\|([^|]*)\|$", part, re.MULTILINE):
        values = {name: (bool(mark), is_needed) for cell, is_needed in ((needed, True), (optional, False)) for mark, name in re.findall(r"(\*?)`(\w+)`", cell)}  # fmt: skip
        told |= dict.fromkeys(re.findall(r"`(\w+)`", kinds), values)
    assert told == {
        name: {one.name: (one.is_secret, one.is_required) for one in kind.fields} for name, kind in KINDS.items()
    }
