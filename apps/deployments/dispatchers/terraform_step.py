"""One step of ``via: terraform``: ``python -I terraform_step.py ROOT RUN_DIR init|plan|compare|apply``, below the supervisor.

Terraform speaks JSON to this program, and what it says is told in lines without values: no attribute, no output, no id, no
code. ``ROOT`` holds the portal's code, of which only the pure redaction is used. Everything else is in two folders which nobody
else can read. ``RUN_DIR/told`` is the portal's, and what runs here cannot write it: ``spec.json`` (program, module, files of
values), ``hide.json`` (texts that no line may show), and ``verdict.json``, once it has compared. ``RUN_DIR/plan`` has the plan
file, and the plan as JSON until it was compared.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

MASK = "\u2022\u2022\u2022\u2022"
SHORTEST = 6
"""Characters. Shorter texts stand in ordinary words."""
LOCK_SECONDS = 60
LOOK_SECONDS = 0.2
NOT_SAID = (
    "Terraform ended with {} and said nothing that can be shown. Before version 1.9 it cannot speak JSON in all steps."
)
Clean = Callable[[str], str]


class Step:
    """One command of Terraform after another; an interrupt goes on to the one that runs, once."""

    def __init__(self, place: Path, clean: Clean) -> None:
        self.place, self.told = place, place.parent / "told"
        self.spec: dict[str, Any] = json.loads((self.told / "spec.json").read_text(encoding="utf-8"))
        self.module = place.parent / "tree" / str(self.spec["path"])
        self.clean = clean
        self.child: subprocess.Popen[bytes] | None = None
        self.is_stopped = False
        self.interrupts = [signal.SIGINT]  # there is one: whoever takes it out sends it
        signal.signal(signal.SIGINT, self._pass_on)

    def _pass_on(self, _number: int, _frame: Any) -> None:
        self.is_stopped = True
        self._interrupt()

    def _interrupt(self) -> None:
        if self.is_stopped and self.child is not None:
            with contextlib.suppress(IndexError):
                self.child.send_signal(self.interrupts.pop())

    def say(self, text: str) -> None:
        sys.stdout.write(self.clean(text) + "\n")
        sys.stdout.flush()

    def terraform(self, *arguments: str) -> int:
        """Run it and tell what it does; its exit status."""
        told = 0
        with self._started(*arguments) as child:
            assert child.stdout is not None  # noqa: S101 - it was opened as a pipe
            for line in child.stdout:
                for text in told_by(line):
                    self.say(text)
                    told += text.startswith("Error")
            code = child.wait()
        if code and not told:
            self.say(NOT_SAID.format(code))
        return code if code >= 0 else 128 - code

    def _started(self, *arguments: str) -> subprocess.Popen[bytes]:
        """``stderr`` is thrown away: what is meant for people comes as JSON, and traces would quote values."""
        self.child = None  # the one before is over, and takes no interrupt from the next
        if self.is_stopped:
            sys.exit(130)
        self.child = subprocess.Popen(
            [str(self.spec["program"]), *arguments], cwd=self.module, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._interrupt()  # if it came while Terraform began
        return self.child

    def init(self) -> int:
        return self.terraform("init", "-json", "-input=false", "-lockfile=readonly")

    def plan(self) -> int:
        files = [f"-var-file={self.place.parent / 'tree' / path}" for path in self.spec["variables"]]
        code = self.terraform(
            "plan", "-json", "-input=false", f"-lock-timeout={LOCK_SECONDS}s", f"-out={self.place / 'saved'}", *files
        )
        if code:
            return code
        draft = self.place / "plan.draft"
        with draft.open("wb") as file, self._started("show", "-json", "-no-color", str(self.place / "saved")) as child:
            assert child.stdout is not None  # noqa: S101 - it was opened as a pipe
            while piece := child.stdout.read(1 << 20):
                file.write(piece)
            code = child.wait()
        if code:
            self.say(NOT_SAID.format(code))
        else:
            draft.rename(self.place / "plan.json")
        return code

    def compare(self) -> int:
        """Wait for what the portal found; the time limit of the step is the end of it."""
        while not (self.told / "verdict.json").exists():
            if self.is_stopped:
                return 130
            time.sleep(LOOK_SECONDS)
        verdict = self._verdict()
        for line in verdict["lines"]:
            self.say(str(line))
        return 0 if verdict["ok"] is True else 1

    def apply(self) -> int:
        """Exactly the file that was compared."""
        verdict, saved = self._verdict(), self.place / "saved"
        if verdict["ok"] is not True or digest(saved) != verdict["saved"]:
            self.say("Error: The plan file is not the one that was compared. Nothing was applied.")
            return 1
        if verdict["empty"] is True:
            self.say("There is nothing to apply.")
            return 0
        return self.terraform("apply", "-json", "-input=false", f"-lock-timeout={LOCK_SECONDS}s", str(saved))

    def _verdict(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.told / "verdict.json").read_text(encoding="utf-8"))
        return found


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def told_by(line: bytes) -> Iterator[str]:
    """What is said of one line of ``terraform -json``. A kind of line that is not known here is not shown."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return
    if isinstance(event, dict) and str(event.get("type")) in _TOLD:
        yield from _TOLD[event["type"]](event)


