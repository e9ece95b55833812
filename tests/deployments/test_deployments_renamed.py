"""An environment that gets another name while something runs in it: the place is the same, and one deployment works there at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.deployments.jobs import starting
from apps.deployments.models import Deployment, Environment
from tests.support.delivery import Delivery

pytestmark = pytest.mark.django_db


def portal_yaml(name: str, step: str = "make deploy") -> str:
    return f"""\
apiVersion: portal/v1
environments:
  {name}: {{deploy: {{steps: [{{name: apply, run: {step}}}]}}}}
rules:
  - {{name: a reviewer, needs: {{approvals: 1, from: [role/reviewer]}}}}
"""


def in_both(tmp_path: Path, status: str, renamed: str) -> tuple[Deployment, Deployment]:
    """One that holds ``prod``, and one in ``production``, of which ``renamed`` is the ``portal.yaml``."""
    delivery = Delivery.start(tmp_path, portal_yaml("prod"))
    holder = delivery.deployment(delivery.merged("one"), "prod")
    Deployment.objects.filter(pk=holder.pk).update(status=status)
    change = delivery.merged("two", {".gitops/portal.yaml": renamed, "app/values.yaml": "replicas: 9\n"})
    assert not Environment.objects.get(name="prod").defined
    return holder, delivery.deployment(change, "production")


def looked_at(row: Deployment) -> Deployment:
    starting.start(row.pk)
    return Deployment.objects.get(pk=row.pk)


@pytest.mark.parametrize("status", ["running", "unknown"])
def test_what_runs_under_the_old_name_is_waited_for(tmp_path: Path, status: str) -> None:
    holder, row = in_both(tmp_path, status, portal_yaml("production"))
    held = looked_at(row)
    assert (held.status, [wait["code"] for wait in held.waits]) == ("pending", ["lock"])
    text = f"{holder.label} ({status}) still holds prod, which portal.yaml does not define any more, and works on the same."
    assert held.waits[0]["text"].startswith(text)
    assert ("a deployer decides that first" in held.waits[0]["text"]) == (status == "unknown")
    Deployment.objects.filter(pk=holder.pk).update(status="succeeded")
    assert looked_at(row).status == "dispatching"


def test_targets_of_the_same_name_are_the_same_place_whatever_deploys_them(tmp_path: Path) -> None:
    _, row = in_both(tmp_path, "running", portal_yaml("production", step="make other"))
    Environment.objects.update(targets=["shop"])
    assert [wait["code"] for wait in looked_at(row).waits] == ["lock"]


def test_another_place_does_not_wait(tmp_path: Path) -> None:
    _, row = in_both(tmp_path, "running", portal_yaml("production", step="make other"))
    assert looked_at(row).status == "dispatching"
