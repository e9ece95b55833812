"""Questions of a pipeline of Jenkins: shown as steps, answered once, and only the one that was shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.audit.models import AuditEntry
from apps.core.errors import Conflict, NotAllowed, Unavailable
from apps.deployments import queries, services
from apps.deployments.dispatchers import Refused, Run, RunState
from apps.deployments.dispatchers.jenkins import JenkinsDispatcher
from tests.support.outside import delivery_via, step_engine, until
from tests.support.remote_runs import dispatched, look, run_of
from tests.support.stub_server import serving
from tests.support.stubs_jenkins import JOB, TOKEN, USER, Jenkins

jenkins = JenkinsDispatcher()


@pytest.fixture
def there() -> Iterator[Jenkins]:
    with serving(Jenkins()) as stub:
        yield stub


@pytest.fixture
def run(there: Jenkins) -> Run:
    found = dispatched(jenkins, run_of("jenkins", there.url, {"token": TOKEN}, {"job": JOB}, settings={"user": USER}))
    there.begin()
    there.ask("Deploy", "Deploy to production?")
    return look(jenkins, found)[0]


def test_a_question_is_a_step_that_waits_and_offers_both_answers(there: Jenkins, run: Run) -> None:
    run, progress = look(jenkins, run)
    assert "waits in Approve until somebody answers" in progress.text
    step = progress.steps[-1]
    assert (step.key, step.name, str(step.state)) == ("input-Deploy", "Answer to: Deploy to production?", "waiting")
    assert step.offers == ("play", "stop")
    assert step.link.endswith("/deploy/5/input/")


@pytest.mark.parametrize(("action", "answer"), [("play", "proceedEmpty"), ("stop", "abort")])
def test_an_answer_is_passed_on_and_the_step_is_over(there: Jenkins, run: Run, action: str, answer: str) -> None:
    there.needs_crumb = True
    jenkins.act(run, "input-Deploy", action)
    assert there.answers == [("Deploy", answer)]
    step = look(jenkins, run)[1].steps[-1]
    assert (str(step.state), step.offers) == ("ended", ())
    with pytest.raises(Refused, match="answered already"):
        jenkins.act(run, "input-Deploy", action)
    assert len(there.answers) == 1


def test_a_question_that_asks_for_values_can_only_be_refused_here(there: Jenkins, run: Run) -> None:
    there.inputs.clear()
    there.ask("Size", "How many?", values=("SIZE",))
    run, progress = look(jenkins, run)
    assert [step.offers for step in progress.steps[-2:]] == [(), ("stop",)]
    with pytest.raises(Refused, match="cannot play"):
        jenkins.act(run, "input-Size", "play")
    assert there.answers == []


@pytest.mark.parametrize("key", ["input-Other", "input-../../6/input/Deploy", "console", "stage-6", "Deploy", "input-"])
def test_only_a_question_of_the_build_is_answered(there: Jenkins, run: Run, key: str) -> None:
    with pytest.raises(Refused):
        jenkins.act(run, key, "play")
    assert there.answers == []


def test_questions_of_another_build_and_hostile_ids_are_not_shown(there: Jenkins, run: Run) -> None:
    there.ask("Theirs", "Of another build?", number=6)
    there.ask("a/../b", "Elsewhere?")
    assert [step.key for step in look(jenkins, run)[1].steps] == ["console", "stage-6", "input-Deploy"]
    with pytest.raises(Refused):
        jenkins.act(run, "input-Theirs", "play")


def test_a_build_with_another_key_is_not_answered(there: Jenkins, run: Run) -> None:
    there.builds[5]["actions"] = []
    with pytest.raises(Unavailable, match="another run"):
        jenkins.act(run, "input-Deploy", "play")
    assert there.answers == []


@pytest.mark.parametrize("fault", [500, "text"])
@pytest.mark.parametrize("path", ["describe", "pendingInputActions"])
def test_a_plugin_that_fails_hides_no_build_and_answers_no_question(
    there: Jenkins, run: Run, fault: int | str, path: str
) -> None:
    there.faults[f"GET /wfapi/{path}"] = fault
    run, progress = look(jenkins, run)
    assert progress.state == RunState.RUNNING
    assert progress.text == "Jenkins build 5 runs; its stages, and what it may ask, cannot be read."
    assert [step.key for step in progress.steps] == ["console"]
    there.faults.clear()
    run, progress = look(jenkins, run)
    assert progress.steps[-1].offers, "the question was never answered"
    there.faults[f"GET /wfapi/{path}"] = fault
    there.end("SUCCESS")
    assert look(jenkins, run)[1].outcome == "succeeded"


def test_a_build_that_is_over_offers_nothing(there: Jenkins, run: Run) -> None:
    there.end("ABORTED")
    progress = look(jenkins, run)[1]
    assert (progress.state, progress.outcome) == (RunState.ENDED, "cancelled")
    assert all(not step.offers for step in progress.steps)


@pytest.mark.django_db
def test_who_may_deploy_answers_once_and_it_is_on_record(tmp_path: Path, there: Jenkins) -> None:
    deploy = f"via: jenkins, connection: corp, job: {JOB}"
    delivery = delivery_via(tmp_path, deploy, kind="jenkins", url=there.url, values={"token": TOKEN, "user": USER})
    row = until(delivery.deployment(delivery.merged()), "running")
    step_engine()
    there.begin()
    there.ask("Deploy", "Deploy to production?")
    step_engine()
    position = next(step.position for step in queries.steps_of(row) if step.key == "input-Deploy")
    with pytest.raises(NotAllowed):
        services.act_on_step(delivery.people.dave, deployment=row, step=position, action="play")
    services.act_on_step(delivery.people.alice, deployment=row, step=position, action="play")
    assert AuditEntry.objects.filter(action="deployment.step_asked").count() == 1
    for _ in range(3):
        step_engine()
    assert there.answers == [("Deploy", "proceedEmpty")]
    with pytest.raises(Conflict):
        services.act_on_step(delivery.people.alice, deployment=row, step=position, action="play")
    there.end("SUCCESS", revisions=(row.commit,))
    assert until(row, "succeeded").status == "succeeded"
