"""Runs the steps of one attempt, apart from the portal: ``python -I -S supervisor.py RUN_DIR < spec.json``.

Standard library only and no import of the portal, because it must outlive the worker that starts
it: a killed or restarted portal finds here what happened meanwhile. It detaches itself, so the
starting call returns as soon as the run is certain to be ours (exit 0), already somebody's (3)
or impossible (4).

``RUN_DIR/lock`` is held (flock) while this process lives. ``RUN_DIR/started`` is created with
O_EXCL before anything runs: of two starts, also in two hosts' workers, one wins, and nothing is
ever run twice. ``RUN_DIR/cancel`` asks to stop. ``steps/N/{started,output,result.json}`` tell
the rest; a result is renamed into place, so it is there whole or not at all.

The specification comes through a pipe: secrets are never on a command line or in a file.
``{"steps": [{"run", "timeout"}], "from_step", "environment", "output_limit", "memory_limit" (bytes), "process_limit",
"grace" (s), "fence"}``. ``fence`` is the world in which steps are shut in (``fence.py``), or nothing: they run in the open. A step
with ``"interrupt": true`` is asked to stop by one SIGINT to its first process alone, and may have a ``grace`` of its own.

With ``"owner"``, the id of the process that starts it, it stays that one's child: it runs until the steps have ended, stops
them when the owner is gone, and begins none then.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

TAKEN, IMPOSSIBLE = 3, 4
FENCE = Path(__file__).with_name("fence.py")
ROOT = Path(__file__).resolve().parents[3]
PAGE = os.sysconf("SC_PAGE_SIZE")
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
CHUNK = 65536
LOOK_EVERY = 0.1
COUNT_EVERY = 1.0
DRAIN_SECONDS = 2.0


def main(run_dir: Path) -> int:
    """Detach and run; the answer is the exit status described above."""
    spec = json.load(sys.stdin)
    if not (run_dir / "prepared").exists():
        return IMPOSSIBLE
    if spec.get("owner"):
        status = _take(run_dir)
        if status == 0:
            _go(run_dir, spec)
        return status
    read_end, write_end = os.pipe()
    if os.fork():
        os.close(write_end)
        answer = os.read(read_end, 1)
        return answer[0] if answer else IMPOSSIBLE
    os.close(read_end)
    os.setsid()
    status = _take(run_dir)
    with contextlib.suppress(OSError):  # whoever started us may be dead already; the run is ours all the same
        os.write(write_end, bytes([status]))
    os.close(write_end)
    if status == 0:
        _go(run_dir, spec)
    os._exit(0)


def _go(run_dir: Path, spec: dict[str, Any]) -> None:
    _forget_terminal()
    _ignore_nothing()
    _run_all(run_dir, spec)


def _take(run_dir: Path) -> int:
    """Become the one supervisor of this run: lock first, so that 'started but not locked' means dead."""
    lock = os.open(run_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    for _ in range(40):  # a worker that looks whether we live holds the lock for microseconds
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return 0 if create_once(run_dir / "started") else TAKEN
        time.sleep(0.05)
    return TAKEN


def create_once(path: Path) -> bool:
    """Create ``path`` durably; False when it exists. The one decision that no two processes can both win."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    os.write(handle, str(time.time()).encode())
    os.fsync(handle)
    os.close(handle)
    _sync_directory(path.parent)
    return True


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _forget_terminal() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    with contextlib.suppress(OSError, AttributeError):
        # Grandchildren whose parent ends come to us instead of to init, so that none escapes the end of a step.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _ignore_nothing() -> None:
    """A portal that runs behind ``nohup`` or ``&`` ignores signals by which steps are stopped; Popen undoes what Python ignores."""
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def _run_all(run_dir: Path, spec: dict[str, Any]) -> None:
    """Run the steps in order until one does not succeed, or somebody asks to stop."""
    for position in range(int(spec["from_step"]), len(spec["steps"])):
        if (run_dir / "cancel").exists() or _is_orphan(spec):
            return
        step = StepRun(run_dir, position, spec)
        result = step.run()
        step.finish(result)
        if result["reason"] != "exited" or result["exit_code"] != 0:
            return


