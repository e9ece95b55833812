"""One command that tells whether something works: shut in as a step is (``fence.py``), and waited for.

``PORTAL_DATA_DIR/checks/<deployment>-<key>/tree`` is the checkout of the deployed commit, which all looks of an attempt share
and none can write; beside it every look has a folder of its own, which is removed after it. What is asked long after the deployment
has ``checks/look-<environment>-<random>`` for itself, with its own checkout. The supervisor stays a child of
this worker: a command does not outlive who asked for it.

In the open (``PORTAL_STEPS_UNFENCED=1`` where nothing can be shut in) a command is the portal's user: it can write the common
checkout and everything else here, and what it left in another session may outlive a worker that is killed.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.core.errors import Conflict, Unavailable
from apps.core.leases import LeaseLost
from apps.core.waiting import about_to_act, beat
from apps.deployments.dispatchers import Run, StepProgress, StepState
from apps.deployments.dispatchers.local import (
    LAUNCH_SECONDS,
    PATH,
    bounds,
    check_out,
    environment_of,
    fence_of,
    make_folders,
    step_progress,
    supervised,
)
from apps.deployments.dispatchers.removing import remove
from apps.deployments.dispatchers.step_files import read_of_step
from apps.rendering.limits import MIB

OUTPUT_LIMIT = MIB
"""Bytes that a command may print: it is asked again and again, and all of it is read."""
LOOK = "look"
LOOK_SECONDS, ASK_SECONDS, STOP_SECONDS = 0.05, 1.0, 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """How the command ended, and all that it printed."""

    ended: StepProgress
    output: bytes


def run_command(
    run: Run, command: str, timeout: float, is_wanted: Callable[[], bool], *, home: Path | None = None
) -> Answer:
    """Run it to its end, at most ``timeout`` seconds and the time that it is given to stop. :func:`beat` is called meanwhile.

    ``home``: the folder with the checkout, where it is not the common one of the attempt; whoever names it removes it.
    :class:`Refused` where it cannot be shut in, :class:`Unavailable` where it could not be run at all, and
    :class:`Conflict` ``check_stopped`` when ``is_wanted``, asked before it is begun and then once a second, says no.
    """
    home = home or _home(run)
    place = home / uuid.uuid4().hex
    try:
        _clear(home)
        make_folders(place)
        prepare(run, home)
        (place / "prepared").touch()
        _wait(place, _specification(run, home, place, command, timeout), timeout, is_wanted)
        ended = step_progress(place / "steps" / "0", "0")
        if ended.state != StepState.ENDED:
            raise Unavailable("command_lost", "The command was not run to its end.")
        return Answer(ended, _output(place))
    except OSError as problem:
        raise Unavailable("command_not_run", f"The command could not be run: {problem}.") from problem
    finally:
        remove(place)


@contextmanager
def looking(environment: int) -> Iterator[Path]:
    """A folder of its own for what one look at an environment (its key) asks by a command; what broken-off looks left goes first."""
    forget_looks(environment)
    home = _folder() / f"{LOOK}-{environment}-{uuid.uuid4().hex}"
    try:
        yield home
    finally:
        remove(home)


def forget_looks(environment: int, older_than: float = 0.0) -> None:
    """Remove what looks at it left here; ``older_than``: seconds."""
    for home in _folder().glob(f"{LOOK}-{environment}-*"):
        if _age(home) >= older_than:
            remove(home)


def old_looks(seconds: float) -> list[int]:
    """Keys of environments of which looks left something here that long ago."""
    homes = [home for home in _folder().glob(f"{LOOK}-*-*") if _age(home) >= seconds]
    return sorted({int(key) for home in homes if (key := home.name.split("-")[1]).isdigit()})


def _age(home: Path) -> float:
    with suppress(FileNotFoundError):
        return time.time() - home.stat().st_mtime
    return 0.0


def prepare(run: Run, home: Path | None = None) -> None:
    """Check the deployed commit out for all looks of this attempt, unless that is done. Fails where it cannot be written to disk."""
    home = home or _home(run)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (home / "tree").exists():
        check_out(run, home)


def _home(run: Run) -> Path:
    return _folder() / f"{run.deployment}-{run.key[:16]}"


def _clear(home: Path) -> None:
    """What looks of this attempt left that were broken off: one looks at a time, and the checkout alone is for all of them."""
    if home.is_dir():
        for entry in home.iterdir():
            if entry.name != "tree":
                remove(entry)


def _folder() -> Path:
    return Path(settings.PORTAL_DATA_DIR) / "checks"


def _specification(run: Run, home: Path, place: Path, command: str, timeout: float) -> dict[str, Any]:
    """Shut in, it sees the common checkout in its own place, read-only; in the open a link leads there."""
    fence = fence_of(place, [])
    if fence is None:
        (place / "tree").symlink_to(home / "tree")
    else:
        fence["mounts"].append((str(place / "tree"), str(home / "tree"), "read"))
    return {
        "steps": [{"run": command, "timeout": timeout}],
        "from_step": 0,
        "environment": environment_of(run, place),
        "fence": fence,
        "owner": os.getpid(),
        **bounds(),
        "output_limit": OUTPUT_LIMIT,
    }


def _wait(place: Path, spec: dict[str, Any], timeout: float, is_wanted: Callable[[], bool]) -> None:
    """Until the supervisor has ended; whatever happens here, it does not go on."""
    _require_wanted(is_wanted)
    about_to_act()
    child = subprocess.Popen(  # exec of a new interpreter: a fork of this process would carry the database along
        supervised(place), env={"PATH": PATH, "LANG": "C.UTF-8"}, cwd="/", stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        assert child.stdin is not None  # noqa: S101 - it was opened as a pipe
        with child.stdin as pipe:
            pipe.write(json.dumps(spec).encode())
        moment = time.monotonic()
        until, ask_at = moment + LAUNCH_SECONDS + timeout + 2 * spec["grace"], moment + ASK_SECONDS
        while child.poll() is None and (moment := time.monotonic()) < until:
            beat()
            if moment >= ask_at:
                ask_at = moment + ASK_SECONDS
                _require_wanted(is_wanted)
            time.sleep(LOOK_SECONDS)
    finally:
        _stop(child, place, spec["grace"])


def _require_wanted(is_wanted: Callable[[], bool]) -> None:
    if not is_wanted():
        raise Conflict("check_stopped", "Somebody cancelled the deployment while its health was asked.")


def _stop(child: subprocess.Popen[bytes], place: Path, grace: float) -> None:
    """By its supervisor, which ends all that it has started; by force where that does not answer."""
    try:
        if child.poll() is None:
            (place / "cancel").touch()
            _wait_for_end(child, grace + STOP_SECONDS)
    finally:
        if child.poll() is None:
            child.kill()  # the kernel ends the command with it
            child.wait()


def _wait_for_end(child: subprocess.Popen[bytes], seconds: float) -> None:
    """Somebody else having the deployment meanwhile is no reason to stop it less carefully: nothing is written of it then."""
    until = time.monotonic() + seconds
    while child.poll() is None and time.monotonic() < until:
        with suppress(LeaseLost):
            beat()
        time.sleep(LOOK_SECONDS)


def _output(place: Path) -> bytes:
    try:
        return read_of_step(place / "steps" / "0" / "output", OUTPUT_LIMIT)
    except FileNotFoundError:
        return b""


def forget(number: int, key: str = "") -> None:
    """Remove what the checks of a deployment left on this machine, or of its attempt ``key`` alone."""
    for home in _folder().glob(f"{number}-{key[:16]}*"):
        remove(home)


def deployments_here() -> list[int]:
    """Numbers of deployments of which something is left here."""
    names = (entry.name.partition("-")[0] for entry in _folder().glob("*-*"))
    return sorted({int(name) for name in names if name.isdigit()})
