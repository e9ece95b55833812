"""Two people, one moment: requests that start together at a running portal have one winner, who is told so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.support.git import GitRepo, bare_remote
from tests.support.server import PortalServer

pytestmark = pytest.mark.slow
PORTAL_YAML = """\
apiVersion: portal/v1
environments:
  staging:
    deploy: {via: local, start: manual, steps: [{name: apply, run: echo done, timeout: 60s}]}
rules:
  - {name: two, needs: {approvals: 2, from: [role/reviewer]}}
"""
ROUNDS = 2


class Stage:
    """The running portal, its one repository, and the people's clients."""

    def __init__(self, server: PortalServer, work: GitRepo) -> None:
        self.server, self.work, self.made = server, work, 0
        self.people = {name: server.api(name) for name in ("alice", "bob", "kim", "carol")}

    def branch(self) -> str:
        """A branch with one commit, which the portal has seen."""
        self.made += 1
        name = f"race-{self.made}"
        self.work.run("fetch", "-q", "origin")
        self.work.run("checkout", "-q", "--no-track", "-b", name, "origin/main")
        self.work.commit("race", files={f"app/{name}.yaml": f"n: {name}\n"}, author="Alice <alice@example.org>")
        self.work.push(f"HEAD:refs/heads/{name}")
        self.people["carol"].post("/repositories/infra/sync/", status=202)
        self.people["carol"].until("/repositories/infra/", lambda body: name in body["branches"])
        return name

    def change(self) -> int:
        body = {"repository": "infra", "title": "Race", "source_branch": self.branch()}
        return int(self.people["alice"].post("/changes/", body, status=201)["number"])

    def at_once(self, *calls: Callable[[], httpx.Response]) -> list[httpx.Response]:
        """The answers of calls that start at the same moment, in the order of the calls."""
        barrier, answers = threading.Barrier(len(calls)), dict[int, httpx.Response]()

        def call(index: int) -> None:
            barrier.wait()
            answers[index] = calls[index]()

        threads = [threading.Thread(target=call, args=(index,)) for index in range(len(calls))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [answers[index] for index in range(len(calls))]

    def post(
        self, name: str, path: str, body: dict[str, Any] | None = None, **headers: str
    ) -> Callable[[], httpx.Response]:
        """A call that can be made from any thread."""
        url, token = f"{self.server.url}/api/v1{path}", self.people[name].client.headers["Authorization"]
        return lambda: httpx.post(url, json=body or {}, headers={"Authorization": token, **headers}, timeout=60)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    base = tmp_path_factory.mktemp("api-races")
    bare, work = bare_remote(base, {"app/values.yaml": "a: 1\n", ".gitops/portal.yaml": PORTAL_YAML})
    server = PortalServer(base / "data", local_dirs=[base]).start()
    for name in ("alice", "bob", "kim"):
        server.person(name)
    server.person("carol", "--connect-repositories")
    members = {"alice": "author", "bob": "reviewer", "kim": "reviewer"}
    body = {"name": "infra", "url": str(bare.path), "members": members}
    server.api("carol").post("/repositories/", body, status=201)
    yield Stage(server, work)
    server.stop()
    log = server.log.read_text()
    assert "Traceback" not in log, log[-6000:]


def _statuses(answers: list[httpx.Response]) -> list[int]:
    return sorted(answer.status_code for answer in answers)


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_two_approvers_at_once_are_both_counted_once(_round: int, stage: Stage) -> None:
    path, body = f"/changes/{stage.change()}", {"revision": 1, "verdict": "approve"}
    approve = [stage.post(name, f"{path}/reviews/", body) for name in ("bob", "kim", "bob", "kim")]
    answers = stage.at_once(*approve)
    assert _statuses(answers) == [201, 201, 409, 409], [answer.text for answer in answers]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"already_reviewed"}
    shown = stage.people["alice"].get(f"{path}/")
    assert sorted(review["reviewer"] for review in shown["reviews"]) == ["bob", "kim"]
    assert shown["verdict"]["allowed"]


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_two_mergers_at_once_one_merges_and_the_other_is_told(_round: int, stage: Stage) -> None:
    number = stage.change()
    for name in ("bob", "kim"):
        stage.people[name].post(f"/changes/{number}/reviews/", {"revision": 1, "verdict": "approve"}, status=201)
    answers = stage.at_once(
        *(stage.post(name, f"/changes/{number}/merge/") for name in ("alice", "carol", "alice", "carol"))
    )
    assert _statuses(answers) == [202, 409, 409, 409], [answer.text for answer in answers]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {
        "already_merging",
        "wrong_state",
    }
    done = stage.people["alice"].until(f"/changes/{number}/", lambda body: body["state"] in {"merged", "done"})
    stage.work.run("fetch", "-q", "origin")
    trailer = f"Change-Request: CHG-{number}"
    assert stage.work.run("log", "--format=%B", "origin/main").splitlines().count(trailer) == 1
    body = {"change": number, "environment": "staging"}
    waiting = done["deployments"][0]["number"]
    again = stage.at_once(*(stage.post(name, "/deployments/", body) for name in ("alice", "carol")))
    assert {(answer.status_code, answer.json()["number"]) for answer in again} == {(409, waiting)}


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_double_click_on_a_new_change_makes_one(_round: int, stage: Stage) -> None:
    body = {"repository": "infra", "title": "Twice", "source_branch": stage.branch()}
    answers = stage.at_once(*(stage.post("alice", "/changes/", body) for _ in range(3)))
    assert _statuses(answers) == [201, 409, 409], [answer.text for answer in answers]
    (made,) = [answer.json()["number"] for answer in answers if answer.status_code == 201]
    assert {answer.json()["number"] for answer in answers if answer.status_code == 409} == {made}


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_equal_requests_with_one_key_have_one_effect(_round: int, stage: Stage) -> None:
    body = {"repository": "infra", "title": f"Once {_round}"}
    calls = [stage.post("alice", "/changes/", body, **{"Idempotency-Key": f"key-{_round}"}) for _ in range(6)]
    answers = stage.at_once(*calls)
    assert set(_statuses(answers)) <= {201, 409}
    done = [answer.json() for answer in answers if answer.status_code == 201]
    assert done
    assert all(found == done[0] for found in done)
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"still_running"}
    listed = stage.people["alice"].get(f"/changes/?q=%22Once%20{_round}%22")["results"]
    assert [row["number"] for row in listed] == [done[0]["number"]]
    assert calls[0]().json() == done[0]


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_approval_against_a_push_never_lands_on_a_revision_that_was_not_seen(_round: int, stage: Stage) -> None:
    number = stage.change()
    name = stage.work.current_branch()
    unseen = stage.work.commit("not seen", files={"app/unseen.yaml": "evil: 1\n"}, author="Alice <alice@example.org>")

    def push() -> httpx.Response:
        stage.work.push(f"HEAD:refs/heads/{name}")
        return stage.post("carol", "/repositories/infra/sync/")()

    approve = stage.post("bob", f"/changes/{number}/reviews/", {"revision": 1, "verdict": "approve"})
    approved, pushed = stage.at_once(approve, push)
    assert pushed.status_code == 202
    assert approved.status_code in {201, 409}, approved.text
    shown = stage.people["alice"].until(f"/changes/{number}/", lambda body: len(body["revisions"]) > 1)
    assert shown["revisions"][-1]["head"] == unseen
    assert {review["revision"] for review in shown["reviews"]} <= {1}
    assert not shown["verdict"]["allowed"]
    assert not any(standing["counts"] for standing in shown["verdict"]["standings"])
    late = approve()
    assert (late.status_code, late.json()["code"], late.json()["current"]) == (409, "stale_revision", 2)