def _is_orphan(spec: dict[str, Any]) -> bool:
    """Whether it has an owner that is gone."""
    return bool(spec.get("owner")) and os.getppid() != int(spec["owner"])


class StepRun:
    """One step: a shell in its own session, its output capped, its time limited, nothing left behind."""

    def __init__(self, run_dir: Path, position: int, spec: dict[str, Any]) -> None:
        step = spec["steps"][position]
        self.command = str(step["run"])
        self.timeout = float(step["timeout"])
        self.limit = int(spec["output_limit"])
        self.memory_limit, self.process_limit = int(spec["memory_limit"]), int(spec["process_limit"])
        self.count_at = 0.0
        self.fence = spec["fence"]
        self.is_orphan = functools.partial(_is_orphan, spec)
        self.interrupt = bool(step.get("interrupt"))
        self.grace = float(step.get("grace", spec["grace"]))
        self.environment = dict(spec["environment"])
        self.run_dir = run_dir
        self.place = run_dir / "steps" / str(position)
        self.reason = ""
        self.status: int | None = None
        self.written = 0
        self.open = True
        self.kill_at = 0.0

    def run(self) -> dict[str, Any]:
        self.place.mkdir(parents=True, exist_ok=True)
        create_once(self.place / "started")
        self.output = os.open(self.place / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self.pipe, write_end = os.pipe()
        try:
            self.child = self._start(write_end)
        except (OSError, ValueError) as problem:
            os.close(write_end)
            return {"exit_code": None, "signal": None, "reason": "not_started", "problem": str(problem)[:300]}
        os.close(write_end)
        self._watch()
        self._end_everything()
        self._drain()
        return self._result()

    def _start(self, output: int) -> subprocess.Popen[bytes]:
        command, tree = ["/bin/sh", "-c", self.command], str(self.run_dir / "tree")
        with contextlib.ExitStack() as stack:
            seen: dict[str, Any] = {"cwd": tree, "env": self.environment}
            if self.fence:
                told = {**self.fence, "command": command, "directory": tree, "environment": self.environment}
                plan = stack.enter_context(plan_file(told)).fileno()
                command, seen = fenced(plan), {"cwd": "/", "env": {}, "pass_fds": (plan,)}
            return subprocess.Popen(  # running the pipeline's own shell line is the purpose
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=functools.partial(_die_with_supervisor, os.getpid()),  # noqa: PLW1509  # one thread, no lock that a fork could break
                **seen,
            )

    def _watch(self) -> None:
        deadline = time.monotonic() + self.timeout
        while self.status is None:
            self._read(LOOK_EVERY)
            self._reap()
            if not self.reason:
                self._look_for_a_reason_to_stop(deadline)
            elif time.monotonic() >= self.kill_at:
                self._signal_all(signal.SIGKILL)

    def _look_for_a_reason_to_stop(self, deadline: float) -> None:
        if self.written > self.limit:
            self.reason = "output_limit"
        elif time.monotonic() >= deadline:
            self.reason = "timeout"
        elif (self.run_dir / "cancel").exists() or self.is_orphan():
            self.reason = "cancelled"
        else:
            self.reason = self._too_much()
        if not self.reason:
            return
        self.kill_at = time.monotonic() + self.grace
        if (
            self.interrupt
        ):  # once, and not to what it started: a second one ends terraform before it has let go of its state
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.child.pid, signal.SIGINT)
        else:
            self._signal_all(signal.SIGTERM)

    def _too_much(self) -> str:
        """Whether all processes of the step together hold more than they may; looked at once a second."""
        if time.monotonic() < self.count_at:
            return ""
        self.count_at = time.monotonic() + COUNT_EVERY
        found = _descendants(os.getpid())
        if len(found) > self.process_limit:
            return "process_limit"
        too_much = sum(map(_resident, found)) > self.memory_limit and sum(map(_share, found)) > self.memory_limit
        return "memory_limit" if too_much else ""

    def _read(self, seconds: float) -> None:
        """Take one piece of output; what exceeds the limit is counted and thrown away."""
        if not self.open:
            time.sleep(seconds)
            return
        ready, _, _ = select.select([self.pipe], [], [], seconds)
        if not ready:
            return
        piece = os.read(self.pipe, CHUNK)
        if not piece:
            self.open = False
            return
        keep = piece[: max(0, self.limit - self.written)]
        self.written += len(piece)
        while keep:
            keep = keep[os.write(self.output, keep) :]

    def _reap(self) -> None:
        """Collect every child that ended, also adopted ones; remember how the step itself ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.child.pid:
                self.status = status
                self.child.returncode = 0  # it is reaped; keeps Popen from looking for it

    def _end_everything(self) -> None:
        """Nothing that a step began may go on after it, whatever session it hid in."""
        for _ in range(200):
            self._reap()
            if not _descendants(os.getpid()):
                return
            self._signal_all(signal.SIGKILL)
            time.sleep(0.02)

    def _signal_all(self, number: int) -> None:
        """To the step's own group at once, and to each process that left it: to none twice, for many tools give up at a second."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child.pid, number)
        for pid in _descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.getpgid(pid) != self.child.pid:
                    os.kill(pid, number)

    def _drain(self) -> None:
        until = time.monotonic() + DRAIN_SECONDS
        while self.open and time.monotonic() < until:
            self._read(0.05)
        os.close(self.pipe)
        os.fsync(self.output)
        os.close(self.output)

    def _result(self) -> dict[str, Any]:
        code = os.waitstatus_to_exitcode(self.status or 0)
        killed_by = -code if code < 0 else None
        return {
            "exit_code": 128 + killed_by if killed_by else code,
            "signal": killed_by,
            "reason": self.reason or ("output_limit" if self.written > self.limit else "exited"),
            "problem": "",
        }

    def finish(self, result: dict[str, Any]) -> None:
        """Put the result in place whole or not at all."""
        result["ended"] = time.time()
        draft = self.place / "result.draft"
        with draft.open("w", encoding="utf-8") as file:
            json.dump(result, file)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self.place / "result.json")
        _sync_directory(self.place)


