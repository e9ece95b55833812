"""Nothing grows beyond what one reads at a sitting. The allow-list is empty, and stays so."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULE_LINES, FUNCTION_LINES, TEMPLATE_LINES = 400, 40, 120


def python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in sorted((ROOT / folder).rglob("*.py")) if "migrations" not in path.parts)


def length_without_docstring(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_module_is_longer_than_400_lines():
    files = python_files("apps", "gitops_portal", "scripts", "tests")
    sizes = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert sizes
    assert {name: size for name, size in sizes.items() if size > MODULE_LINES} == {}


def test_no_function_is_longer_than_40_lines():
    long = {}
    for path in python_files("apps", "gitops_portal", "scripts"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                and length_without_docstring(node) > FUNCTION_LINES
            ):
                long[f"{name_of(path)}:{node.lineno} {node.name}"] = length_without_docstring(node)
    assert long == {}


def test_no_function_is_more_complex_than_8():
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--select",
        "C901",
        "--ignore-noqa",
        "apps",
        "gitops_portal",
        "scripts",
    ]
    done = subprocess.run(
        [*command, "--output-format", "concise"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_template_is_longer_than_120_lines():
    sizes = {name_of(path): len(path.read_text().splitlines()) for path in (ROOT / "templates").rglob("*.html")}
    assert sizes
    assert {name: size for name, size in sizes.items() if size > TEMPLATE_LINES} == {}


def test_the_script_of_all_pages_stays_within_eight_kilobytes():
    import gzip

    names = ("keys", "palette", "portal")
    sizes = {name: len(gzip.compress((ROOT / f"static/js/{name}.js").read_bytes(), 9)) for name in names}
    assert sum(sizes.values()) <= 8 * 1024, sizes
