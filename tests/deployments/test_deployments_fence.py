"""Steps of a worker are shut in: what they see, what they cannot reach, and what happens where that cannot be done."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.deployments.dispatchers import PlannedStep, Refused, Run, RunState
from apps.deployments.dispatchers import local as local_module
from apps.deployments.dispatchers.local import LocalDispatcher, run_dir
from apps.deployments.dispatchers.shutting_in import can_shut_in, world
from apps.deployments.dispatchers.step_files import digest_of_step, read_of_step
from apps.deployments.dispatchers.supervisor import fenced, plan_file
from tests.deployments.test_deployments_local_runs import DISPATCHER, finished, log_of
from tests.support.git import bare_remote

Make = Callable[..., Run]


@pytest.fixture
def make_run(tmp_path: Path, settings: Any) -> Make:
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    if subprocess.run(
        ["unshare", *user, "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"],
        check=False,
        capture_output=True,
    ).returncode:
        pytest.skip("NOT RUN: this machine lets no process make namespaces, so no step can be shut in")
    assert can_shut_in()
    settings.PORTAL_STEP_WRITABLE, settings.PORTAL_STEPS_UNFENCED = [], False
    settings.PORTAL_STEP_GRACE_SECONDS = 0.3
    bare, work = bare_remote(tmp_path, {"hello.txt": "hello\n"})

    def make(*commands: str, number: int = 1, **options: Any) -> Run:
        steps = tuple(PlannedStep(f"step{n}", command, 30) for n, command in enumerate(commands))
        run = Run(f"key-{number}", number, 1, bare.path, work.rev_parse("main"), steps, **options)
        DISPATCHER.prepare(run)
        return run

    return make


def said(run: Run) -> str:
    DISPATCHER.dispatch(run)
    progress = finished(run)
    assert progress.state == RunState.ENDED, progress
    return log_of(run)


def test_a_step_reads_nothing_of_the_portal_and_no_other_checkout(make_run: Make, settings: Any) -> None:
    data = Path(settings.PORTAL_DATA_DIR)
    (data / "secret.key").write_text("the-key-of-the-portal")
    (data / "portal.sqlite3").write_text("the-database")
    other = make_run("true", number=2)
    (run_dir(other) / "tree" / "token").write_text("of-another-checkout")
    looks = f"cat {data}/secret.key {data}/portal.sqlite3 {run_dir(other)}/tree/token; ls {data} {data}/runs /root /home /etc/shadow /var /srv"
    run = make_run(
        f"cat hello.txt; {looks}; grep -rl of-another-checkout /tmp /etc /opt /root $HOME/../../.. 2>/dev/null; true"
    )
    log = said(run)
    assert log.startswith("hello\n")
    for hidden in ("the-key-of-the-portal", "the-database", "of-another-checkout", "secret.key\n", "portal.sqlite3\n"):
        assert hidden not in log.replace("No such file", ""), log
    assert "runs\n1\n" not in log


def test_a_step_sees_no_process_of_the_machine_and_cannot_signal_one(make_run: Make) -> None:
    run = make_run(
        f"cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep -c PYTEST; ls -d /proc/[0-9]* | wc -l; kill -0 {os.getpid()} || echo none"
    )
    found, processes, *rest = said(run).split("\n")
    assert found == "0"
    assert int(processes) < 10
    assert "none" in rest


def test_a_step_writes_its_own_folders_and_nothing_else(make_run: Make) -> None:
    run = make_run(
        "echo 1 > file && echo 2 > $HOME/file && echo 3 > $TMPDIR/file && cat /tmp/file;"
        "for place in /usr /etc /bin /proc/sys/kernel/core_pattern /dev/null/x; do"
        "  (echo x > $place/x || echo x > $place) 2>/dev/null && echo wrote $place; done; true"
    )
    assert said(run) == "3\n"
    assert (run_dir(run) / "tree" / "file").read_text() == "1\n"


def test_a_step_can_forge_neither_its_result_nor_that_of_the_next(make_run: Make) -> None:
    run = make_run(
        "mkdir -p $HOME/../steps/1; echo x > $HOME/../steps/1/started; touch $HOME/../cancel; exit 3", "true"
    )
    DISPATCHER.dispatch(run)
    progress = finished(run)
    assert [step.exit_code for step in progress.steps] == [3, None]
    assert not (run_dir(run) / "cancel").exists()


def test_a_step_has_no_rights_that_the_portal_may_have_had(make_run: Make) -> None:
    log = said(
        make_run(
            "grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status; mount -t tmpfs none /mnt 2>/dev/null || echo no mount"
        )
    )
    assert [line.split()[1] for line in log.splitlines()[:3]] == ["0" * 16, "0" * 16, "1"]
    assert "no mount" in log


def test_a_step_has_programs_names_certificates_and_streams(make_run: Make) -> None:
    line = "git --version && id && test -e /etc/ssl/certs && test -e /etc/resolv.conf && sh -c 'cat <&0' < hello.txt && echo err > /dev/stderr"
    log = said(
        make_run(
            f"{line} && python3 -c 'import tempfile; tempfile.TemporaryFile(); print(len(open(\"/proc/self/cmdline\").read()) > 0)'"
        )
    )
    assert "git version" in log
    assert log.endswith("hello\nerr\nTrue\n")


@pytest.mark.parametrize("slash", ["", "/"])
def test_folders_that_an_administrator_names_are_seen_and_written(
    make_run: Make, settings: Any, tmp_path: Path, slash: str
) -> None:
    tools, cache = tmp_path / "tools", tmp_path / "cache"
    for place in (tools, cache):
        place.mkdir()
    (tools / "tool").write_text("a tool\n")
    settings.PORTAL_STEP_WRITABLE = [str(cache)]
    settings.PORTAL_STEP_FOLDERS = [f"{tools}{slash}"]
    run = make_run(f"cat {tools}/tool; echo kept > {cache}/kept; (echo x > {tools}/x) 2>/dev/null || echo read only")
    assert said(run) == "a tool\nread only\n"
    assert (cache / "kept").read_text() == "kept\n"


@pytest.mark.parametrize(
    ("command", "limits", "reason"),
    [
        ("python3 -c 'import time; held = bytearray(200 << 20); time.sleep(20)'", {"PORTAL_STEP_MEMORY_MB": 100}, "memory_limit"),
        ("for n in $(seq 40); do sleep 20 & done; wait", {"PORTAL_STEP_PROCESSES": 20}, "process_limit"),
    ],
)  # fmt: skip
def test_a_step_that_holds_too_much_is_stopped(
    make_run: Make, settings: Any, command: str, limits: dict[str, int], reason: str
) -> None:
    for name, value in limits.items():
        setattr(settings, name, value)
    run = make_run(command, "echo never")
    DISPATCHER.dispatch(run)
    progress = finished(run)
    assert (progress.steps[0].reason, progress.steps[1].began) == (reason, None)


def test_where_nothing_can_be_shut_in_no_step_runs_unless_an_administrator_allows_it(
    make_run: Make, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_module, "can_shut_in", lambda: False)
    run = make_run("echo ran > $HOME/ran")
    with pytest.raises(Refused, match="PORTAL_STEPS_UNFENCED=1"):
        LocalDispatcher().dispatch(run)
    assert DISPATCHER.observe(run).state == RunState.NOT_STARTED
    settings.PORTAL_STEPS_UNFENCED = True
    LocalDispatcher().dispatch(run)
    finished(run)
    assert (run_dir(run) / "home" / "ran").exists()


def test_an_interrupt_reaches_the_step_however_early_it_comes(make_run: Make) -> None:
    """Terraform takes a second one for an order to give up; one that is lost would let it go on."""
    run = make_run("true")
    tree = run_dir(run) / "tree"
    command = "trap 'exit 7' INT; for n in 1 2 3 4 5 6; do sleep .1; done; echo ended"
    for late in (0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2):
        plan = {
            **world(run_dir(run)),
            "command": ["/bin/sh", "-c", command],
            "directory": str(tree),
            "environment": {"PATH": os.defpath},
        }
        with plan_file(plan) as file:
            line = fenced(file.fileno())
            process = subprocess.Popen(
                line, pass_fds=(file.fileno(),), env={}, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            time.sleep(late)
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=20)
        assert b"ended" not in said, (late, said)
        assert process.returncode != 0, (late, said)


@pytest.fixture
def deaf() -> Iterator[None]:
    """Who started us had signals ignored, as a shell has for what it starts behind ``&`` or ``nohup``."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGQUIT, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("deaf")