def fenced(plan: int) -> list[str]:
    """The command line that runs the plan in the file ``plan`` shut in."""
    return [sys.executable, "-I", "-S", "-B", str(FENCE), str(ROOT), str(plan)]


def plan_file(plan: dict[str, Any]) -> BinaryIO:
    """``plan`` in a file without a name: it holds secrets, and is on no disk and in no command line."""
    file = os.fdopen(os.memfd_create("plan"), "w+b")
    file.write(json.dumps(plan).encode())
    file.flush()
    file.seek(0)
    return file


def _resident(process: int) -> int:
    """Bytes; none of a process that has ended."""
    with contextlib.suppress(OSError, IndexError), open(f"/proc/{process}/statm", encoding="ascii") as file:  # noqa: PTH123  # stdlib only, and hot
        return int(file.read().split()[1]) * PAGE
    return 0


def _share(process: int) -> int:
    """The same with a share of what several hold together, which takes long to count."""
    with contextlib.suppress(OSError), open(f"/proc/{process}/smaps_rollup", encoding="ascii") as file:  # noqa: PTH123  # as above
        return sum(int(line.split()[1]) << 10 for line in file if line.startswith("Pss:"))
    return _resident(process)


def _die_with_supervisor(supervisor: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != supervisor:  # it died before that could be heard of
        os._exit(1)


def _descendants(root: int) -> list[int]:
    """Every process below ``root`` (from /proc; none are found on systems without it)."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else ():  # noqa: PTH112, PTH208  # hot, and stdlib only
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:  # noqa: PTH123
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if fields[0] != b"Z":
            parents.setdefault(int(fields[1]), []).append(int(entry))
    found: list[int] = []
    todo = [root]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
