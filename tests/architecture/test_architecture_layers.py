"""The dependency order of DESIGN: imports by import-linter, model relations by this walk."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from django.apps import apps

ROOT = Path(__file__).resolve().parents[2]


def layers() -> dict[str, int]:
    """Context → height, read from the contract itself, so that there is one order."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    rows = next(contract["layers"] for contract in contracts if contract.get("exhaustive"))
    return {name.strip(): len(rows) - index for index, row in enumerate(rows) for name in row.split("|")}


def test_import_contracts_are_kept():
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_context_has_its_place_in_the_order():
    contexts = {path.parent.name for path in (ROOT / "apps").glob("*/__init__.py")}
    assert contexts == set(layers())


def test_model_relations_point_downwards():
    height = layers()
    wrong, seen = [], 0
    for model in apps.get_models():
        own = model.__module__.split(".")
        if own[0] != "apps":
            continue
        for field in model._meta.get_fields():
            other = field.related_model.__module__.split(".") if field.is_relation and field.related_model else [""]
            if field.auto_created or other[0] != "apps" or other[1] == own[1]:
                continue
            seen += 1
            if height[other[1]] >= height[own[1]]:
                wrong.append(f"{model._meta.label}.{field.name} → {field.related_model._meta.label}")
    assert seen > 0
    assert wrong == []
