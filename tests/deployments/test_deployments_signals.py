"""How a run that is to stop is told so: real processes that count what they get. Many tools give up at a second signal."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apps.deployments.dispatchers import Judged, PlannedStep, Progress, Run, RunState, StepState, ToPlan, terraform
from apps.deployments.dispatchers.local import LocalDispatcher, run_dir
from apps.deployments.dispatchers.terraform import TerraformDispatcher
from apps.deployments.dispatchers.terraform_step import Step
from tests.support.git import bare_remote

COUNTING = """\
import os, signal, sys, time
place = sys.argv[1]
told = os.open(place, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
os.set_blocking(told, False)
signal.set_wakeup_fd(told)  # one byte each time, also when two arrive at once
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda *_: None)
open(place + ".ready", "w").close()
for _ in range(1500):  # not for ever, where nothing comes
    os.path.getsize(place) or time.sleep(0.02)
time.sleep(float(sys.argv[2]))
"""
FOREVER = 600


@pytest.fixture
def tree(tmp_path: Path) -> tuple[Path, str]:
    bare, work = bare_remote(tmp_path, {"infra/main.tf": "", "count.py": COUNTING})
    return bare.path, work.rev_parse("HEAD")


def counted(place: Path) -> Counter[str]:
    return Counter(signal.Signals(number).name for number in place.read_bytes())


def wait_for(is_so: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def ended(dispatcher: LocalDispatcher, run: Run) -> Progress:
    wait_for(lambda: dispatcher.observe(run).state not in {RunState.RUNNING, RunState.NOT_STARTED})
    return dispatcher.observe(run)


def begun(tree: tuple[Path, str], *commands: str, **options: Any) -> Run:
    steps = tuple(PlannedStep(f"step{n}", command, 60) for n, command in enumerate(commands))
    return Run("k" * 32, 1, 1, *tree, steps, **options)


@pytest.mark.parametrize(("stays", "killed_by"), [(0.5, None), (FOREVER, signal.SIGKILL)])
def test_each_process_of_a_step_is_told_once_and_ended_by_force_after_the_grace(
    tree: tuple[Path, str], settings: Any, stays: float, killed_by: int | None
) -> None:
    settings.PORTAL_STEP_GRACE_SECONDS = 2
    local, program = LocalDispatcher(), f"{sys.executable} count.py"
    names = ("own", "below", "apart")
    run = begun(
        tree,
        f"{program} $HOME/below {stays} & setsid {program} $HOME/apart {stays} & exec {program} $HOME/own {stays}",
    )
    local.prepare(run)
    local.dispatch(run)
    home = run_dir(run) / "home"
    wait_for(lambda: all((home / f"{name}.ready").exists() for name in names))
    assert local.cancel(run) is True
    began = time.monotonic()
    (step,) = ended(local, run).steps
    assert (step.reason, step.signal) == ("cancelled", killed_by)
    assert time.monotonic() - began < 10
    assert {name: counted(home / name) for name in names} == {name: Counter(SIGTERM=1) for name in names}


@pytest.mark.parametrize(("stays", "code", "grace"), [(1.0, 0, 60), (FOREVER, 137, 1)])
def test_terraform_gets_one_interrupt_and_what_it_started_none(
    tree: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stays: float, code: int, grace: float
) -> None:
    """Terraform takes a second one for "abandon": it leaves state and lock as they are."""
    monkeypatch.setattr(terraform, "GRACE_SECONDS", grace)
    program = tmp_path / "terraform"
    below, own = tmp_path / "below", tmp_path / "own"
    count = f"{sys.executable} {tmp_path}/count.py"
    program.write_text(f"#!/bin/sh\n{count} {below} {stays} > /dev/null &\nexec {count} {own} {stays}\n")
    (tmp_path / "count.py").write_text(COUNTING)
    program.chmod(0o755)
    to_plan = ToPlan("net", {"path": "infra"}, lambda _: Judged(), programs={"terraform": program})
    run = begun(tree, "", "", "", "", to_plan=to_plan, environment={"PORTAL_ENVIRONMENT": "staging"})
    dispatcher = TerraformDispatcher()
    dispatcher.prepare(run)
    dispatcher.dispatch(run)
    wait_for(lambda: all(place.with_suffix(".ready").exists() for place in (below, own)))
    for _ in range(3):  # each look of a worker asks again
        assert dispatcher.cancel(run) is True
        time.sleep(0.2)
    progress = ended(dispatcher, run)
    assert (progress.steps[0].reason, progress.steps[1].state) == ("cancelled", StepState.WAITING)
    assert progress.steps[0].exit_code == code
    assert (counted(own), counted(below)) == (Counter(SIGINT=1), Counter())


def test_an_interrupt_that_comes_while_terraform_is_being_started_reaches_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "run" / "plan"
    (tmp_path / "run" / "tree" / "infra").mkdir(parents=True)
    told = place.with_name("told")
    place.mkdir()
    told.mkdir()
    program, own = tmp_path / "terraform", tmp_path / "own"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} {tmp_path}/count.py {own} 0.3\n")
    (tmp_path / "count.py").write_text(COUNTING)
    program.chmod(0o755)
    (told / "spec.json").write_text(f'{{"program": "{program}", "path": "infra", "variables": []}}')
    begin, before = subprocess.Popen, signal.getsignal(signal.SIGINT)

    def interrupted(*arguments: Any, **options: Any) -> Any:
        child = begin(*arguments, **options)
        wait_for(own.with_suffix(".ready").exists)
        signal.raise_signal(signal.SIGINT)  # nobody knows of the child yet
        return child

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    try:
        Step(place, str).terraform("init")
    finally:
        signal.signal(signal.SIGINT, before)
    assert counted(own) == Counter(SIGINT=1)
