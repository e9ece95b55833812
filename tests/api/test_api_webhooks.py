"""Notices of Git hosts over HTTP: believed only when they are signed, and once."""

from __future__ import annotations

import hmac
import json
from hashlib import sha256
from typing import Any

import pytest
from django.test import Client

from apps.core.secrets import decrypt
from apps.repositories.models import WebhookDelivery
from tests.support.api_world import World

pytestmark = pytest.mark.django_db
PUSH = json.dumps({"ref": "refs/heads/main", "after": "a" * 40, "pusher": {"name": "alice"}}).encode()


def notify(
    world: World, body: bytes = PUSH, *, sign: bool = True, kind: str = "application/json", **headers: str
) -> Any:
    secret = decrypt(world.repository.webhook_secret)
    signed = {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, sha256).hexdigest()} if sign else {}
    sent = {"X-GitHub-Event": "push", "X-GitHub-Delivery": "d1", **signed, **headers}
    client = Client(raise_request_exception=False)
    return client.generic("POST", "/api/v1/webhooks/github/infra/", body, content_type=kind, headers=sent)


@pytest.fixture(autouse=True)
def _nothing_received(world: World) -> None:
    world.repository.refresh_from_db()


def test_signed_notice_is_accepted_and_asks_for_a_look(world: World) -> None:
    answer = notify(world)
    assert (answer.status_code, answer.json()) == (202, {"delivery": "d1", "status": "accepted"})
    world.repository.refresh_from_db()
    assert world.repository.sync_requested_at is not None


def test_replay_counts_once(world: World) -> None:
    for _ in range(3):
        assert notify(world).status_code == 202
    assert WebhookDelivery.objects.filter(delivery_id="d1").count() == 1


@pytest.mark.parametrize(
    "signature",
    ["", "sha256=", "sha256=" + "0" * 64, "sha1=" + "0" * 40, "sha256=é", "0" * 64, "sha256=" + "0" * 100_000],
)
def test_unsigned_or_wrongly_signed_notice_leaves_no_trace(signature: str, world: World) -> None:
    answer = notify(world, sign=False, **{"X-Hub-Signature-256": signature})
    assert (answer.status_code, answer.json()["code"]) == (403, "bad_signature")
    assert not WebhookDelivery.objects.exists()


def test_signature_is_over_the_bytes_that_were_sent(world: World) -> None:
    secret = decrypt(world.repository.webhook_secret)
    other = "sha256=" + hmac.new(secret.encode(), json.dumps(json.loads(PUSH), indent=1).encode(), sha256).hexdigest()
    assert notify(world, sign=False, **{"X-Hub-Signature-256": other}).status_code == 403


def test_unknown_repository_is_answered_like_a_wrong_signature(world: World) -> None:
    known = notify(world, sign=False).json()
    unknown = Client().post("/api/v1/webhooks/github/nothing/", PUSH, content_type="application/json").json()
    assert {**known, "request_id": ""} == {**unknown, "request_id": ""}


def test_unknown_kind_of_host_is_404(world: World) -> None:
    assert Client().post("/api/v1/webhooks/svn/infra/", PUSH, content_type="application/json").status_code == 404


def test_notice_that_is_too_large_is_413(world: World) -> None:
    assert notify(world, b'{"a": "' + b"x" * 1_000_001 + b'"}').status_code == 413
    assert notify(world, b"x" * 20_000_000).status_code == 413
    assert not WebhookDelivery.objects.exists()


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"payload=%7B%7D", b"\xff\xfe", b"[" * 100_000, b'{"ref": ' + b"9" * 9999 + b"}"],
)
def test_signed_notice_that_is_no_object_is_refused(body: bytes, world: World) -> None:
    answer = notify(world, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_payload")


@pytest.mark.parametrize(
    "body",
    [
        b'{"ref": "refs/heads/\\u0000x", "pusher": {"name": "\\ud800", "email": "\\u0000"}, "after": "\\u0000"}',
        b'{"ref": 5, "pusher": [], "after": {}}',
        b'{"ref": "' + b"r" * 50_000 + b'", "pusher": {"name": "' + b"n" * 50_000 + b'"}}',
    ],
    ids=["nul and surrogates", "wrong types", "long"],
)
def test_odd_contents_of_a_signed_notice_do_no_harm(body: bytes, world: World) -> None:
    assert notify(world, body).status_code == 202


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "nonsense", ""]
)
def test_what_the_content_is_called_does_not_matter_its_signature_does(kind: str, world: World) -> None:
    assert notify(world, kind=kind).status_code == 202
    assert notify(world, kind=kind, sign=False).status_code == 403


def test_cookie_or_token_signs_nothing(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.token('maintainer')}"}
    answer = world.browser("maintainer").generic(
        "POST", "/api/v1/webhooks/github/infra/", PUSH, content_type="application/json", headers=headers
    )
    assert answer.status_code == 403


def test_rotated_secret_ends_the_old_one(world: World, api: Any) -> None:
    old = decrypt(world.repository.webhook_secret)
    answer = api("maintainer").post("/api/v1/repositories/infra/webhook/", "{}", content_type="application/json")
    assert answer.json()["secret"] != old
    assert notify(world).status_code == 403
    world.repository.refresh_from_db()
    assert decrypt(world.repository.webhook_secret) == answer.json()["secret"]
    assert notify(world).status_code == 202


@pytest.mark.parametrize(
    ("path", "unknown"),
    [
        ("webhooks/github/a%00b/", "webhooks/github/nothing/"),
        ("connections/a%00b/events/", "connections/nothing/events/"),
        ("deployments/99999999999999999999/reports/", "deployments/999/reports/"),
        ("webhooks/a%00b/infra/", "webhooks/nothing/infra/"),
    ],
)
def test_a_name_that_no_database_keeps_is_answered_like_an_unknown_one(path: str, unknown: str, world: World) -> None:
    client = Client(raise_request_exception=False)
    answers = [client.post(f"/api/v1/{where}", b"{}", content_type="application/json") for where in (path, unknown)]
    told = [{**answer.json(), "request_id": "", "provider": ""} for answer in answers]
    assert answers[0].status_code == answers[1].status_code in {403, 404}
    assert told[0] == told[1]
