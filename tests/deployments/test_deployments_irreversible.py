"""What a roll-back does not bring back is named before the button."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.changes.effects.irreversible import irreversible_parts
from apps.changes.models import Rendering, RenderingPlan
from apps.core.clock import now
from apps.presentation.rollback_page import rollback_page
from tests.support.delivery import Delivery, pipeline, run_until_idle

pytestmark = pytest.mark.django_db
HEAVY = ["destroy", "high", "PersistentVolumeClaim shop/data is deleted.", "v1 PersistentVolumeClaim shop/data"]


def rendered(delivery: Delivery, *resources: list[Any], state: str = "rendered") -> Any:
    change = delivery.merged()
    run_until_idle()
    assert change.revision is not None
    RenderingPlan.objects.get_or_create(revision=change.revision, defaults={"created_at": now()})
    Rendering.objects.create(
        revision=change.revision, environment="staging", target="web", kind="manifests", state=state,
        facts={"resources": list(resources), "risks": [HEAVY]}, created_at=now(),
    )  # fmt: skip
    return change


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline())


def test_what_was_deleted_with_its_data_comes_back_empty(delivery: Delivery) -> None:
    change = rendered(delivery, ["PersistentVolumeClaim", "delete", "shop", "data", ["destroy"]])
    [part] = irreversible_parts(change).parts
    assert part.resource == "PersistentVolumeClaim shop/data"
    assert "without what it held" in part.text
    assert rollback_page(delivery.people.carol, delivery.deployment(change)).read_back.parts == (part,)


@pytest.mark.parametrize(
    "kind", ["PersistentVolumeClaim", "aws_db_instance", "aws_s3_bucket", "AWS::RDS::DBInstance", "StatefulSet"]
)
def test_what_was_created_to_keep_data_goes_with_it(delivery: Delivery, kind: str) -> None:
    [part] = irreversible_parts(rendered(delivery, [kind, "create", "", "data", []])).parts
    assert "with what was stored since" in part.text


@pytest.mark.parametrize(
    "resource",
    [
        ["Deployment", "update", "shop", "web", []],
        ["ConfigMap", "delete", "shop", "web", ["destroy"]],
        ["aws_route", "create", "", "out", []],
    ],
)
def test_what_comes_back_whole_is_not_named(delivery: Delivery, resource: list[Any]) -> None:
    assert irreversible_parts(rendered(delivery, resource)).parts == ()


def test_what_could_not_be_rendered_is_named_as_not_known(delivery: Delivery) -> None:
    found = irreversible_parts(rendered(delivery, state="failed"))
    assert (found.parts, found.unknown) == ((), ("staging/web",))
