"""Steps run on the worker's own machine, in a clean checkout of the merged commit.

``PORTAL_DATA_DIR/runs/<deployment>/<attempt>/`` holds ``tree`` (the checkout), ``home``, ``tmp``
and what the supervisor writes (see ``supervisor.py``). A step gets a short environment written here and nothing of the
portal's own, and is shut in (``fence.py``): it sees the system's programs, its checkout, and nothing of the portal.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.core.errors import Unavailable
from apps.core.waiting import about_to_act
from apps.deployments.dispatchers import Capabilities, Progress, Refused, Run, RunState, StepProgress, StepState
from apps.deployments.dispatchers.removing import remove
from apps.deployments.dispatchers.shutting_in import can_shut_in, world
from apps.deployments.dispatchers.supervisor import TAKEN, create_once
from apps.rendering.limits import MIB
from apps.vcs.export import export_tree

SUPERVISOR = Path(__file__).with_name("supervisor.py")
LAUNCH_SECONDS = 30
NOT_FENCED = (
    "Steps can not be shut in on this worker, so none was started: they could read the portal's files and secrets. Let the worker "
    "make namespaces, use another dispatcher, or allow it with PORTAL_STEPS_UNFENCED=1 where everybody who can merge is trusted."
)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def runner_id() -> str:
    """Which data directory this worker works in: only workers that share it can see each other's runs."""
    place = _runs() / "runner.id"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = place.with_name(f"runner.{uuid.uuid4().hex}")
        draft.write_text(uuid.uuid4().hex, encoding="ascii")
        try:
            os.link(draft, place)  # of two first starts, one wins
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return place.read_text(encoding="ascii")


def _runs() -> Path:
    return Path(settings.PORTAL_DATA_DIR) / "runs"


def run_dir(run: Run) -> Path:
    """The directory of one attempt. Its key is in the name: after an older database was restored, number 17 is another run."""
    name = (
        str(run.attempt) if run.key.startswith("d-") else f"{run.attempt}-{run.key[:16]}"
    )  # d-…: begun by an older version
    return _runs() / str(run.deployment) / name


def make_folders(place: Path) -> None:
    """What a run in ``place`` writes, beside its checkout."""
    for name in ("home", "tmp", "steps"):
        (place / name).mkdir(parents=True, exist_ok=True, mode=0o700)


def check_out(run: Run, place: Path) -> None:
    """Export the commit to ``place/tree``, whole or not at all, and only if it is not there yet."""
    draft = place / f"tree.{uuid.uuid4().hex}"
    try:
        export_tree(run.git_dir, run.commit, draft)
        if not (place / "tree").exists():
            draft.rename(place / "tree")
    except FileExistsError:
        pass
    except OSError:
        if not (place / "tree").exists():  # another worker's checkout is as good as ours: same commit
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def require_fence() -> None:
    """:class:`Refused` where what a repository says can not be shut in, and no administrator lets it run in the open."""
    if not can_shut_in() and not settings.PORTAL_STEPS_UNFENCED:
        raise Refused("steps_not_fenced", NOT_FENCED)


def fence_of(place: Path, reads: list[Path]) -> dict[str, Any] | None:
    """In what the steps of the run in ``place`` are shut in; ``None``: they run in the open, where that is allowed."""
    require_fence()
    if not can_shut_in():
        return None
    with suppress(FileNotFoundError):  # the supervisor says that the run is gone
        (place / "root").mkdir(exist_ok=True)
    return world(place, reads)


def environment_of(run: Run, place: Path) -> dict[str, str]:
    """Everything that a step sees; nothing is inherited. Secrets win over plain names, never over PORTAL_*."""
    return {
        "PATH": PATH,
        "LANG": "C.UTF-8",
        **run.secrets,
        "HOME": str(place / "home"),
        "TMPDIR": str(place / "tmp"),
        **run.environment,
    }


def bounds() -> dict[str, Any]:
    """What a step may print and hold, and how long it may take to stop, as the supervisor takes it."""
    return {
        "output_limit": int(settings.PORTAL_STEP_OUTPUT_MB * MIB),
        "memory_limit": int(settings.PORTAL_STEP_MEMORY_MB * MIB),
        "process_limit": int(settings.PORTAL_STEP_PROCESSES),
        "grace": settings.PORTAL_STEP_GRACE_SECONDS,
    }


def supervised(place: Path) -> list[str]:
    """The command line of the supervisor of what is prepared in ``place``."""
    return [sys.executable, "-I", "-S", str(SUPERVISOR), str(place)]


