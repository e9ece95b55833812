"""The supervisor and the local dispatcher on real processes: what a step sees, and that none escapes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from apps.deployments.dispatchers import PlannedStep, Progress, Run, RunState, StepState
from apps.deployments.dispatchers.local import SUPERVISOR, LocalDispatcher, run_dir
from apps.deployments.dispatchers.shutting_in import can_shut_in
from tests.support.git import bare_remote
from tests.support.steps import of_run, supervisor_of

DISPATCHER = LocalDispatcher()


@pytest.fixture
def make_run(tmp_path: Path, settings: Any) -> Any:
    settings.PORTAL_STEP_GRACE_SECONDS = 0.3
    bare, work = bare_remote(tmp_path, {"hello.txt": "hello\n"})
    work.write("run.sh", "#!/bin/sh\necho from a script\n", mode=0o755)
    commit = work.commit("script")
    work.push()

    def make(*commands: str, timeout: float = 30, **options: Any) -> Run:
        steps = tuple(PlannedStep(f"step{n}", command, timeout) for n, command in enumerate(commands))
        run = Run("d-1-1", 1, options.pop("attempt", 1), bare.path, commit, steps, **options)
        DISPATCHER.prepare(run)
        return run

    return make


def finished(run: Run, seconds: float = 20) -> Progress:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        progress = DISPATCHER.observe(run)
        if progress.state not in {RunState.RUNNING, RunState.NOT_STARTED}:
            return progress
        time.sleep(0.02)
    raise AssertionError(f"still {progress}")


def log_of(run: Run, position: int = 0) -> str:
    return DISPATCHER.read_log(run, str(position), 0, 10_000_000).decode()


def wait_for(path: Path, seconds: float = 10) -> str:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if path.exists() and path.read_text().strip():
            return path.read_text().strip()
        time.sleep(0.02)
    raise AssertionError(f"{path} did not appear")


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_step_runs_in_a_clean_checkout_with_modes(make_run: Any) -> None:
    run = make_run("cat hello.txt; ./run.sh; ls -A")
    DISPATCHER.dispatch(run)
    assert finished(run).steps[0].exit_code == 0
    assert log_of(run) == "hello\nfrom a script\nhello.txt\nrun.sh\n"


def test_a_step_inherits_nothing(make_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-portal")
    run = make_run(
        "env | sort; cat /proc/$PPID/environ /proc/$PPID/cmdline | tr '\\0' '\\n'",
        environment={"PORTAL_ENVIRONMENT": "staging"},
        secrets={"TOKEN": "of-the-step"},
    )
    DISPATCHER.dispatch(run)
    finished(run)
    names = {line.partition("=")[0] for line in log_of(run).splitlines() if "=" in line}
    assert names == {"HOME", "LANG", "PATH", "PORTAL_ENVIRONMENT", "PWD", "TMPDIR", "TOKEN"}
    assert "of-the-portal" not in log_of(run)
    assert log_of(run).count("of-the-step") == 1, "not on the supervisor's command line or in its environment"


def test_a_run_is_started_once_however_often_it_is_asked(make_run: Any) -> None:
    run = make_run("echo once >> $HOME/count; sleep 0.3")
    threads = [threading.Thread(target=DISPATCHER.dispatch, args=(run,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert finished(run).state == RunState.ENDED
    DISPATCHER.dispatch(run)
    assert (run_dir(run) / "home/count").read_text() == "once\n"


def test_the_steps_after_a_failure_do_not_run(make_run: Any) -> None:
    run = make_run("true", "exit 3", "echo never")
    DISPATCHER.dispatch(run)
    progress = finished(run)
    assert progress.state == RunState.ENDED
    assert [step.exit_code for step in progress.steps] == [0, 3, None]
    assert progress.steps[2].state == StepState.WAITING


def test_a_retry_from_a_step_leaves_out_those_before(make_run: Any) -> None:
    run = make_run("echo first", "echo second", from_step=1)
    DISPATCHER.dispatch(run)
    progress = finished(run)
    assert (progress.state, progress.steps[0].state) == (RunState.ENDED, StepState.WAITING)
    assert log_of(run, 1) == "second\n"


@pytest.mark.parametrize(("command", "code", "number"), [("exit 137", 137, None), ("kill -9 $$", 137, 9)])
def test_a_killed_step_tells_how_it_ended(make_run: Any, command: str, code: int, number: int | None) -> None:
    run = make_run(command)
    DISPATCHER.dispatch(run)
    step = finished(run).steps[0]
    assert (step.exit_code, step.signal, step.reason) == (code, number, "exited")


def test_a_step_that_hangs_is_stopped_with_its_grandchildren(make_run: Any) -> None:
    stubborn = "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ > $HOME/pid; sleep 60 & wait' & wait; sleep 60"
    run = make_run(stubborn, timeout=1.5)
    DISPATCHER.dispatch(run)
    wait_for(run_dir(run) / "home/pid")
    until = time.monotonic() + 1.0  # the shell says its number before it has a child
    while "sleep 60 " not in of_run(run).values():
        assert time.monotonic() < until
    step = finished(run).steps[0]
    assert (step.reason, step.signal) == ("timeout", 9)
    assert not of_run(run)


def test_what_a_step_leaves_in_the_background_ends_with_it(make_run: Any) -> None:
    run = make_run(
        "setsid sh -c 'echo $$ > $HOME/pid; exec sleep 60' & while ! test -s $HOME/pid; do sleep 0.05; done; sleep 1"
    )
    DISPATCHER.dispatch(run)
    wait_for(run_dir(run) / "home/pid")
    left = [pid for pid, line in of_run(run).items() if line == "sleep 60 "]
    assert len(left) == 1
    assert finished(run).steps[0].exit_code == 0
    assert not is_alive(left[0])


def test_a_step_that_prints_200_mb_is_stopped_at_the_limit(make_run: Any, settings: Any) -> None:
    settings.PORTAL_STEP_OUTPUT_MB = 2
    run = make_run("head -c 200000000 /dev/zero | tr '\\0' 'y'; echo never printed")
    DISPATCHER.dispatch(run)
    step = finished(run).steps[0]
    assert (step.reason, step.output_bytes) == ("output_limit", 2 * 1024 * 1024)


def test_a_running_step_is_cancelled_and_the_next_never_starts(make_run: Any) -> None:
    run = make_run("echo going > $HOME/going; sleep 60", "echo never")
    DISPATCHER.dispatch(run)
    wait_for(run_dir(run) / "home/going")
    assert DISPATCHER.cancel(run) is True
    progress = finished(run)
    assert (progress.state, progress.steps[0].reason) == (RunState.ENDED, "cancelled")
    assert progress.steps[1].state == StepState.WAITING


def test_a_run_that_was_cancelled_before_it_began_can_never_begin(make_run: Any) -> None:
    run = make_run("echo never > $HOME/ran")
    assert DISPATCHER.cancel(run) is False
    DISPATCHER.dispatch(run)
    time.sleep(0.3)
    assert finished(run).steps[0].state == StepState.WAITING
    assert not (run_dir(run) / "home/ran").exists()


def test_a_late_start_after_the_workspace_was_removed_does_nothing(make_run: Any) -> None:
    run = make_run("echo ran")
    DISPATCHER.discard(run)
    late = subprocess.run(
        [sys.executable, "-I", "-S", str(SUPERVISOR), str(run_dir(run))], input=b"{}", check=False, capture_output=True
    )
    assert late.returncode == 4
    assert DISPATCHER.observe(run).state in {RunState.ENDED, RunState.LOST}


def test_a_killed_supervisor_is_reported_as_lost_and_takes_its_step_along(make_run: Any) -> None:
    run = make_run("(sleep 60; true) & (setsid sleep 61; true) & echo began > $HOME/began; sleep 60")
    DISPATCHER.dispatch(run)
    wait_for(run_dir(run) / "home/began")
    assert of_run(run)
    os.kill(supervisor_of(run), signal.SIGKILL)
    assert finished(run).state == RunState.LOST
    until = time.monotonic() + 5
    while (left := of_run(run)) and time.monotonic() < until:
        time.sleep(0.02)
    assert not left or not can_shut_in(), "where it is shut in, nothing that the step has started goes on"


def test_a_read_only_workspace_is_removed_all_the_same(make_run: Any) -> None:
    run = make_run("mkdir -p deep/er && touch deep/er/file && chmod 500 deep/er deep")
    DISPATCHER.dispatch(run)
    finished(run)
    DISPATCHER.discard(run)
    assert sorted(path.name for path in run_dir(run).iterdir()) == ["lock", "started"]
