"""Principals that stand for nobody are told wherever a policy is looked at, and hold nothing that was valid before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from apps.policies.config import parse_portal_yaml
from apps.policies.problems import NOTICE
from tests.support.delivery import Delivery, pipeline

ASKS = {
    "a rule": "rules: [{{name: a, needs: {{approvals: 1, from: [{0}, role/reviewer]}}}}]\n",
    "a group": "rules: [{{name: a, needs: {{all: [{{approvals: 1, from: [{0}]}}]}}}}]\n",
    "an emergency": "emergency: {{from: [{0}], approvals: 1}}\n",
    "a window": "windows: [{{name: w, kind: freeze, from: 2026-12-24T00:00Z, to: 2026-12-26T00:00Z, override: [{0}]}}]\n",
}


def told(text: str) -> list[tuple[str, str]]:
    return [
        (found.severity, found.message)
        for found in parse_portal_yaml(f"apiVersion: portal/v1\n{text}".encode()).problems
    ]


@pytest.mark.parametrize("asks", ASKS.values(), ids=ASKS)
@pytest.mark.parametrize("role", ["role/viewer", "role/auditor"])
def test_a_role_that_may_not_review_is_told_wherever_people_are_named(asks: str, role: str) -> None:
    notices = [message for severity, message in told(asks.format(role)) if severity == NOTICE and role in message]
    assert notices == [f"`{role}` stands for nobody: this role may not review, so nobody can meet it."]
    assert parse_portal_yaml(f"apiVersion: portal/v1\n{asks.format(role)}".encode()).config is not None


@pytest.mark.parametrize("role", ["author", "reviewer", "deployer", "maintainer"])
def test_other_roles_are_not_told(role: str) -> None:
    assert told(ASKS["a group"].format(f"role/{role}")) == []


def test_check_config_tells_it_with_its_line_and_goes_on(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "portal.yaml"
    file.write_text("apiVersion: portal/v1\n" + ASKS["a rule"].format("role/auditor"))
    call_command("check_config", str(file))
    said = capsys.readouterr().out
    assert f"{file}:2:" in said
    assert "notice: `role/auditor` stands for nobody" in said
    assert "valid." in said


@pytest.mark.django_db
def test_the_pages_of_the_policy_tell_it(tmp_path: Path, client: Client) -> None:
    rule = "  - {name: seen, needs: {approvals: 1, from: [role/viewer]}}\n"
    delivery = Delivery.start(tmp_path, pipeline("true", "true", rules=rule))
    client.force_login(delivery.people.bob)
    assert "stands for nobody" in client.get("/repositories/infra/policy/").content.decode()
    other = rule.replace("viewer", "auditor")
    change = delivery.proposed("policy", {".gitops/portal.yaml": pipeline("true", "true", rules=other)})
    assert "stands for nobody" in client.get(f"/changes/{change.number}/policy/").content.decode()
