"""What a step of ``via: terraform`` says of Terraform's own output, and which plan file it takes."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from apps.deployments.dispatchers import Judged, ToPlan
from apps.deployments.dispatchers.terraform import ROOT, _compare, _write_told
from apps.deployments.dispatchers.terraform_step import Step, cleaner, main, told_by

CANARY, KEY = "canary-of-a-state-4711", "AKIAIOSFODNN7EXAMPLE"


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """As a run has it after the plan, with a program in place of Terraform that says what the test wants it to."""
    place = tmp_path / "run" / "plan"
    place.mkdir(parents=True)
    (tmp_path / "run" / "tree" / "infra").mkdir(parents=True)
    program = tmp_path / "terraform"
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/said\nexit $(cat {tmp_path}/code)\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "code").write_text("0")
    to_plan = ToPlan(
        "net", {"path": "infra"}, lambda _: Judged(), hide=(f"first line\n{CANARY}",), programs={"terraform": program}
    )
    (tmp_path / "run" / "told").mkdir()
    _write_told(tmp_path / "run" / "told", to_plan)
    (place / "saved").write_bytes(b"the plan")
    return tmp_path / "run"


def say(run_dir: Path, *events: dict[str, Any], code: int = 0) -> None:
    (run_dir.parent / "said").write_text("\n".join(json.dumps(event) for event in events) + "\nno JSON at all\n")
    (run_dir.parent / "code").write_text(str(code))


def verdict(run_dir: Path, judged: Judged) -> dict[str, Any]:
    (run_dir / "plan" / "plan.json").write_text("{}")
    _compare(run_dir, ToPlan("net", {"path": "infra"}, lambda _: judged))
    found: dict[str, Any] = json.loads((run_dir / "told" / "verdict.json").read_text())
    return found


HOOK = {"resource": {"addr": "aws_db.a"}, "action": "create", "id_key": "id", "id_value": CANARY, "elapsed_seconds": 3}


def test_only_addresses_actions_and_messages_are_told(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(
        run_dir,
        {"type": "version", "@message": f"Terraform {CANARY}"},
        {"type": "apply_complete", "@message": f"aws_db.a: Creation complete after 3s [id={CANARY}]", "hook": HOOK},
        {"type": "provision_progress", "hook": {**HOOK, "output": CANARY}},
        {"type": "outputs", "outputs": {"o": {"value": CANARY}}},
        {"type": "diagnostic", "diagnostic": {
            "severity": "error", "summary": f"bad {CANARY}", "detail": f"the key {KEY}\nis wrong", "address": "aws_db.a",
            "range": {"filename": "main.tf", "start": {"line": 3}}, "snippet": {"code": f"p = {CANARY!r}"},
        }},
        {"type": "of tomorrow", "@message": CANARY},
        code=1,
    )  # fmt: skip
    verdict(run_dir, Judged(hide=(CANARY,)))
    assert main(str(ROOT), run_dir, "apply") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "aws_db.a: create is done after 3 s"
    assert lines[1] == "Error: bad •••• (on main.tf line 3)"
    assert lines[2].startswith("  the key ••••")
    assert lines[3] == "  is wrong"
    assert len(lines) == 4
    assert KEY not in str(lines)


def test_a_plan_file_that_is_not_the_compared_one_is_not_applied(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say(run_dir, {"type": "apply_start", "hook": HOOK})
    found = verdict(run_dir, Judged(lines=("It is exactly the approved plan:",)))
    assert found["saved"] == hashlib.sha256(b"the plan").hexdigest()
    assert main(str(ROOT), run_dir, "compare") == 0
    (run_dir / "plan" / "saved").write_bytes(b"another plan")
    assert main(str(ROOT), run_dir, "apply") == 1
    said = capsys.readouterr().out
    assert "It is exactly the approved plan:" in said
    assert "The plan file is not the one that was compared. Nothing was applied." in said
    assert "begins" not in said


def test_a_plan_that_was_not_approved_is_not_applied_whoever_asks(run_dir: Path) -> None:
    say(run_dir, {"type": "apply_start", "hook": HOOK})
    verdict(run_dir, Judged("What would happen is no longer what was approved."))
    assert main(str(ROOT), run_dir, "compare") == 1
    assert main(str(ROOT), run_dir, "apply") == 1


def test_the_plan_in_clear_goes_once_it_was_compared_and_nobody_else_reads_the_rest(run_dir: Path) -> None:
    verdict(run_dir, Judged())
    assert not (run_dir / "plan" / "plan.json").exists()
    for name in ("spec.json", "hide.json", "verdict.json", "terraform.rc"):
        assert stat.S_IMODE((run_dir / "told" / name).stat().st_mode) == 0o600


def test_a_plan_that_is_gone_is_not_approved(run_dir: Path) -> None:
    _compare(run_dir, ToPlan("net", {"path": "infra"}, lambda _: Judged()))
    assert json.loads((run_dir / "told" / "verdict.json").read_text())["ok"] is False


def test_a_failure_without_words_says_so(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(run_dir, code=11)
    assert main(str(ROOT), run_dir, "init") == 11
    assert "Terraform ended with 11 and said nothing that can be shown." in capsys.readouterr().out


def test_one_interrupt_goes_on_and_the_second_does_not(run_dir: Path) -> None:
    """A second one would end Terraform before its state is written."""
    step = Step(run_dir / "plan", cleaner(str(ROOT), run_dir / "told"))
    sent: list[int] = []
    step.child = type("Child", (), {"send_signal": lambda _self, number: sent.append(number)})()
    step._pass_on(2, None)
    step._pass_on(2, None)
    assert sent == [2]
    with pytest.raises(SystemExit):
        step.terraform("init")


@pytest.mark.parametrize(
    "line",
    [b"", b"[]", b"null", b'{"type": []}', b'{"type": "apply_start"}', b'{"type": "diagnostic", "diagnostic": null}'],
)
def test_lines_of_another_form_do_no_harm(line: bytes) -> None:
    assert CANARY not in str(list(told_by(line)))
