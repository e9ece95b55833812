"""A file is named by what an answer says of it, whatever stands in its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from tests.support.delivery import Delivery, pipeline

pytestmark = pytest.mark.django_db
ODD = ["new\nline.yaml", "tab\there.yaml", "сервис.yaml", "na\u202eme.yaml", "a b?c#d.yaml", "caf\udce9.yaml"]


@pytest.fixture
def alice(tmp_path: Path) -> Client:
    delivery = Delivery.start(tmp_path, pipeline())
    delivery.proposed("one", dict.fromkeys(ODD, "a: 1\nb: 2\n"))
    client = Client(raise_request_exception=False)
    client.force_login(delivery.people.alice)
    return client


def post(client: Client, path: str, body: dict[str, Any]) -> Any:
    return client.post(f"/api/v1/changes/1/{path}", json.dumps(body), content_type="application/json")


def test_every_file_of_a_difference_is_had_alone_by_its_path_and_by_its_id(alice: Client) -> None:
    files = alice.get("/api/v1/changes/1/diff/").json()["files"]
    assert len(files) == len(ODD)
    for one in files:
        for name in (one["path"], one["id"]):
            answer = alice.get(f"/api/v1/changes/1/diff/?path={quote(name)}")
            assert answer.status_code == 200, one["path"]
            assert [found["id"] for found in answer.json()["files"]] == [one["id"]]


def test_a_thread_and_a_draft_stand_on_a_file_that_is_named_by_its_id(alice: Client) -> None:
    files = alice.get("/api/v1/changes/1/diff/").json()["files"]
    for number, one in enumerate(files, start=1):
        assert post(alice, "drafts/", {"body": "later", "file": one["id"], "line": 1}).status_code == 201
        answer = post(alice, "threads/", {"body": "why?", "file": one["id"], "line": 2})
        assert (answer.status_code, answer.json()["line"]) == (201, 2), answer.content
        assert len(alice.get("/api/v1/changes/1/drafts/").json()["results"]) == number
    paths = {row["path"] for row in alice.get("/api/v1/changes/1/threads/").json()["results"]}
    assert len(paths) == len(ODD)


def test_a_file_is_named_in_one_way(alice: Client) -> None:
    file = alice.get("/api/v1/changes/1/diff/").json()["files"][0]["id"]
    both = post(alice, "threads/", {"body": "b", "file": file, "path": "a b?c#d.yaml"})
    assert (both.status_code, both.json()["code"]) == (422, "two_places")
    none = post(alice, "threads/", {"body": "b", "file": "0" * 16})
    assert (none.status_code, none.json()["code"]) == (422, "unknown_path")
