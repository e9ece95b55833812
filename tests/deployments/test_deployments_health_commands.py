"""Health that is asked by a command: run beside the worker at every look, shut in as steps are, bounded, and never alone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from apps.changes.models import ChangeRequest
from apps.core.terminal import without_sequences
from apps.deployments import queries, services
from apps.deployments.dispatchers import local as local_module
from apps.deployments.jobs import asking
from apps.deployments.jobs import health as health_module
from apps.deployments.models import Attempt, Deployment
from tests.support.delivery import Delivery, run_jobs
from tests.support.health import look, until_asked, watched
from tests.support.outside import delivery_via, step_engine
from tests.support.receiver import SECRET as SIGNED_WITH
from tests.support.receiver import Receiver
from tests.support.reporting import report, running

SECRET = "token-abcdefghijkl"  # of no real system


def yaml(command: str, *, more: str = "", otherwise: str = "report") -> str:
    return f"""\
apiVersion: portal/v1
environments:
  staging:
    deploy:
      via: local
      steps: [{{name: apply, run: 'true', timeout: 60s}}]
      health:
        checks: [{{name: smoke, command: {command!r}, every: 10s{more}}}]
        for: 1m
        within: 5m
        otherwise: {otherwise}
rules:
  - {{name: a reviewer, needs: {{approvals: 1, from: [role/reviewer]}}}}
