"""``via: terraform``: planned again at the approved commit, compared with what was approved, and that very plan applied.

Runs as steps do (``local``): a checkout of its own, one supervisor that is created once, a log that is taken over. Between
the plan and its application the step ``compare`` waits for the portal, which alone knows what was approved; a look at the
run compares and writes the verdict, whole or not at all. Nothing is ever applied a second time: an interrupted run is over,
and a new attempt makes a new plan, which is compared again.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import uuid
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from apps.core.errors import PortalError, Unavailable
from apps.deployments.dispatchers import (
    Capabilities,
    Judged,
    Progress,
    Run,
    RunState,
    StepProgress,
    StepState,
    ToPlan,
)
from apps.deployments.dispatchers.local import LocalDispatcher, run_dir
from apps.deployments.dispatchers.step_files import digest_of_step, read_of_step
from apps.rendering.terraform.documents import MOST_BYTES

PROGRAM = Path(__file__).with_name("terraform_step.py")
ROOT = Path(__file__).resolve().parents[3]
STEPS = ("init", "plan", "compare", "apply")
COMPARE, APPLY = STEPS.index("compare"), STEPS.index("apply")
KILLED = 128 + signal.SIGKILL
GRACE_SECONDS = 120.0
"""From the interrupt, after which Terraform finishes what is under way and writes its state, to the end by force."""
_OWN = {
    "TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1", "TF_LOG": "", "TF_LOG_CORE": "", "TF_LOG_PROVIDER": "",
    "TF_CLI_ARGS": "", "TF_CLI_ARGS_init": "", "TF_CLI_ARGS_plan": "", "TF_CLI_ARGS_show": "", "TF_CLI_ARGS_apply": "",
}  # fmt: skip
"""Wins over the secrets of the environment: nothing else is planned than was approved, and no trace is printed."""


class TerraformDispatcher(LocalDispatcher):
    """See the module."""

    capabilities = Capabilities(cancel=True, logs=True)

    def prepare(self, run: Run) -> dict[str, Any]:
        facts = super().prepare(run)
        for name in ("plan", "told"):
            (run_dir(run) / name).mkdir(mode=0o700, exist_ok=True)
        return facts

    def commands(self, run: Run, place: Path) -> list[dict[str, Any]]:
        line = f"exec {shlex.join([sys.executable, '-I', str(PROGRAM), str(ROOT), str(place)])}"
        return [
            {"run": f"{line} {name}", "timeout": step.timeout, "interrupt": True, "grace": GRACE_SECONDS}
            for name, step in zip(STEPS, run.steps, strict=True)
        ]

    def reads(self, run: Run) -> list[Path]:
        """The program of the steps with its Python, Terraform, and the providers that are here."""
        programs = _to_plan(run).programs
        return [ROOT / "apps", Path(sys.prefix), Path(sys.base_prefix), *map(Path, filter(None, programs.values()))]

    def environment(self, run: Run, place: Path) -> dict[str, str]:
        workspace = _to_plan(run).options.get("workspace")
        own = {
            **_OWN,
            "TF_CLI_CONFIG_FILE": str(place / "told" / "terraform.rc"),
            "TF_DATA_DIR": str(place / "home" / "data"),
        }
        return {**super().environment(run, place), **own, **({"TF_WORKSPACE": str(workspace)} if workspace else {})}

    def dispatch(self, run: Run) -> dict[str, Any]:
        """Start it; once it waits for that: compare. May be called again, for each of both happens once."""
        place = run_dir(run)
        if not (place / "started").exists():
            _write_told(place / "told", _to_plan(run))
            return super().dispatch(run)
        if _waits_for_verdict(place, super().observe(run)):
            _compare(place, _to_plan(run))
        return {}

    def observe(self, run: Run) -> Progress:
        place = run_dir(run)
        progress = super().observe(run)
        if progress.state == RunState.RUNNING and _waits_for_verdict(place, progress):
            return replace(progress, state=RunState.NOT_STARTED)  # the next look compares
        if progress.state == RunState.LOST:
            return replace(progress, problem=_interrupted(progress.steps))
        if progress.state == RunState.ENDED:
            return _ended(place, progress)
        return progress


def _to_plan(run: Run) -> ToPlan:
    if run.to_plan is None:
        raise Unavailable("nothing_to_plan", "What was approved of this target is not known, so nothing is planned.")
    return run.to_plan


def _write_told(place: Path, to_plan: ToPlan) -> None:
    """What the steps need to know. No secret of the environment is among it: these come through the supervisor's pipe."""
    providers = to_plan.programs.get("providers")
    mirror = (
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{providers}"\n  }}\n}}\n' if providers else ""
    )
    spec = {
        "program": str(to_plan.programs["terraform"]),
        "path": to_plan.options["path"],
        "variables": list(to_plan.options.get("variables") or ()),
    }
    _write(place / "terraform.rc", mirror)
    _write(place / "hide.json", json.dumps(_hidden(to_plan.hide)))
    _write(place / "spec.json", json.dumps(spec))


