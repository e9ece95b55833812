"""The published description is valid, complete, and what the answers really look like."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import get_resolver
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from apps.repositories.models import Repository
from tests.support.api_world import World

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    from apps.api.schema import published

    return json.loads(json.dumps(published()))


def test_description_is_valid_openapi_3_1(schema: dict[str, Any]) -> None:
    assert schema["openapi"] == "3.1.0"
    validate(schema)


def test_description_is_made_without_warnings(tmp_path: Any) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yaml"))


def test_anybody_can_read_the_description_in_json_and_yaml(world: World) -> None:
    answer = Client().get("/api/v1/schema/")
    assert answer.status_code == 200
    assert json.loads(answer.content)["info"]["title"] == "GitOps Portal"
    assert Client().get("/api/v1/schema/?format=yaml").content.startswith(b"openapi: 3.1.0")


def test_every_route_of_the_api_is_described(schema: dict[str, Any]) -> None:
    described = {path.removeprefix("/api/v1/") for path in schema["paths"]}
    api = next(found for found in get_resolver().url_patterns if getattr(found, "namespace", "") == "api")
    routes = {str(found.pattern) for found in api.url_patterns if found.name not in {"schema", "unknown"}}
    assert {re.sub(r"<\w+:(\w+)>", r"{\1}", route) for route in routes} == described


def test_every_operation_names_its_scope_and_its_refusals(schema: dict[str, Any]) -> None:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            if operation["operationId"] in {"accept_delivery", "accept_event", "accept_report"}:
                assert "security" not in operation
                continue
            assert "A token needs the scope `" in operation["description"], (path, method)
            assert {"401", "403", "404", "422"} <= set(operation["responses"]), (path, method)
            assert operation["security"] == [{"token": []}, {"session": []}], (path, method)


def test_an_answer_without_content_is_described_as_one(schema: dict[str, Any]) -> None:
    bodies = [
        (path, status, "content" in answer)
        for path, methods in schema["paths"].items()
        for operation in methods.values()
        for status, answer in operation["responses"].items()
        if status == "204" or "content" not in answer
    ]
    assert {(status, has_content) for _, status, has_content in bodies} == {("204", False)}


READS = [
    "me/", "me/keyboard/", "users/", "users/kim/", "users/maintainer/absences/", "teams/", "teams/network/", "tokens/", "repositories/", "repositories/infra/",
    "changes/", "changes/{backlog}/", "changes/{review}/", "changes/{approved}/", "changes/{done}/",
    "changes/{merged}/", "changes/{review}/diff/", "changes/{backlog}/diff/", "changes/{review}/revisions/1/",
    "changes/{approved}/reviews/", "changes/{review}/assignments/", "changes/{review}/reviewers/", "repositories/infra/rebalance/", "repositories/infra/outside-changes/", "repositories/infra/claims/", "repositories/infra/freezes/", "changes/{done}/merge/", "me/absences/",
    "changes/{review}/renderings/", "changes/{review}/renderings/staging/broken/", "changes/{review}/overrides/", "changes/{review}/overlaps/", "changes/{review}/inverse/", "changes/{merged}/start/", "deployments/{succeeded}/bring-back/", "deployments/{succeeded}/rollback/", "changes/{review}/policy/", "changes/{done}/verdicts/", "calendar/", "changes/{review}/schedule/", "changes/{review}/emergency/", "changes/{review}/checks/", "changes/{review}/threads/", "changes/{review}/drafts/", "changes/{review}/viewed/", "changes/{review}/attention/",
    "queue/", "queue/arrangement/", "inbox/", "deployments/",
    "deployments/{failed}/", "deployments/{waiting}/", "deployments/{succeeded}/events/", "environments/", "environments/board/", "environments/infra/staging/status-page/", "environments/infra/staging/drift/", "environments/compare/?from=infra%2Fstaging&to=infra%2Fproduction", "audit/", "audit/checkpoint/", "timeline/?from=2020-01-01", "connections/", "connections/corp/",
]  # fmt: skip
WRITES = [
    ("changes/", {"repository": "infra", "title": "Ask"}, 201),
    ("changes/{review}/reviews/", {"revision": 1, "verdict": "comment", "body": "Hm."}, 201),
    ("changes/{review}/threads/", {"body": "Why?", "path": "app/review.yaml", "line": 1}, 201),
    ("changes/{approved}/merge/", {}, 202),
    ("deployments/{succeeded}/rollback/", {}, 201),
    ("deployments/", {"change": "{merged}", "environment": "staging"}, 201),
    ("repositories/infra/outside-changes/{outside}/adopt/", {}, 201),
    ("tokens/", {"name": "nightly", "scopes": ["read"]}, 201),
    ("audit/verify/", {}, 200),
]


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The description with every answer closed, so that a field that nobody describes is found."""
    for shape in schema["components"]["schemas"].values():
        if "properties" in shape:
            shape["additionalProperties"] = False
    return schema


