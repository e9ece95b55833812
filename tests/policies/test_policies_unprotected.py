"""A rule before a deployment that never holds one is told wherever a policy is looked at, and the file stays valid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from apps.policies.config import parse_portal_yaml
from apps.policies.problems import NOTICE

PLACES = "environments:\n  plain: {}\n  other: {}\n  production: {protected: true}\n"


def file_of(when: str, places: str = PLACES, stage: str = "deploy") -> str:
    rule = f"{{name: release, stage: {stage}, {when}needs: {{approvals: 1, from: [role/reviewer]}}}}"
    return f"apiVersion: portal/v1\n{places}rules:\n  - {{name: one, needs: {{approvals: 1}}}}\n  - {rule}\n"


def on(*names: str) -> str:
    return f"when: {{environments: [{', '.join(names)}]}}, "


@pytest.mark.parametrize(
    ("when", "named"),
    [
        (on("plain"), ("plain",)),
        (on("plain", "other"), ("plain", "other")),
        (on("plain", "production"), ("plain",)),
    ],
)
def test_an_environment_that_is_named_and_not_protected_is_told_with_rule_and_remedy(
    when: str, named: tuple[str, ...]
) -> None:
    found = parse_portal_yaml(file_of(when).encode())
    assert found.is_valid
    (problem,) = found.problems
    assert (problem.severity, problem.line) == (NOTICE, 8)
    assert problem.message.startswith(f"The rule `release` never holds a deployment to `{'` and `'.join(named)}`")
    assert problem.fix == f"Write `protected: true` in `environments.{'` and `environments.'.join(named)}`."


def test_a_rule_for_all_is_told_where_nothing_is_protected() -> None:
    (problem,) = parse_portal_yaml(file_of("", "environments:\n  plain: {}\n").encode()).problems
    assert "never holds a deployment to `plain`" in problem.message


@pytest.mark.parametrize(
    "text",
    [
        file_of(on("production")),
        file_of(""),
        file_of(on("plain"), stage="merge"),
    ],
)
def test_rules_that_can_act_are_not_told(text: str) -> None:
    assert parse_portal_yaml(text.encode()).problems == ()


def test_check_config_tells_it_and_goes_on(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "portal.yaml"
    file.write_text(file_of(on("plain")))
    call_command("check_config", str(file))
    said = capsys.readouterr().out
    assert f"{file}:8:" in said
    assert "notice: The rule `release` never holds a deployment to `plain`" in said
    assert "valid." in said
