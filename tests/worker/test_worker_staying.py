"""An engine that is told to stop stays for the steps that run beside it, if it is asked to, and only for its own portal's."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from apps.deployments import services
from apps.deployments.dispatchers import staying
from tests.support.delivery import Delivery, pipeline
from tests.support.engine_process import Process, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.mark.parametrize("patience", ["0", "30"])
def test_a_stopped_engine_stays_for_its_steps_when_it_is_asked_to(tmp_path: Path, settings: Any, patience: str) -> None:
    step = f"echo begun >> {tmp_path}/begun; until [ -e {tmp_path}/enough ]; do sleep 0.05; done; echo ended >> {tmp_path}/begun"
    delivery = Delivery.start(tmp_path, pipeline(step))
    services.merge_change(delivery.people.alice, change=delivery.approved())
    command = ("manage.py", "run_engine")
    with Process(tmp_path, *command, ready="Engine runs", PORTAL_STEPS_WAIT_SECONDS=patience) as engine:
        wait_until((tmp_path / "begun").exists, 40)
        assert staying.steps_here() == 1
        engine.process.terminate()
        if patience == "0":
            assert engine.process.wait(15) == 0
            assert staying.steps_here() == 1, "steps outlive their worker on a host"
        else:
            wait_until(lambda: "stays_for_steps" in engine.log.read_text())
            time.sleep(1)
            assert engine.process.poll() is None
        settings.PORTAL_DATA_DIR = tmp_path / "another portal"
        assert staying.steps_here() == 0
        (tmp_path / "enough").touch()
        assert engine.process.wait(15) == 0
    wait_until(lambda: (tmp_path / "begun").read_text().split() == ["begun", "ended"])
