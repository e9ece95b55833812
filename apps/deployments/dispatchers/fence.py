"""Shuts one step in: ``python -I -S -B fence.py ROOT FD``, a process between the supervisor and the step's shell.

The step sees programs of the system, what the plan names, and its own checkout, home and temporary folder; no process but its
own, no file of the portal and no other checkout. It may reach the network as the worker can. Three processes: this one (*keeper*),
the first of a new process namespace (*first*), and the step; when the keeper or the first ends, the kernel ends all that the step
has started. The keeper ends as the step did, with its exit status or by its signal. Standard library and
:mod:`apps.rendering.sandbox.kernel`, for it starts with every step.

The plan is JSON in the file ``FD``: ``command`` (argument list), ``directory``, ``environment``; ``root`` (an empty folder
on which the step's file system is built); ``seen`` (place → folder or file here, read-only), ``links`` (place → target) and
``mounts``, in their order: place, folder or file here, and whether it is ``written``, only ``read``, or ``hidden``: empty there.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, ModuleType

FAILED = 125
"""The exit status when the step could not be shut in; why is in its output, and it never ran."""
BEGUN = "begun\n"
_SHARED_MEMORY = 256 << 20
_HIDDEN_BYTES = 1 << 20
_STREAMS = {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}


def main(root: str, plan_file: int) -> int:
    """Run the step of the plan to its end; does not return when a signal ended it."""
    sys.path.insert(0, root)
    from apps.rendering.sandbox import kernel  # the one module of the portal, which has no others

    with os.fdopen(plan_file) as file:
        plan = json.load(file)
    reader, writer = os.pipe()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is for the step, whose end we wait for
    _interrupts(signal.SIG_BLOCK)  # one that comes now waits until there is a step
    try:
        _new_processes(kernel)
    except OSError as problem:
        return _say(problem)
    first = os.fork()
    if first == 0:
        os.close(reader)
        _first(kernel, plan, writer)
    os.close(writer)
    with os.fdopen(reader) as lines:
        told = lines.readline()
        if told == BEGUN:
            signal.signal(signal.SIGINT, _passing_on(first))
            _interrupts(signal.SIG_UNBLOCK)
            told = lines.readline()
    os.waitpid(first, 0)
    return _end_as(kernel, told)


def _say(problem: OSError) -> int:
    sys.stderr.write(f"The step could not be shut in, so it did not run: {problem}.\n")
    return FAILED


def _interrupts(how: int) -> None:
    signal.pthread_sigmask(how, [signal.SIGINT])


def _passing_on(process: int) -> Callable[[int, FrameType | None], None]:
    """What hands an interrupt on: the keeper to the first process, and that one to the step alone."""

    def pass_on(_number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGINT)

    return pass_on


def _end_as(kernel: ModuleType, told: str) -> int:
    """``exit N``, ``signal N`` or why it never ran; nothing: the first process was killed, and everything with it."""
    what, _, rest = told.strip().partition(" ")
    if what == "exit":
        return int(rest)
    if what == "failed":
        return _say(OSError(rest))
    number = int(rest) if what == "signal" else signal.SIGKILL
    kernel.limit({"core": 0})
    if number not in {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number


def _new_processes(kernel: ModuleType) -> None:
    """A namespace of processes for the next child, and one of users, in which it stays who it is; root can do without that."""
    user, group = os.geteuid(), os.getegid()
    try:
        kernel.unshare(kernel.NEWUSER | kernel.NEWPID)
    except OSError:
        if user != 0:
            raise
        kernel.unshare(kernel.NEWPID)
        return
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123
            file.write(text)


def _first(kernel: ModuleType, plan: dict[str, Any], writer: int) -> None:
    """Process 1: makes the world, starts the step in it, collects what ends, and tells how the step did. Never returns."""
    try:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        _require_keeper(writer)
        _build(kernel, plan)
        kernel.bound_capabilities()
        kernel.drop_capabilities()
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        os.dup2(os.open("/dev/null", os.O_RDWR), 0)  # the one we were given is of the machine's own file system
        step = os.fork()
        if step == 0:
            _become_step(kernel, plan)
        signal.signal(signal.SIGINT, _passing_on(step))
        _interrupts(signal.SIG_UNBLOCK)
        os.write(writer, BEGUN.encode())
        os.write(writer, f"{_wait_for(step)}\n".encode())
    except BaseException as problem:  # noqa: BLE001 - whatever it was, this copy of the keeper must not go on
        words = " ".join(f"failed {type(problem).__name__}: {problem}".split())
        os.write(writer, f"{words}\n".encode("utf-8", "replace"))
    os._exit(0)


def _require_keeper(writer: int) -> None:
    """It may have died before its death was a signal for us; only it reads what is told."""
    asked = select.poll()
    asked.register(writer, 0)
    if any(seen & select.POLLERR for _, seen in asked.poll(0)):
        os._exit(0)


def _become_step(kernel: ModuleType, plan: dict[str, Any]) -> None:
    """In a session of its own, for a signal to its group is not to reach the keeper; what Python, or who started the portal, ignores is not."""
    os.setsid()
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    _interrupts(signal.SIG_UNBLOCK)
    kernel.limit({"core": 0})
    os.chdir(plan["directory"])
    os.execve(plan["command"][0], plan["command"], plan["environment"])  # noqa: S606 - the pipeline's own line is the purpose


def _wait_for(step: int) -> str:
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == step:
            code = os.waitstatus_to_exitcode(status)
            return f"exit {code}" if code >= 0 else f"signal {-code}"


def _build(kernel: ModuleType, plan: dict[str, Any]) -> None:
    """Each covers what was there before: what is hidden is hidden in what is seen, and the step's own folders come last."""
    root = plan["root"]
    kernel.unshare(kernel.NEWNS | kernel.NEWIPC)
    kernel.build_root(root, plan["seen"], plan["links"])
    for name, number in _STREAMS.items():
        Path(root, "dev", name).symlink_to(f"/proc/self/fd{number}")
    kernel.mount_folder(f"{root}/dev/shm", _SHARED_MEMORY)  # noqa: S108 - in the new file system
    for place, source, how in plan["mounts"]:
        if how == "hidden":
            kernel.mount_folder(root + place, _HIDDEN_BYTES)
        else:
            (kernel.bind_writable if how == "written" else kernel.bind)(source, root + place)
    kernel.enter_root(root)
    with contextlib.suppress(OSError):  # another namespace of users would have rights of its own again
        Path("/proc/sys/user/max_user_namespaces").write_text("0", encoding="ascii")
    kernel.guard_proc()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
