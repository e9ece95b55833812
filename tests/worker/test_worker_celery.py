"""The same jobs on Celery and Redis: woken after commit, swept when a message is lost, safe when a worker dies."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from apps.changes.models import ChangeRequest
from apps.deployments import services
from tests.support.delivery import Delivery, pipeline
from tests.support.engine_process import Process, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.redis]


def test_a_change_is_deployed_by_celery_workers_of_which_one_is_killed(tmp_path: Path) -> None:
    redis = os.environ.get("TEST_REDIS_URL") or os.environ.get("REDIS_URL")
    if not redis:
        pytest.skip("NOT RUN: no Redis; set REDIS_URL")
    witness = tmp_path / "witness"
    step = f"echo apply >> {witness}; until [ -e {witness}.open ]; do sleep 0.05; done"
    delivery = Delivery.start(tmp_path, pipeline(step, production=f"echo production >> {witness}"))
    change = delivery.approved()
    scaled_out = {"REDIS_URL": redis, "PORTAL_ENGINE": "celery", "PORTAL_QUEUE_PREFIX": f"test-{uuid.uuid4().hex}-"}
    worker = ("-m", "celery", "-A", "gitops_portal", "worker", "--pool=threads", "--concurrency=4", "-l", "INFO",
              "-Q", f"{scaled_out['PORTAL_QUEUE_PREFIX']}short,{scaled_out['PORTAL_QUEUE_PREFIX']}slow")  # fmt: skip
    services.merge_change(delivery.people.alice, change=change)
    with Process(tmp_path, "manage.py", "run_engine", "--send-to-celery", ready="Engine runs", **scaled_out):
        with Process(tmp_path, *worker, ready=" ready.", **scaled_out) as doomed:
            wait_until(witness.exists, 40)
            doomed.kill()
        (tmp_path / "witness.open").touch()
        with Process(tmp_path, *worker, ready=" ready.", **scaled_out):
            wait_until(lambda: ChangeRequest.objects.get(pk=change.pk).status == "done", 40)
    assert witness.read_text().split() == ["apply", "production"]
