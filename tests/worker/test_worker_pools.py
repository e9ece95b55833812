"""K22: a worker that would fork with the database open does not start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server import ROOT

pytestmark = pytest.mark.slow


def worker(tmp_path: Path, pool: str) -> str:
    """What a Celery worker says that uses ``pool`` and finds no broker; it ends by itself, or when it looks for one."""
    given = {
        "PATH": os.environ["PATH"], "PORTAL_DATA_DIR": str(tmp_path), "PORTAL_ENGINE": "celery", "REDIS_URL": "redis://127.0.0.1:1/0",
        "DATABASE_URL": "postgres://portal@127.0.0.1:1/portal", "PORTAL_SECRET_KEY": "k" * 50,
    }  # fmt: skip
    command = [sys.executable, "-m", "celery", "-A", "gitops_portal", "worker", f"--pool={pool}", "-Q", "nothing"]
    done = subprocess.Popen(command, cwd=ROOT, env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = ""
    assert done.stdout
    for line in done.stdout:
        said += line
        if "Cannot connect to redis" in line:
            done.terminate()
            break
    rest, _ = done.communicate(timeout=60)
    return said + rest


def test_a_pool_that_forks_is_refused_with_what_to_do(tmp_path: Path) -> None:
    said = worker(tmp_path, "processes")
    assert "Start it with --pool=threads" in said
    assert "Traceback" not in said
    assert "[tasks]" not in said, "nothing was begun"


def test_threads_are_taken_also_where_celery_s_default_is_asked_for(tmp_path: Path) -> None:
    said = worker(tmp_path, "prefork")
    assert "--pool=threads" not in said
    assert "concurrency: " in said
    assert "(thread)" in said
