"""A merge that does not go on for a quarter of an hour: those who can help are told, once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.core.clock import now
from apps.core.errors import Unavailable
from apps.deployments import services
from apps.deployments.jobs import landing, verifying
from apps.deployments.models import MergeIntent
from apps.operations.ledger import _merges
from apps.reviews.models import News
from tests.support.delivery import Delivery, pipeline

pytestmark = pytest.mark.django_db


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline("true", "true"))


@pytest.fixture
def silent_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: Any, **__: Any) -> Any:
        raise Unavailable("unreachable", "git.example.org cannot be reached.")

    monkeypatch.setattr(landing.remotes, "remote_tip", silent)
    monkeypatch.setattr(verifying.landed, "look_at", silent)


def told(delivery: Delivery, words: str) -> set[str]:
    """Who was told that, each once."""
    found = [
        news.user.username
        for news in News.objects.select_related("user")
        for line in news.lines
        if words in line["text"]
    ]
    assert len(found) == len(set(found))
    return set(found)


def stuck() -> float:
    return next(float(sample.value) for sample in next(iter(_merges())).samples)


def test_a_decided_merge_whose_host_is_silent(delivery: Delivery, silent_host: None) -> None:
    intent = services.merge_change(delivery.people.alice, change=delivery.approved())
    for minutes, who in ((1, set()), (16, {"alice", "carol"}), (17, {"alice", "carol"})):
        MergeIntent.objects.update(created_at=now() - timedelta(minutes=minutes))
        landing.carry_out_merge(intent.pk)
        assert told(delivery, "The merge into main has waited for a quarter of an hour: git.example.org") == who
    assert stuck() == 1


def test_a_landed_merge_that_cannot_be_compared(delivery: Delivery, request: pytest.FixtureRequest) -> None:
    intent = services.merge_change(delivery.people.alice, change=delivery.approved())
    landing.carry_out_merge(intent.pk)
    assert MergeIntent.objects.get().state == "landed"
    request.getfixturevalue("silent_host")
    assert stuck() == 0
    for minutes, who in ((1, set()), (16, {"alice", "carol"}), (17, {"alice", "carol"})):
        MergeIntent.objects.update(ended_at=now() - timedelta(minutes=minutes))
        verifying.verify_landed(intent.pk)
        assert told(delivery, "it could not be told whether what landed is what was approved") == who
    assert stuck() == 1
