"""The keeper of one run, in a process of its own that reads a :class:`~apps.rendering.sandbox.plans.Plan` from its input.

It shuts a command in, waits for it, ends everything that the command has started, and says on a pipe how that went
(``code 0``), or why the enclosure could not be made (``failed …``), in which case the command never ran. It ends with its
parent. It starts often, and most of a start would be imports: it has only modules of Python that are written in C, and
:mod:`~apps.rendering.sandbox.kernel`.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # the public module makes enumerations of its numbers, which takes a third of a start
import marshal
import os
import sys

from apps.rendering.sandbox import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from apps.rendering.sandbox.plans import Plan

NOBODY = 65534
_REAPING_TRIES = 100_000
_NO_GROUP = 1 << 30


class StopAsked(Exception):
    """The keeper was asked to end the run."""


def main(plan: Plan) -> None:
    """Run it to its end."""
    os.umask(0o022)  # what is built here is entered as another user, and a tool finds the same on every server
    os.set_inheritable(plan["status"], False)
    signal.signal(signal.SIGTERM, _stop)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGTERM)
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    kernel.die_first()
    if os.getppid() != plan["parent"]:
        return
    child = 0
    try:
        child = _start(plan)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        _report(plan, f"code {code if code >= 0 else 128 - code}")
    except StopAsked:
        pass
    except OSError as error:
        _report(plan, f"failed {error}")
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end_all(child)


def _stop(number: int, frame: FrameType | None) -> None:
    raise StopAsked


def _report(plan: Plan, said: str) -> None:
    try:
        os.write(plan["status"], " ".join(said.split()).encode("utf-8", "replace") + b"\n")
    except OSError:
        return  # nobody listens any more


def _start(plan: Plan) -> int:
    if plan["method"] == "namespaces":
        own = _own_namespaces()
        child = os.fork()
        if child == 0:
            _run_child(plan, lambda: _first_process(plan, own))
        return child
    child = os.fork()
    if child == 0:
        _run_child(plan, lambda: _in_own_session(plan))
    return child


def _own_namespaces() -> bool:
    """The process namespace for the next child; whether a user namespace was needed for it."""
    if os.geteuid() == 0:
        try:
            kernel.unshare(kernel.NEWPID)
        except PermissionError:
            pass
        else:
            return False
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(kernel.NEWUSER | kernel.NEWPID)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{NOBODY} {user} 1"), ("gid_map", f"{NOBODY} {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)
    return True


def _run_child(plan: Plan, prepare: Callable[[], None]) -> None:
    """In the child: prepare, then become the command. Never returns."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        prepare()
        os.execve(plan["command"][0], plan["command"], plan["environment"])  # noqa: S606
    except BaseException as error:  # noqa: BLE001 - whatever it was, this copy of the keeper must not go on
        _report(plan, f"failed {type(error).__name__}: {error}")
    os._exit(127)


def _in_own_session(plan: Plan) -> None:
    os.setsid()
    _limited(plan)


def _limited(plan: Plan) -> None:
    os.chdir(plan["directory"])
    kernel.limit(plan["limits"])


def _first_process(plan: Plan, own: bool) -> None:
    """Process 1 of the new namespace: makes the world, starts the command in it, collects what ends.

    When it ends, the kernel kills everything else in the namespace. Returns in the command's process.
    """
    alone = 0 if plan["network"] else kernel.NEWNET
    kernel.unshare(kernel.NEWNS | alone | kernel.NEWIPC | kernel.NEWUTS)
    kernel.sethostname(plan["host"])
    if alone:
        kernel.loopback_up()
    kernel.build_root(plan["root"], plan["binds"], plan["links"])
    kernel.mount_scratch(plan["root"], plan["scratch"], plan["scratch_files"], plan["home"])
    kernel.enter_root(plan["root"])
    kernel.bound_capabilities()
    if not own:
        _become(plan["user"])
    kernel.drop_capabilities()
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)  # a change of user has cleared it
    command = os.fork()
    if command == 0:
        _in_own_session(plan)
        return
    os.close(plan["status"])
    code = 0
    try:
        while True:
            ended, status = os.waitpid(-1, 0)
            if ended == command:
                code = os.waitstatus_to_exitcode(status)
                break
    except ChildProcessError:
        pass
    os._exit(code if code >= 0 else 128 - code)


def _become(user: int) -> None:
    """A user that nobody else is, so that its limits and signals concern this run alone."""
    os.setgroups([])
    for number in (user, NOBODY):
        try:
            os.setresgid(number, number, number)
            os.setresuid(number, number, number)
        except OSError:
            continue
        return
    raise PermissionError("no other user to become")


def _end_all(child: int) -> None:
    """Kill and collect the child, its session, and everything that came to us when its parent ended."""
    children = f"/proc/self/task/{os.getpid()}/children"
    session = child or _NO_GROUP
    for _ in range(_REAPING_TRIES):
        found = {child} - {0}
        try:
            with open(children, encoding="ascii") as file:
                found |= {int(number) for number in file.read().split()}
        except OSError:
            pass
        _kill(os.killpg, session)  # at once: what doubles itself is never caught one by one
        for number in found:
            _kill(os.kill, number)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return
        child = 0


def _kill(call: Callable[[int, int], None], number: int) -> None:
    try:
        call(number, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # it has ended, or is none of ours


START = "import sys; sys.path.insert(0, sys.argv[1]); from apps.rendering.sandbox import enclosure as e; e.from_input()"


def from_input() -> None:
    """For ``python -I -S -B -c START FOLDER``: isolated from the environment and from whatever is installed.

    The plan comes by the standard input, which is empty for whatever is started from here.
    """
    plan = marshal.loads(sys.stdin.buffer.read())  # noqa: S302 - written by the portal itself, for this process
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    main(plan)