def test_a_signal_to_the_group_of_a_step_ends_no_more_than_that(make_run: Make) -> None:
    log = said(
        make_run('trap "" USR1; kill -USR1 0; sleep .2; echo alive; yes | head -1; grep SigIgn /proc/self/status')
    )
    alive, piped, ignored = log.splitlines()
    # The first signals of real time belong to the C library: what started us may have had them ignored, nobody can undo it.
    unreachable = sum(1 << number - 1 for number in range(32, signal.SIGRTMIN))
    assert (alive, piped) == ("alive", "y")
    assert int(ignored.removeprefix("SigIgn:\t"), 16) & ~unreachable == 1 << signal.SIGUSR1 - 1


def test_a_step_cannot_touch_the_devices_of_the_machine_nor_make_itself_a_world_of_its_own(make_run: Make) -> None:
    before = Path("/dev/null").stat().st_mode
    log = said(
        make_run(
            "python3 -c 'import os; os.fchmod(0, 0o600)' 2>&1 | tail -1; unshare -Ur true 2>/dev/null || echo none"
        )
    )
    assert "Read-only" in log or "not permitted" in log
    assert log.endswith("none\n")
    assert Path("/dev/null").stat().st_mode == before


def test_a_link_in_a_folder_that_steps_write_leads_no_mount_elsewhere(
    make_run: Make, settings: Any, tmp_path: Path
) -> None:
    shared, elsewhere = tmp_path / "shared", tmp_path / "elsewhere"
    settings.PORTAL_STEP_WRITABLE = [str(tmp_path)]
    for place in (shared, elsewhere):
        place.mkdir()
    run = make_run(
        f"cd {tmp_path} && mv portal-data moved && ln -s {tmp_path}/moved portal-data; echo did", "cat moved/secret.key"
    )
    (settings.PORTAL_DATA_DIR / "secret.key").write_text("the-key")
    DISPATCHER.dispatch(run)
    finished(run)
    assert "the-key" not in log_of(run, 0) + log_of(run, 1)


@pytest.mark.parametrize("what", ["pipe", "link", "device", "large", "none"])
def test_files_that_a_step_wrote_are_read_with_care(tmp_path: Path, what: str) -> None:
    place = tmp_path / "plan.json"
    if what == "pipe":
        os.mkfifo(place)
    elif what == "large":
        with place.open("wb") as file:
            file.truncate(1 << 40)
    elif what != "none":
        place.symlink_to("/dev/zero" if what == "device" else __file__)
    if what == "large":
        assert len(read_of_step(place, 1000)) == 1001
    else:
        with pytest.raises(OSError):
            read_of_step(place, 1000)
    with pytest.raises(OSError):
        digest_of_step(place)