def _check(schema: dict[str, Any], path: str, method: str, status: int, body: Any) -> None:
    template = next(
        known for known in schema["paths"] if method in schema["paths"][known] and _fits(known, f"/api/v1/{path}")
    )
    content = schema["paths"][template][method]["responses"][str(status)]["content"]["application/json"]
    document = {**_closed(json.loads(json.dumps(schema))), **content["schema"]}
    problems = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(document).iter_errors(body)]
    assert not problems, f"{method} {path}: {problems[:5]}"


def _fits(template: str, path: str) -> bool:
    parts, given = template.split("/"), path.partition("?")[0].split("/")
    return len(parts) == len(given) and all(a == b or a.startswith("{") for a, b in zip(parts, given, strict=True))


@pytest.mark.parametrize("path", READS)
def test_answer_of_every_get_has_the_published_shape(path: str, world: World, api: Any, schema: dict[str, Any]) -> None:
    path = path.format(**world.names)
    answer = api("maintainer").get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.content
    _check(schema, path, "get", 200, answer.json())


def test_a_repository_with_a_problem_has_the_published_shape(world: World, api: Any, schema: dict[str, Any]) -> None:
    problem = {
        "code": "git_timeout",
        "message": "It does not answer.",
        "since": "2026-12-01T07:00:00+00:00",
        "failures": 2,
    }
    Repository.objects.update(sync_problem=problem)
    for path in ("repositories/", "repositories/infra/"):
        test_answer_of_every_get_has_the_published_shape(path, world, api, schema)
    assert api("alice").get("/api/v1/repositories/infra/").json()["sync_problem"] == problem


def test_every_get_is_compared_with_its_shape(schema: dict[str, Any]) -> None:
    compared = {path.format_map(_Any()) for path in READS}
    left_out = [
        path
        for path, methods in schema["paths"].items()
        if "get" in methods and not any(_fits(path, f"/api/v1/{one}") for one in compared)
    ]
    assert left_out == ["/api/v1/deployments/{number}/log/"]  # plain text


class _Any(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "1"


@pytest.mark.parametrize(("path", "body", "status"), WRITES, ids=[path for path, _, _ in WRITES])
def test_answer_of_a_write_has_the_published_shape(
    path: str, body: dict[str, Any], status: int, world: World, api: Any, schema: dict[str, Any]
) -> None:
    path = path.format(**world.names)
    body = {key: world.names[value[1:-1]] if str(value).startswith("{") else value for key, value in body.items()}
    answer = api("maintainer").post(f"/api/v1/{path}", json.dumps(body), content_type="application/json")
    assert answer.status_code == status, answer.content
    _check(schema, path, "post", status, answer.json())


def test_a_problem_has_the_published_shape(world: World, api: Any, schema: dict[str, Any]) -> None:
    answer = api("alice").post("/api/v1/changes/", "{}", content_type="application/json")
    assert answer.headers["Content-Type"] == "application/problem+json"
    shape = {**schema, **schema["components"]["schemas"]["ProblemShape"]}
    assert not list(Draft202012Validator(shape).iter_errors(answer.json()))