"""


@pytest.fixture(autouse=True)
def quick(settings: Any) -> None:
    settings.PORTAL_STEP_GRACE_SECONDS = 0.3


def passed(row: Deployment, later: Any, seconds: float = 310) -> Deployment:
    """Looked at as often as a worker does."""
    for _ in range(int(seconds // 31) + 1):
        if row.status != "running":
            break
        later(31)
        look(row)
    return row


def seen(row: Deployment) -> dict[str, Any]:
    found: dict[str, Any] = Attempt.objects.get(deployment=row).health["checks"]["smoke"]
    return found


def log_of(row: Deployment) -> list[str]:
    return [event.text for event in queries.events(row) if event.kind == "log" and event.step == "smoke"]


@pytest.mark.django_db
def test_a_command_is_run_in_the_deployed_commit_and_has_to_hold_as_long_as_every_check(
    tmp_path: Path, later: Any
) -> None:
    witness = tmp_path / "witness"
    script = f'echo "$PORTAL_ENVIRONMENT $PORTAL_COMMIT $(cat app/values.yaml | tail -n 1)" >> {witness}\n'
    row = watched(Delivery.start(tmp_path, yaml("sh ./smoke.sh"), {"smoke.sh": script}))
    assert row.status == "running"
    for _ in range(6):
        later(9)
        assert look(row).status == "running"
    later(11)
    assert look(row).status == "succeeded"
    assert set(witness.read_text().splitlines()) == {f"staging {row.commit} name: one"}
    assert len(witness.read_text().splitlines()) > 3
    assert log_of(row) == ["ok: exited with 0"]
    assert [(step.name, step.status) for step in queries.steps_of(row)] == [
        ("apply", "succeeded"),
        ("smoke", "succeeded"),
    ]


@pytest.mark.django_db
def test_a_bad_command_is_told_with_its_last_lines_and_the_page_shows_them(tmp_path: Path, later: Any) -> None:
    delivery = Delivery.start(tmp_path, yaml("seq 1 50; echo; echo 'no answer from <shop>' >&2; exit 3"))
    row = watched(delivery)
    assert seen(row)["text"] == "exited with 3: 49 / 50 / no answer from <shop>"
    (lines,) = [text.split("\n") for text in log_of(row)]
    assert lines[0] == "32"
    assert lines[-2:] == ["no answer from <shop>", "not ok: exited with 3: 49 / 50 / no answer from <shop>"]
    browser = Client()
    browser.force_login(delivery.people.bob)
    page = browser.get(f"/deployments/{row.number}/").content.decode()
    assert "not ok: exited with 3: 49 / 50 / no answer from &lt;shop&gt;" in page
    assert passed(row, later).status == "failed"
    assert row.problem == "It was applied, but is not healthy: smoke exited with 3: 49 / 50 / no answer from <shop>."


@pytest.mark.django_db
def test_a_command_that_takes_too_long_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    line = f"(trap '' TERM; while true; do date +%s%N > {witness}; sleep 0.05; done) & echo waiting; sleep 60"
    began = time.monotonic()
    row = watched(Delivery.start(tmp_path, yaml(line, more=", timeout: 1s")))
    assert time.monotonic() - began < 30
    assert seen(row)["text"] == "took longer than 1 s: waiting"
    before = witness.read_text()
    time.sleep(0.3)
    assert witness.read_text() == before


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("yes 0123456789012345678901234567890123456789 | head -c 3000000", "printed more than 1 MB"),
        ("kill -9 $$", "was killed by signal 9"),
        ("./nothing-there", "exited with 127: /bin/sh"),
    ],
)
def test_what_goes_wrong_with_a_command_is_said(tmp_path: Path, line: str, text: str) -> None:
    assert text in seen(watched(Delivery.start(tmp_path, yaml(line))))["text"]


@pytest.mark.django_db
def test_secrets_reach_a_command_and_are_in_nothing_that_is_told_of_it(tmp_path: Path) -> None:
    line = r'printf "\033[31mbad %s\033[0m\n" "$TOKEN"; printf %s "$TOKEN" | base64; exit ${#TOKEN}'
    delivery = Delivery.start(tmp_path, yaml(line))
    row = delivery.deployment(delivery.merged())
    services.set_secret(delivery.people.carol, environment=row.environment, name="TOKEN", value=SECRET)
    until_asked(row)
    assert seen(row)["text"] == f"exited with {len(SECRET)}: bad •••• masked / •••• masked"
    told = "\n".join([*log_of(row), row.problem, str(Attempt.objects.get(deployment=row).health)])
    assert SECRET not in told
    assert "dG9rZW4t" not in told


@pytest.mark.django_db
@pytest.mark.parametrize("between", [r"\033[0m", r"\033[1;31m", r"\342\200\213", r"\007", "\\n"])
def test_a_secret_that_something_unseen_keeps_apart_is_masked_where_it_stands_together(
    tmp_path: Path, between: str
) -> None:
    """A zero-width space, colours and a bell; its halves in two lines are told apart, as in every log."""
    line = rf'printf "%s{between}%s\n" "$(echo $TOKEN | cut -c -8)" "$(echo $TOKEN | cut -c 9-)"; exit 3'
    delivery = Delivery.start(tmp_path, yaml(line))
    row = delivery.deployment(delivery.merged())
    services.set_secret(delivery.people.carol, environment=row.environment, name="TOKEN", value=SECRET)
    until_asked(row)
    told = "\n".join([*log_of(row), str(Attempt.objects.get(deployment=row).health)])
    assert SECRET not in told
    assert SECRET not in without_sequences(told)
    if between != "\\n":
        assert seen(row)["text"] == "exited with 3: •••• masked"


@pytest.mark.django_db
def test_where_nothing_can_be_shut_in_nothing_is_deployed_that_a_command_would_have_to_watch(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = Delivery.start(tmp_path, yaml("true"))
    row = delivery.deployment(delivery.merged())
    settings.PORTAL_STEPS_UNFENCED = False
    monkeypatch.setattr(local_module, "can_shut_in", lambda: False)
    for _ in range(5):
        look(row)
    assert row.status == "failed"
    assert "can not be shut in on this worker" in row.problem
    assert not Attempt.objects.filter(deployment=row).exclude(health={}).exists()
    assert not any(step.status == "succeeded" for step in queries.steps_of(row))


@pytest.mark.django_db
def test_a_worker_that_can_shut_in_nothing_runs_no_command_in_the_middle_of_a_watch(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, later: Any
) -> None:
    row = watched(Delivery.start(tmp_path, yaml("echo run >> $HOME/x")))
    settings.PORTAL_STEPS_UNFENCED = False
    monkeypatch.setattr(local_module, "can_shut_in", lambda: False)
    later(11)
    look(row)
    assert not seen(row)["is_good"]
    assert "can not be shut in" in seen(row)["text"]


@pytest.mark.django_db
def test_a_command_sees_nothing_of_the_portal_and_writes_no_checkout(tmp_path: Path, settings: Any) -> None:
    if not local_module.can_shut_in():
        pytest.skip("NOT RUN: this machine lets no process make namespaces, so no command can be shut in")
    settings.PORTAL_STEP_WRITABLE, settings.PORTAL_STEPS_UNFENCED = [], False
    data = Path(settings.PORTAL_DATA_DIR)
    (data / "secret.key").write_text("the-key-of-the-portal")
    line = (
        f"cat {data}/secret.key 2>/dev/null; ls {data}/runs 2>/dev/null; ls / | grep -c root;"
        "echo x > app/values.yaml; echo x > new; cat app/values.yaml; echo y > $HOME/y && cat $HOME/y; exit 1"
    )
    row = watched(Delivery.start(tmp_path, yaml(line.replace("'", '"'))))
    told = "\n".join(log_of(row))
    assert "the-key-of-the-portal" not in told
    assert "Read-only file system" in told
    assert "name: one / y" in told


@pytest.mark.django_db
def test_in_the_open_a_command_runs_where_an_administrator_allows_it(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PORTAL_STEPS_UNFENCED = True
    monkeypatch.setattr(local_module, "can_shut_in", lambda: False)
    row = watched(Delivery.start(tmp_path, yaml("cat app/values.yaml; pwd -P; exit 1")))
    assert "name: one / " in seen(row)["text"]
    assert seen(row)["text"].endswith("/tree")
    (home,) = (Path(settings.PORTAL_DATA_DIR) / "checks").iterdir()
    assert (home / "tree/app/values.yaml").exists()


@pytest.mark.django_db
def test_what_a_command_finds_bad_is_rolled_back_by_rule(tmp_path: Path, later: Any) -> None:
    row = watched(Delivery.start(tmp_path, yaml("exit 1", otherwise="roll-back")))
    assert passed(row, later).status == "failed"
    run_jobs("deployments.roll_back_unhealthy")
    assert ChangeRequest.objects.get(kind="rollback").rolls_back == row.change


@pytest.mark.django_db
def test_while_a_command_runs_the_lease_is_kept_and_no_other_worker_looks(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness = tmp_path / "witness"
    tried: list[tuple[int | None, bool]] = []
    depth = len(connection.savepoint_ids)  # of the test's own transaction

    def is_wanted(deployment: Deployment) -> bool:
        taken = Deployment.objects.claim(deployment.pk, seconds=30)
        tried.append((taken, len(connection.savepoint_ids) == depth))
        return True

    delivery = Delivery.start(tmp_path, yaml(f"echo run >> {witness}; sleep 3"))
    settings.PORTAL_LEASE_SECONDS = 1
    monkeypatch.setattr(health_module, "_is_wanted", is_wanted)
    row = watched(delivery)
    assert seen(row)["is_good"]
    assert len(tried) >= 2
    assert set(tried) == {(None, True)}
    assert witness.read_text() == "run\n"


@pytest.mark.django_db
def test_who_cancels_does_not_wait_for_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery = Delivery.start(tmp_path, yaml("sleep 60", more=", timeout: 100s"))
    row = delivery.deployment(delivery.merged())
    real = health_module._is_wanted

    asked: list[int] = []

    def cancelled(deployment: Deployment) -> bool:
        asked.append(deployment.pk)
        if len(asked) == 2:  # the first time is before it is begun
            services.cancel(delivery.people.alice, deployment=row)
        return real(deployment)

    monkeypatch.setattr(health_module, "_is_wanted", cancelled)
    began = time.monotonic()
    for _ in range(400):
        if look(row).status == "cancelled":
            break
        time.sleep(0.02)
    assert row.status == "cancelled"
    assert time.monotonic() - began < 30
    assert "Already applied: apply" in list(queries.events(row))[-1].text


@pytest.mark.django_db
def test_a_command_that_takes_long_does_not_count_as_time_in_which_nobody_looked(
    tmp_path: Path, later: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = watched(Delivery.start(tmp_path, yaml("true", more=", timeout: 200s")))
    real = asking.read_command

    def slow(*given: Any, **named: Any) -> Any:
        later(80)
        return real(*given, **named)

    monkeypatch.setattr(asking, "read_command", slow)
    later(11)
    assert look(row).status == "running"
    later(11)
    assert look(row).status == "succeeded"


@pytest.mark.django_db
def test_nothing_is_left_of_checks_whose_deployment_is_over(tmp_path: Path, later: Any, data_dir: Path) -> None:
    row = watched(Delivery.start(tmp_path, yaml("mkdir $HOME/a && chmod 500 $HOME/a")))
    (home,) = (data_dir / "checks").iterdir()
    assert [entry.name for entry in home.iterdir()] == ["tree"]
    run_jobs("deployments.tidy_checks")
    assert home.exists()
    later(301)
    while look(row).status == "running":
        later(10)
    assert not home.exists()
    home.mkdir()  # of a worker that was killed
    run_jobs("deployments.tidy_checks")
    assert not home.exists()


@pytest.mark.django_db
def test_a_command_watches_what_another_system_deploys_and_no_step_of_that_takes_its_name(
    tmp_path: Path, there: Receiver, later: Any
) -> None:
    deploy = (
        "via: webhook, connection: corp, path: /deploy, timeout: 10m, "
        "health: {checks: [{name: smoke, command: test -e app/values.yaml && exit 4}], for: 1m, within: 5m}"
    )
    row = running(delivery_via(tmp_path, deploy, kind="webhook", url=there.url, values={"secret": SIGNED_WITH}))
    step_engine()
    report(row, status="succeeded", steps=[{"name": "health:smoke", "status": "succeeded"}])
    until_asked(row)
    assert seen(row)["text"] == "exited with 4"
    steps = {step.name: step.status for step in queries.steps_of(row)}
    assert steps == {"health:smoke": "succeeded", "smoke": "running"}
    assert passed(row, later).status == "failed"
    assert {step.name: step.status for step in queries.steps_of(row)}["smoke"] == "failed"
