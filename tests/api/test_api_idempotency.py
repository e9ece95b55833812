"""A repeated POST with its Idempotency-Key has one effect; both at once: see the races."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import QuerySet
from django.test import Client

from apps.api.idempotency import ABANDONED_AFTER, KEPT_FOR
from apps.api.models import IdempotentRequest
from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.core.clock import now
from apps.reviews import services as reviews
from apps.reviews.models import Review
from tests.support.api_world import World

pytestmark = pytest.mark.django_db


def post(client: Client, body: Any, key: str, path: str = "changes/") -> Any:
    return client.post(
        f"/api/v1/{path}", json.dumps(body), content_type="application/json", headers={"Idempotency-Key": key}
    )


ASK = {"repository": "infra", "title": "Once"}


def test_repeated_request_gets_the_first_answer_and_does_nothing(world: World, api: Any) -> None:
    first = post(api("alice"), ASK, "k1")
    entries = AuditEntry.objects.count()
    again = post(api("alice"), ASK, "k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert AuditEntry.objects.count() == entries


def test_same_key_for_something_else_is_refused(world: World, api: Any) -> None:
    assert post(api("alice"), ASK, "k1").status_code == 201
    other = post(api("alice"), {**ASK, "title": "Other"}, "k1")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    elsewhere = post(api("alice"), {}, "k1", f"changes/{world.names['draft']}/ready/")
    assert elsewhere.status_code == 422
    assert ChangeRequest.objects.filter(title__in=["Once", "Other"]).count() == 1


def test_key_belongs_to_one_person(world: World, api: Any) -> None:
    numbers = {post(api(name), ASK, "k1").json()["number"] for name in ("alice", "bob")}
    assert len(numbers) == 2


def test_refusal_is_not_kept(world: World, api: Any) -> None:
    path = f"changes/{world.names['review']}/merge/"
    assert post(api("alice"), {}, "k1", path).status_code == 409
    world.approve(world.repository.changes.get(number=world.names["review"]))
    assert post(api("alice"), {}, "k1", path).status_code == 202
    assert post(api("alice"), {"repository": "infra"}, "k2").status_code == 422
    assert post(api("alice"), ASK, "k2").status_code == 201


def test_secret_of_a_token_is_not_kept(world: World, api: Any) -> None:
    body = {"name": "nightly", "scopes": ["read"]}
    first, again = (post(api("alice"), body, "k1", "tokens/").json() for _ in range(2))
    assert first["token"].startswith("gop_")
    assert again == {**first, "token": None}
    assert first["token"] not in json.dumps(list(IdempotentRequest.objects.values_list("body", flat=True)))
    secret = post(api("maintainer"), {}, "k2", "repositories/infra/webhook/").json()["secret"]
    assert secret not in json.dumps(list(IdempotentRequest.objects.values_list("body", flat=True)))


def test_request_that_never_ended_is_not_done_again(world: World, api: Any) -> None:
    post(api("alice"), ASK, "k1")
    row = IdempotentRequest.objects.get(key="k1")
    IdempotentRequest.objects.filter(pk=row.pk).update(status=0, body=None)
    assert post(api("alice"), ASK, "k1").json()["code"] == "still_running"
    IdempotentRequest.objects.filter(pk=row.pk).update(created_at=now() - ABANDONED_AFTER - timedelta(seconds=1))
    assert post(api("alice"), ASK, "k1").json()["code"] == "outcome_unknown"
    assert ChangeRequest.objects.filter(title="Once").count() == 1


APPROVE = {"revision": 1, "verdict": "approve"}


def reviewed(world: World) -> tuple[str, QuerySet[Review]]:
    number = world.names["review"]
    return f"changes/{number}/reviews/", Review.objects.filter(change__number=number, verdict="approve")


def test_an_approval_is_kept_with_its_answer_or_done_when_the_first_call_is_taken_for_dead(
    world: World, api: Any
) -> None:
    path, rows = reviewed(world)
    first = post(api("bob"), APPROVE, "k1", path)
    assert first.status_code == 201, first.content
    assert post(api("bob"), APPROVE, "k1", path).json() == first.json()
    rows.delete()
    IdempotentRequest.objects.update(status=0, body=None)  # killed before it was committed
    assert post(api("bob"), APPROVE, "k1", path).json()["code"] == "still_running"
    IdempotentRequest.objects.update(created_at=now() - ABANDONED_AFTER - timedelta(seconds=1))
    again = post(api("bob"), APPROVE, "k1", path)
    assert (again.status_code, "Idempotency-Replayed" in again.headers) == (201, False)
    assert post(api("bob"), APPROVE, "k1", path).headers["Idempotency-Replayed"] == "true"
    assert rows.count() == 1


def test_a_call_that_was_taken_for_dead_and_is_not_has_no_effect(world: World, api: Any, monkeypatch: Any) -> None:
    path, rows = reviewed(world)
    real = reviews.submit_review

    def slow(*given: Any, **more: Any) -> Review:
        row = real(*given, **more)
        IdempotentRequest.objects.update(
            created_at=now() + timedelta(seconds=1)
        )  # as another call does that takes it over
        return row

    monkeypatch.setattr(reviews, "submit_review", slow)
    assert post(api("bob"), APPROVE, "k1", path).status_code == 409
    assert not rows.exists()


def test_a_refused_approval_stays_on_record_and_its_key_is_free(world: World, api: Any) -> None:
    path, rows = reviewed(world)
    assert post(api("alice"), APPROVE, "k1", path).json()["code"] == "contributor"
    assert AuditEntry.objects.filter(action="review.refused").exists()
    assert not rows.exists()
    assert not IdempotentRequest.objects.exists()


def test_key_is_free_again_after_a_day_and_has_a_length(world: World, api: Any) -> None:
    post(api("alice"), ASK, "k1")
    IdempotentRequest.objects.update(created_at=now() - KEPT_FOR - timedelta(seconds=1))
    assert "Idempotency-Replayed" not in post(api("alice"), ASK, "k1").headers
    assert post(api("alice"), ASK, "k" * 121).status_code == 422