def _address(event: Mapping[str, Any], key: str = "hook") -> tuple[str, str]:
    inner = event.get(key) or {}
    return str((inner.get("resource") or {}).get("addr") or "?"), str(inner.get("action") or "?")


def _hook(words: str) -> Callable[[Mapping[str, Any]], Iterator[str]]:
    def told(event: Mapping[str, Any]) -> Iterator[str]:
        address, action = _address(event)
        seconds = (event.get("hook") or {}).get("elapsed_seconds")
        yield f"{address}: {words.format(action=action)}" + (f" after {seconds} s" if seconds else "")

    return told


def _change(words: str) -> Callable[[Mapping[str, Any]], Iterator[str]]:
    def told(event: Mapping[str, Any]) -> Iterator[str]:
        address, action = _address(event, "change")
        yield f"{address}: {words.format(action=action)}"

    return told


def _message(event: Mapping[str, Any]) -> Iterator[str]:
    yield str(event.get("@message") or "").split("\n")[0]


def _diagnostic(event: Mapping[str, Any]) -> Iterator[str]:
    """Without the code, and the values, that Terraform shows with it."""
    found = event.get("diagnostic") or {}
    place = (found.get("range") or {}).get("filename")
    line = ((found.get("range") or {}).get("start") or {}).get("line")
    where = f" (on {place} line {line})" if place else f" ({found['address']})" if found.get("address") else ""
    yield f"{str(found.get('severity') or 'error').capitalize()}: {found.get('summary') or ''}{where}"
    yield from (f"  {text}" for text in str(found.get("detail") or "").splitlines() if text.strip())


_TOLD: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "init_output": _message,
    "change_summary": _message,
    "diagnostic": _diagnostic,
    "resource_drift": _change("was changed outside of Terraform ({action})"),
    "planned_change": _change("would be changed ({action})"),
    "apply_start": _hook("{action} begins"),
    "apply_progress": _hook("{action} goes on"),
    "apply_complete": _hook("{action} is done"),
    "apply_errored": _hook("{action} failed"),
    "provision_start": _hook("a provisioner runs, whose output is not shown"),
    "provision_errored": _hook("the provisioner failed"),
}


def cleaner(root: str, told: Path) -> Clean:
    """Takes out of a line what ``hide.json`` names, and what looks like a key."""
    sys.path.insert(0, root)
    from apps.rendering.redaction import keyed, redact_text  # pure: neither Django nor Git

    texts = json.loads((told / "hide.json").read_text(encoding="utf-8"))
    hidden = sorted((text for text in texts if len(text) >= SHORTEST), key=len, reverse=True)
    key = keyed(os.urandom(32))

    def clean(text: str) -> str:
        for secret in hidden:
            text = text.replace(secret, MASK)
        return redact_text(text, key)

    return clean


def main(root: str, run_dir: Path, name: str) -> int:
    """The exit status of the step."""
    step = Step(run_dir / "plan", cleaner(root, run_dir / "told"))
    steps = {"init": step.init, "plan": step.plan, "compare": step.compare, "apply": step.apply}
    return steps[name]()


if __name__ == "__main__":
    os.umask(0o077)  # of this process; nothing that is called may change it for its caller
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
