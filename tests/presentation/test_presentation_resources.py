"""Resources of a deployment, as the system that deploys told them: the worst first, and no words of theirs act."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from apps.deployments.models import Attempt
from apps.presentation.deployment_page import deployment_page
from tests.support.delivery import Delivery, pipeline, run_until_idle

pytestmark = pytest.mark.django_db


def resource(name: str, health: str, **more: str) -> dict[str, str]:
    return {
        "kind": "Deployment",
        "group": "apps",
        "namespace": "shop",
        "name": name,
        "sync": "synced",
        "health": health,
        "message": "",
        **more,
    }


def test_what_is_broken_stands_first_and_is_counted(tmp_path: Path) -> None:
    delivery = Delivery.start(tmp_path, pipeline())
    row = delivery.deployment(delivery.merged())
    run_until_idle()
    told = [
        resource("a", "healthy"),
        resource("b", "progressing"),
        resource("c", "degraded", message="<script>alert(1)</script>", sync="out_of_sync"),
    ]
    Attempt.objects.filter(deployment=row).update(resources=told)
    page = deployment_page(delivery.people.alice, row.number)
    assert [one.name for one in page.resources] == ["c", "b", "a"]
    assert page.healthy == 1
    client = Client()
    client.force_login(delivery.people.alice)
    shown = client.get(f"/deployments/{row.number}/").content.decode()
    assert "1 of 3 healthy" in shown
    assert "Out of sync" in shown
    assert "<script>alert(1)" not in shown
