"""Argo CD: one sync to exactly the merged commit, believed only when the operation is ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import InDoubt, NotSent, Outside, Refused, Run, RunState
from apps.deployments.dispatchers.argocd import ArgoCDDispatcher
from apps.deployments.dispatchers.argocd import test as try_connection
from tests.support.argo import Argo, argo, resource
from tests.support.dispatching import COMMIT, KEY, TOKEN, log_of, look, older, run_for, sent

OTHER = "d" * 40
ARGO = ArgoCDDispatcher()


@pytest.fixture
def there(settings: Any) -> Iterator[Argo]:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    settings.PORTAL_LEASE_SECONDS = 5
    with argo() as found:
        yield found


def run_at(there: Argo, **options: Any) -> Run:
    return run_for("argocd", there.url, {"application": "web", **options})


def begun(there: Argo, **options: Any) -> Run:
    run, progress = look(ARGO, run_at(there, **options))
    assert progress.state == RunState.RUNNING
    there.begin()
    return run


def test_it_syncs_to_the_exact_commit_with_the_key_and_ends_when_healthy(there: Argo) -> None:
    there.nodes = [
        {"group": "apps", "kind": "Deployment", "namespace": "web", "name": "web", "health": {"status": "Healthy"}}
    ]
    run = begun(there, prune=True, applicationNamespace="argo-apps")
    assert there.synced == [
        {
            "name": "web",
            "appNamespace": "argo-apps",
            "revision": COMMIT,
            "prune": True,
            "infos": [{"name": "gitops-portal", "value": KEY}],
        }
    ]
    run, progress = look(ARGO, run)
    assert [(step.name, step.state) for step in progress.steps] == [("sync", "running")]
    hook = {"kind": "Job", "namespace": "web", "name": "migrate", "hookType": "PreSync", "hookPhase": "Succeeded"}
    there.end(
        results=[
            hook,
            {"kind": "Deployment", "namespace": "web", "name": "web", "status": "Synced", "message": "configured"},
        ]
    )
    run, progress = look(ARGO, run)
    assert (progress.state, progress.outcome) == (RunState.ENDED, "succeeded")
    assert [step.name for step in progress.steps if step.is_success] == ["sync", "hooks", "wait until healthy"]
    [found] = progress.resources
    assert (found.kind, found.sync, found.health) == ("Deployment", "synced", "healthy")
    assert log_of(ARGO, run, "sync") == "Job web/migrate: Succeeded\nDeployment web/web: Synced configured\n"
    assert len(there.synced) == 1


def test_an_application_that_is_there_and_healthy_is_left_alone_with_words(there: Argo) -> None:
    there.status["sync"] = {"status": "Synced", "revision": COMMIT}
    _, progress = look(ARGO, run_at(there))
    assert progress.outcome == "succeeded"
    assert "nothing was sent" in progress.text
    assert there.synced == []


def test_a_sync_that_fails_fails_with_its_message(there: Argo) -> None:
    run = begun(there)
    there.end("Failed", "one or more objects failed to apply: <b>quota</b>\n\x1b[31m exceeded", health="Degraded")
    _, progress = look(ARGO, run)
    assert (progress.state, progress.outcome) == (RunState.ENDED, "failed")
    assert progress.problem == "The sync of web failed: one or more objects failed to apply: <b>quota</b> [31m exceeded"


def test_a_hook_that_failed_is_named(there: Argo) -> None:
    run = begun(there)
    hook = {
        "kind": "Job",
        "name": "migrate",
        "hookType": "PreSync",
        "hookPhase": "Failed",
        "message": "BackoffLimitExceeded",
    }
    there.end("Failed", "one or more synchronization tasks completed unsuccessfully", results=[hook])
    _, progress = look(ARGO, run)
    assert [(step.name, step.problem) for step in progress.steps][1] == ("hooks", "migrate: BackoffLimitExceeded")


def test_degraded_for_a_moment_is_waited_for_and_for_long_is_a_failure(there: Argo) -> None:
    run = begun(there)
    there.status["resources"] = [resource(health={"status": "Degraded", "message": "ImagePullBackOff"})]
    there.end(health="Degraded")
    run, progress = look(ARGO, run)
    assert progress.state == RunState.RUNNING
    _, progress = look(ARGO, older(run, 121))
    assert progress.outcome == "failed"
    assert (
        progress.problem
        == f"web is degraded. Not healthy: Deployment web (ImagePullBackOff). {COMMIT[:10]} is applied."
    )


def test_degraded_that_passes_is_forgotten(there: Argo) -> None:
    run = begun(there)
    there.end(health="Degraded")
    run, _ = look(ARGO, run)
    there.status["health"] = {"status": "Progressing"}
    run, _ = look(ARGO, older(run, 100))
    there.status["health"] = {"status": "Degraded"}
    _, progress = look(ARGO, older(run, 100))
    assert progress.state == RunState.RUNNING


def test_not_healthy_in_time_fails_and_says_what_is_applied(there: Argo) -> None:
    run = begun(there, timeout=600)
    there.end(health="Progressing")
    run, _ = look(ARGO, run)
    _, progress = look(ARGO, older(run, 601))
    assert progress.outcome == "failed"
    assert progress.problem == f"web did not become healthy in 10 minutes. {COMMIT[:10]} is applied."


def test_a_sync_that_still_runs_when_the_time_is_up_is_unknown(there: Argo) -> None:
    run = begun(there, timeout=600)
    run, _ = look(ARGO, run)
    _, progress = look(ARGO, older(run, 601))
    assert progress.state == RunState.LOST
    assert "may still go on" in progress.problem


@pytest.mark.parametrize("health", ["Unknown", "Suspended", "Missing", "Splendid", None])
def test_a_health_that_is_not_healthy_is_never_success(there: Argo, health: Any) -> None:
    run = begun(there)
    there.end()
    there.status["health"] = {"status": health} if health else {}
    assert look(ARGO, run)[1].state == RunState.RUNNING


def test_a_phase_that_nobody_knows_is_never_success(there: Argo) -> None:
    run = begun(there)
    there.end()
    there.status["operationState"]["phase"] = "Accomplished"
    assert look(ARGO, run)[1].state == RunState.RUNNING


def test_a_health_from_before_the_end_of_the_sync_does_not_count(there: Argo) -> None:
    run = begun(there)
    there.end()
    there.status["reconciledAt"] = "2020-01-01T00:00:00Z"
    assert look(ARGO, run)[1].state == RunState.RUNNING


def test_an_operation_of_another_revision_is_waited_for_and_changes_nothing(there: Argo) -> None:
    there.operate(OTHER, "Running")
    with pytest.raises(NotSent, match="something else of web"):
        look(ARGO, run_at(there))
    assert there.synced == []
    there.end()
    run = begun(there)
    assert len(there.synced) == 1
    assert look(ARGO, run)[1].state == RunState.RUNNING


def test_an_operation_that_comes_after_ours_leaves_nobody_knowing(there: Argo) -> None:
    run = begun(there)
    there.end(health="Progressing")
    there.operate(OTHER)
    _, progress = look(ARGO, run)
    assert progress.state == RunState.LOST
    assert "went on to dddddddddd" in progress.problem
    assert "had been brought out" in progress.problem


def test_an_old_operation_for_the_same_commit_is_not_ours(there: Argo) -> None:
    there.operate(COMMIT, "Failed")
    there.status["operationState"] |= {"startedAt": "2020-01-01T00:00:00Z"}
    run, progress = look(ARGO, run_at(there))
    assert progress.state == RunState.RUNNING
    assert len(there.synced) == 1
    assert look(ARGO, run)[1].state == RunState.RUNNING


def test_a_sync_for_our_commit_that_runs_already_is_joined(there: Argo) -> None:
    there.operate(COMMIT, "Running")
    there.status["operationState"]["startedAt"] = "2020-01-01T00:00:00Z"
    run, _ = look(ARGO, run_at(there))
    assert there.synced == []
    there.end()
    assert look(ARGO, run)[1].outcome == "succeeded"


def test_an_answer_that_was_lost_is_found_by_the_key_and_not_asked_for_again(there: Argo) -> None:
    there.drop = True
    run = sent(run_at(there))
    with pytest.raises(InDoubt):
        ARGO.dispatch(run)
    there.begin()
    there.end()
    run, progress = look(ARGO, run)
    assert progress.outcome == "succeeded"
    assert len(there.synced) == 1


def test_a_request_that_left_nothing_behind_is_repeated_only_after_a_pause(there: Argo) -> None:
    run = sent(run_at(there))
    _, progress = look(ARGO, run)
    assert progress.state == RunState.RUNNING
    assert there.synced == []
    look(ARGO, older(run, 31))
    assert len(there.synced) == 1


def test_the_same_sync_may_be_asked_for_twice_and_is_done_once(there: Argo) -> None:
    run = sent(run_at(there))
    ARGO.dispatch(run)
    there.begin()
    assert ARGO.dispatch(run)["mode"] == "joined"
    assert len(there.synced) == 1


def test_automated_sync_is_told_to_look_and_the_commit_is_waited_for(there: Argo) -> None:
    there.app["spec"]["syncPolicy"] = {"automated": {"prune": True}}
    run, progress = look(ARGO, run_at(there))
    assert there.synced == []
    assert any("refresh=normal" in path for _, path, _ in there.requests)
    assert "syncs by itself to main" in progress.text
    assert "roll back here" in progress.text
    there.operate(COMMIT, "Running")
    there.end()
    assert look(ARGO, run)[1].outcome == "succeeded"


def test_a_refusal_for_automated_sync_makes_it_wait_for_the_commit(there: Argo) -> None:
    there.app["spec"]["syncPolicy"] = {"automated": {"enabled": False}}
    run, _ = look(ARGO, run_at(there))
    assert run.external["mode"] == "auto"


def test_automated_sync_that_never_comes_to_the_commit_fails_in_time(there: Argo) -> None:
    there.app["spec"]["syncPolicy"] = {"automated": {}}
    there.operate(OTHER)
    there.status["operationState"]["startedAt"] = "2020-01-01T00:00:00Z"
    run, _ = look(ARGO, run_at(there, timeout=300))
    _, progress = look(ARGO, older(run, 301))
    assert progress.outcome == "failed"
    assert (
        "did not come to cccccccccc in 5 minutes. It follows main; its last operation was for dddddddddd"
        in progress.problem
    )


def test_cancelling_terminates_our_operation_only(there: Argo) -> None:
    run = replace(begun(there), is_cancelled=True)
    run, progress = look(ARGO, run)
    assert ("DELETE", "/api/v1/applications/web/operation", None) in there.requests
    assert progress.state == RunState.RUNNING
    there.end("Failed", "Operation terminated")
    assert look(ARGO, run)[1].outcome == "cancelled"


def test_cancelling_does_not_touch_the_operation_of_others(there: Argo) -> None:
    run = replace(begun(there), is_cancelled=True)
    there.end(health="Progressing")
    there.operate(OTHER, "Running")
    _, progress = look(ARGO, run)
    assert progress.state == RunState.LOST
    assert not [one for one in there.requests if one[0] == "DELETE"]


def test_cancelling_while_it_becomes_healthy_keeps_what_is_applied(there: Argo) -> None:
    run = replace(begun(there), is_cancelled=True)
    there.end(health="Progressing")
    _, progress = look(ARGO, run)
    assert progress.outcome == "cancelled"
    assert [(step.name, step.is_success) for step in progress.steps] == [("sync", True), ("wait until healthy", False)]


def test_cancelling_what_was_not_sent_is_certain(there: Argo) -> None:
    assert ARGO.cancel(run_at(there)) is False
    assert there.requests == []


def test_a_cancel_that_is_not_allowed_leaves_the_run_to_its_end(there: Argo) -> None:
    run = replace(begun(there), is_cancelled=True)
    there.answers["DELETE operation"] = [(403, "permission denied")]
    with pytest.raises(Unavailable, check=lambda told: not isinstance(told, Refused)):
        ARGO.cancel(run)
    there.end()
    assert look(ARGO, run)[1].outcome == "succeeded"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, Refused), (403, Refused), (404, Refused), (409, Refused), (429, NotSent), (500, InDoubt), (503, InDoubt)],
)
def test_what_an_answer_to_the_sync_lets_us_conclude(there: Argo, status: int, kind: type[Unavailable]) -> None:
    there.answers["POST sync"] = [(status, f"no, {TOKEN}")]
    with pytest.raises(kind) as caught:
        ARGO.dispatch(run_at(there))
    assert type(caught.value) is kind
    assert TOKEN not in caught.value.message


@pytest.mark.parametrize(
    ("status", "kind"), [(401, Refused), (403, Refused), (404, Refused), (429, NotSent), (502, NotSent)]
)
def test_a_look_before_the_sync_that_fails_sent_nothing(there: Argo, status: int, kind: type[Unavailable]) -> None:
    there.answers["GET web"] = [(status, "no")]
    with pytest.raises(kind) as caught:
        ARGO.dispatch(run_at(there))
    assert type(caught.value) is kind


def test_one_that_cannot_be_reached_was_sent_nothing(there: Argo) -> None:
    run = run_for("argocd", "http://127.0.0.1:9", {"application": "web"})
    with pytest.raises(NotSent, match="cannot be reached"):
        ARGO.dispatch(run)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
def test_no_answer_while_it_runs_is_asked_again(there: Argo, status: int) -> None:
    run = begun(there)
    there.answers["GET web"] = [(status, "no")]
    with pytest.raises(Unavailable) as caught:
        ARGO.observe(replace(run, memory={}))
    assert not isinstance(caught.value, Refused)


@pytest.mark.parametrize("name", ["..", "../../x", "%2e%2e"])
def test_a_name_that_means_up_is_asked_for_nowhere(there: Argo, name: str) -> None:
    with pytest.raises(Refused):
        ARGO.dispatch(run_for("argocd", there.url, {"application": name}))
    assert there.requests == []


@pytest.mark.parametrize("name", ["a/b?c=d#e", "web\n"])
def test_a_hostile_name_stays_one_part_of_the_path(there: Argo, name: str) -> None:
    run = run_for("argocd", there.url, {"application": name})
    with pytest.raises(Refused):
        ARGO.dispatch(run)
    [(method, path, _)] = there.requests
    assert (method, path.count("/")) == ("GET", 4)


def test_several_sources_are_refused_with_words(there: Argo) -> None:
    there.app["spec"] |= {"sources": [{"repoURL": "a"}, {"repoURL": "b"}]}
    with pytest.raises(Refused, match="several sources"):
        ARGO.dispatch(run_at(there))


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"status": 3},
        {"metadata": {"name": "other"}},
        {"metadata": {"name": "web"}, "status": {"operationState": []}},
    ],
)
def test_an_answer_of_another_shape_never_ends_a_run(there: Argo, body: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begun(there)
    monkeypatch.setattr("tests.support.argo._check_answer", lambda *_: None)
    monkeypatch.setattr(there, "answer", lambda *_: (200, body))
    try:
        assert ARGO.observe(replace(run, memory={})).state == RunState.RUNNING
    except Unavailable:
        return


def test_the_connection_is_tried_by_asking_who_we_are(there: Argo) -> None:
    assert try_connection(Outside("corp", "argocd", there.url, {"token": TOKEN})) == "It knows the account portal."
    with pytest.raises(Unavailable, match="does not accept the credentials"):
        try_connection(Outside("corp", "argocd", there.url, {"token": "wrong"}))


@pytest.mark.parametrize("part", [{"dryRun": True}, {"resources": [{"kind": "ConfigMap", "name": "one"}]}])
def test_an_operation_that_brings_out_nothing_or_a_part_does_not_count(there: Argo, part: dict[str, object]) -> None:
    run = run_at(there)
    there.operate(run.commit, "Running")
    there.app["status"]["operationState"]["operation"]["sync"] |= part
    with pytest.raises(NotSent, match="something else"):
        ARGO.dispatch(run)
    there.app["status"]["operationState"] |= {"phase": "Succeeded", "syncResult": {"revision": run.commit}}
    sent = replace(run, external={"sent": "2020-01-01T00:00:00+00:00", "mode": "joined", "joined": "x"})
    assert ARGO.observe(sent).outcome != "succeeded"