def _waits_for_verdict(place: Path, progress: Progress) -> bool:
    """Whether the step that compares runs, nobody asked to stop it, and nothing was found yet."""
    is_waiting = progress.state == RunState.RUNNING and progress.steps[COMPARE].state == StepState.RUNNING
    return is_waiting and not (place / "cancel").exists() and not (place / "told" / "verdict.json").exists()


def _compare(place: Path, to_plan: ToPlan) -> None:
    """Write what was found, and take the plan away as JSON, which has all values of the state in clear."""
    document, told = place / "plan" / "plan.json", place / "told"
    try:
        judged = to_plan.judge(read_of_step(document, MOST_BYTES))
        saved = digest_of_step(place / "plan" / "saved")
    except PortalError as problem:
        judged, saved = Judged(problem.message), ""
    except OSError:
        judged, saved = Judged("The plan is no longer there. Nothing was applied."), ""
    _write(told / "hide.json", json.dumps(_hidden((*to_plan.hide, *judged.hide))))
    verdict = {
        "ok": not judged.problem, "empty": judged.is_empty, "saved": saved, "problem": judged.problem,
        "lines": [*judged.lines, *([judged.problem] if judged.problem else [])],
    }  # fmt: skip
    _write(told / "verdict.json", json.dumps(verdict))
    document.unlink(missing_ok=True)


def _hidden(texts: Iterable[str]) -> list[str]:
    """The longest first, each line of those with several too."""
    found = {part.strip() for text in texts for part in (text, *text.splitlines())}
    return sorted(found, key=len, reverse=True)


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and for this user alone."""
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", errors="surrogatepass") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)


def _interrupted(steps: tuple[StepProgress, ...]) -> str:
    """Of a run whose supervisor died."""
    if len(steps) > APPLY and steps[APPLY].state != StepState.WAITING:
        return "The run was interrupted while Terraform applied the plan. Its state, and a lock on it, tell how far it came."
    return "The run was interrupted before anything was applied."


def _ended(place: Path, progress: Progress) -> Progress:
    """With why it was not the approved plan; one that was ended by force while it applied has an outcome that nobody knows."""
    applying = progress.steps[APPLY]
    if applying.state == StepState.ENDED and (unknown := _unknown(place, applying)):
        return replace(progress, state=RunState.LOST, problem=unknown)
    comparing = progress.steps[COMPARE]
    if comparing.state == StepState.ENDED and comparing.exit_code and comparing.reason == "exited":
        return replace(progress, problem=_why(place))
    if applying.state == StepState.ENDED and applying.reason != "cancelled" and not applying.is_success:
        what = "took too long and was interrupted" if applying.reason == "timeout" else "failed"
        problem = f"Applying the plan {what}. What was applied until then stays, and is in the state; the log says how far it came."
        return replace(progress, problem=problem)
    return progress


def _unknown(place: Path, applying: StepProgress) -> str:
    """Why nobody can say what became of the resources; empty where Terraform itself ended and wrote its state."""
    if applying.signal == signal.SIGKILL or applying.exit_code == KILLED:
        return (
            "Terraform was ended by force while it applied the plan. Its state, and a lock on it, tell how far it came."
        )
    if not applying.is_success and _left_state(place, applying):
        return (
            "Terraform applied, and could not write its state to the backend. It left it on the worker as errored.tfstate: "
            "push that (terraform state push) before anything else is applied."
        )
    return ""


def _left_state(place: Path, applying: StepProgress) -> bool:
    """Whether Terraform left its state where it ran. A file of that name which the commit has is older than the step."""
    module = json.loads((place / "told" / "spec.json").read_text(encoding="utf-8"))["path"]
    try:
        written = (place / "tree" / module / "errored.tfstate").lstat().st_mtime
    except OSError:
        return False
    return applying.began is None or written >= applying.began.timestamp()


def _why(place: Path) -> str:
    try:
        verdict = json.loads((place / "told" / "verdict.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(verdict["problem"])