class LocalDispatcher:
    """See the module; the supervisor does the work, this class starts, reads and stops it."""

    capabilities = Capabilities(cancel=True, logs=True, from_step=True)

    def prepare(self, run: Run) -> dict[str, Any]:
        """Export the commit. Repeatable: each call writes a directory of its own, the first to finish counts."""
        place = run_dir(run)
        if not (place / "prepared").exists():
            make_folders(place)
            check_out(run, place)
            create_once(place / "prepared")
        return {"runner": runner_id()}

    def dispatch(self, run: Run) -> dict[str, Any]:
        """Start the supervisor; returns once it is certain that exactly one has the run."""
        place = run_dir(run)
        spec = {
            "steps": self.commands(run, place),
            "from_step": run.from_step,
            "environment": self.environment(run, place),
            "fence": fence_of(place, self.reads(run)),
            **bounds(),
        }
        about_to_act()
        try:
            done = subprocess.run(  # exec of a new interpreter: a fork of this process would carry the database along
                supervised(place),
                input=json.dumps(spec).encode(),
                env={"PATH": PATH, "LANG": "C.UTF-8"},
                cwd="/",
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=LAUNCH_SECONDS,
                start_new_session=True,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as problem:
            raise Unavailable("steps_not_started", f"The steps could not be started: {problem}.") from problem
        if done.returncode not in {0, TAKEN}:
            raise Unavailable("steps_not_started", "The steps could not be started: the run directory is not there.")
        return {}

    def reads(self, _run: Run) -> list[Path]:
        """What else of this machine its steps read."""
        return []

    def commands(self, run: Run, _place: Path) -> list[dict[str, Any]]:
        """The steps as the supervisor takes them."""
        return [{"run": step.run, "timeout": step.timeout} for step in run.steps]

    def environment(self, run: Run, place: Path) -> dict[str, str]:
        """See :func:`environment_of`."""
        return environment_of(run, place)

    def observe(self, run: Run) -> Progress:
        place = run_dir(run)
        if not place.is_dir():
            return Progress(RunState.LOST)
        if not (place / "started").exists():
            return Progress(RunState.NOT_STARTED if (place / "prepared").exists() else RunState.LOST)
        alive = _is_held(place / "lock")  # before the results: what ends in between is seen at the next look
        steps = tuple(step_progress(place / "steps" / str(n), str(n)) for n in range(len(run.steps)))
        if alive:
            return Progress(RunState.RUNNING, steps)
        return Progress(RunState.ENDED if self._is_settled(run, place, steps) else RunState.LOST, steps)

    def _is_settled(self, run: Run, place: Path, steps: tuple[StepProgress, ...]) -> bool:
        """Whether the files explain the end: the last step that began has a result, and why none came after it."""
        mine = steps[run.from_step :]
        if any(step.state == StepState.RUNNING for step in mine):
            return False
        if all(step.state == StepState.ENDED for step in mine) or (place / "cancel").exists():
            return True
        return any(step.state == StepState.ENDED and (step.reason != "exited" or step.exit_code) for step in mine)

    def read_log(self, run: Run, key: str, offset: int, limit: int) -> bytes:
        try:
            with (run_dir(run) / "steps" / key / "output").open("rb") as file:
                file.seek(offset)
                return file.read(limit)
        except FileNotFoundError:
            return b""

    def cancel(self, run: Run) -> bool:
        place = run_dir(run)
        about_to_act()
        place.mkdir(parents=True, exist_ok=True)
        (place / "cancel").touch()
        return not create_once(place / "started")

    def discard(self, run: Run) -> None:
        """Everything but the marks: a start that was delayed for hours still finds ``started``."""
        place = run_dir(run)
        if not place.is_dir():
            return
        if not create_once(place / "started") and _is_held(place / "lock"):
            return  # somebody else's start came first, and its steps run
        for entry in place.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                remove(entry)
        (place / "prepared").unlink(missing_ok=True)


def _is_held(lock: Path) -> bool:
    """Whether a supervisor lives: the kernel lets go of the lock when the process ends, however it ends."""
    try:
        handle = os.open(lock, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def step_progress(place: Path, key: str) -> StepProgress:
    """What the supervisor wrote of the step in ``place``."""
    try:
        began = _moment((place / "started").read_text(encoding="ascii"))
    except FileNotFoundError:
        return StepProgress(StepState.WAITING, key)
    try:
        result = json.loads((place / "result.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return StepProgress(StepState.RUNNING, key, began=began, output_bytes=_size(place / "output"))
    return StepProgress(
        StepState.ENDED,
        key,
        reason=result["reason"],
        exit_code=result["exit_code"],
        signal=result["signal"],
        problem=result.get("problem", ""),
        began=began,
        ended=_moment(str(result["ended"])),
        output_bytes=_size(place / "output"),
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _moment(seconds: str) -> datetime | None:
    return datetime.fromtimestamp(float(seconds), tz=UTC) if seconds else None
