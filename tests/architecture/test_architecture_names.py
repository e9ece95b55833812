"""Names say what a thing is for; templates carry nothing that the content security policy would block."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = ["core", "vcs", "audit", "accounts", "repositories", "diffs", "rendering", "policies", "changes", "reviews"]
DOMAIN += ["deployments", "runbooks", "insights"]
HTTP_ALLOWED = {"apps/accounts/adapters.py", "apps/accounts/oidc.py"}  # the sign-in library hands its hooks a request
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "manager", "managers", "misc", "common"}
EMPTY_STARTS = ("process_", "handle_")
DJANGO_HOOKS = {"process_view", "process_exception", "process_template_response"}  # Django calls these by name
FORBIDDEN_CLASSES = r"badge|bg-[a-z]+-lt|btn-success|btn-warning|btn-info|steps|text-(?:yellow|green|lime|orange|azure)"
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


def sources(*folders: str) -> list[Path]:
    return [
        path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")) if "migrations" not in path.parts
    ]


def names_defined_in(path: Path) -> list[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [node.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, kinds)]


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_module_or_definition_has_an_empty_name():
    found = [shown(path) for path in sources("apps", "gitops_portal", "scripts", "tests") if path.stem in EMPTY_NAMES]
    for path in sources("apps", "gitops_portal", "scripts"):
        names = [name for name in names_defined_in(path) if name not in DJANGO_HOOKS]
        found += [f"{shown(path)}: {name}" for name in names if name.lstrip("_").startswith(EMPTY_STARTS)]
    assert found == []


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_the_domain_does_not_import_django_http():
    files = [path for context in DOMAIN for path in sources(f"apps/{context}") if shown(path) not in HTTP_ALLOWED]
    assert files
    assert [shown(path) for path in files if any(name.startswith("django.http") for name in imports_of(path))] == []


@pytest.mark.parametrize("template", TEMPLATES, ids=shown)
def test_template_has_no_inline_style_script_or_handler(template: Path):
    text = re.sub(r"{%.*?%}|{#.*?#}", "", template.read_text(encoding="utf-8"))
    assert not re.search(r"\sstyle\s*=", text), "style attributes are blocked: use a class"
    assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", text), "inline scripts are blocked"
    assert not re.search(r"\s(on[a-z]+|hx-on\S*)\s*=", text), "inline handlers are blocked: delegate in a script file"
    assert not re.search(r"(src|href)=[\"'](https?:)?//", text), "nothing is loaded from another host"


@pytest.mark.parametrize("template", TEMPLATES, ids=shown)
def test_template_uses_no_class_of_the_base_library_that_fails_contrast(template: Path):
    found = [
        word
        for classes in re.findall(r'class="([^"]*)"', template.read_text(encoding="utf-8"))
        for word in classes.split()
        if re.fullmatch(FORBIDDEN_CLASSES, word)
    ]
    assert found == []


def test_locked_requirements_name_no_index_host_or_path():
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / name).read_text().splitlines():
            if line and not line.lstrip().startswith("#"):
                assert re.fullmatch(r"[A-Za-z0-9._\[\],-]+==[^\s;]+( ; .+)?", line), line


def test_pages_load_assets_only_from_this_host():
    for style in (ROOT / "static/css").glob("*.css"):
        assert not re.search(r"url\(\s*[\"']?(https?:)?//|@import", style.read_text(encoding="utf-8")), style.name


def test_every_decision_has_a_number_of_its_own():
    decisions = sorted((ROOT / "docs/adr").glob("*.md"))
    numbers = [path.name[:4] for path in decisions]
    assert len(set(numbers)) == len(numbers), "two decisions share a number"
    for path in decisions:
        assert path.read_text(encoding="utf-8").startswith(f"# {int(path.name[:4])}. "), path.name
