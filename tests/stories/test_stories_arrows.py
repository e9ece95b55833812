"""Each arrow of the four stories, through HTTP, real Git and the running engine."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import httpx

from tests.stories.scenes import Scene
from tests.support.server import PortalServer

Stage = tuple[PortalServer, Path]


def test_a_poll_finds_a_push_and_makes_a_revision_of_it(stage: Stage) -> None:
    scene = Scene.open(stage, "polled")
    number = scene.propose("topic", {"app.txt": "two\n"})
    head = scene.push("topic", {"app.txt": "three\n"}, author="Kim")
    body = scene.api("alice").until(f"/changes/{number}/", lambda found: len(found["revisions"]) == 2)
    assert body["revisions"][1]["head"] == head
    assert body["revisions"][1]["cause"] == "pushed"
    assert set(body["contributors"]) == {"alice", "kim"}
    refused = scene.api("kim").post(f"/changes/{number}/reviews/", {"revision": 2, "verdict": "approve"}, status=403)
    assert refused["code"] == "contributor"
    stale = scene.api("bob").post(f"/changes/{number}/reviews/", {"revision": 1, "verdict": "approve"}, status=409)
    assert stale["current"] == 2


def test_a_signed_webhook_brings_a_push_and_an_unsigned_one_nothing(stage: Stage) -> None:
    scene = Scene.open(stage, "hooked")
    secret = scene.server.manage(
        "shell",
        "-v0",
        "-c",
        "from apps.repositories.models import Repository as R; from apps.repositories.queries import webhook_secret as w;"
        "print(w(R.objects.get(name='hooked')))",
    ).splitlines()[-1]
    oid = scene.push("hooked-branch", {"app.txt": "hook\n"})
    payload = {"ref": "refs/heads/hooked-branch", "before": "0" * 40, "after": oid, "pusher": {"name": "alice"}}
    body = json.dumps(payload).encode()
    url = f"{scene.server.url}/api/v1/webhooks/github/hooked/"
    headers = {"X-GitHub-Event": "push", "X-GitHub-Delivery": "d-1", "Content-Type": "application/json"}
    assert httpx.post(url, content=body, headers=headers).status_code == 403
    signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    accepted = httpx.post(url, content=body, headers={**headers, "X-Hub-Signature-256": signature})
    assert accepted.status_code == 202, accepted.text
    scene.api("alice").until("/repositories/hooked/", lambda found: found["branches"].get("hooked-branch") == oid)


def test_a_wish_is_triaged_written_by_an_expert_and_reviewed(stage: Stage) -> None:
    scene = Scene.open(stage, "wished")
    asked = scene.api("bob").post("/changes/", {"repository": "wished", "title": "Make it four"}, status=201)
    number = asked["number"]
    assert asked["state"] == "requested"
    scene.api("carol").post(f"/changes/{number}/assignments/", {"user": "alice"}, status=201)
    assert scene.api("alice").get(f"/changes/{number}/")["owner"] == "alice"
    scene.push(f"change/CHG-{number}-make-it-four", {"app.txt": "four\n"})
    body = scene.api("alice").until(f"/changes/{number}/", lambda found: found["state"] == "in_review")
    assert body["source_branch"] == f"change/CHG-{number}-make-it-four"
    scene.approve(number, "bob")
    assert scene.api("alice").get(f"/changes/{number}/")["verdict"]["allowed"]


def test_a_trailer_in_a_commit_attaches_its_branch(stage: Stage) -> None:
    scene = Scene.open(stage, "trailed")
    number = scene.api("bob").post("/changes/", {"repository": "trailed", "title": "By trailer"}, status=201)["number"]
    scene.push("anything", {"app.txt": "five\n"}, message=f"Make it five\n\nChange-Request: CHG-{number}")
    body = scene.api("alice").until(f"/changes/{number}/", lambda found: found["state"] == "in_review")
    assert body["source_branch"] == "anything"


def test_promotion_waits_for_staging_and_goes_on_after_a_retry(stage: Stage) -> None:
    """Attack case C11 too: production cannot be had by asking for it directly."""
    scene = Scene.open(stage, "promoted")
    flag = stage[1] / "promoted-flag"
    script = f"test -e {flag} || {{ echo not yet; exit 137; }}\necho applied\n"
    number = scene.propose("topic", {"pipeline.sh": script})
    scene.approve(number)
    scene.api("alice").post(f"/changes/{number}/merge/", status=202)
    failed = scene.deployed(number, "staging", "failed")
    waiting = scene.deployed(number, "production", "pending")
    assert [row["code"] for row in waiting["waits"]] == ["promotion"]
    again = {"change": number, "environment": "production"}
    refused = scene.api("carol").post("/deployments/", again, status=409)
    assert str(waiting["number"]) in json.dumps(refused)
    flag.touch()
    scene.api("alice").post(f"/deployments/{failed['number']}/retry/", status=202)
    scene.deployed(number, "staging", "succeeded")
    scene.deployed(number, "production", "succeeded")
    events = scene.api("dave").get(f"/deployments/{failed['number']}/events/?limit=1000")["results"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    detail = scene.api("dave").get(f"/deployments/{failed['number']}/")
    assert [attempt["outcome"] for attempt in detail["attempt_details"]] == ["failed", "succeeded"]


def test_a_running_deployment_is_cancelled_and_says_so(stage: Stage) -> None:
    scene = Scene.open(stage, "cancelled")
    number = scene.propose("topic", {"pipeline.sh": "echo begun; sleep 300\n"})
    scene.approve(number)
    scene.api("alice").post(f"/changes/{number}/merge/", status=202)
    running = scene.deployed(number, "staging", "running")
    path = f"/deployments/{running['number']}"
    scene.api("carol").until(f"{path}/log/", lambda text: "begun" in text)
    scene.api("kim").post(f"{path}/cancel/", status=403)
    scene.api("mallory").post(f"{path}/cancel/", status=404)
    scene.api("carol").post(f"{path}/cancel/", status=202)
    scene.deployed(number, "staging", "cancelled")


def test_a_push_past_the_portal_is_recorded_and_moves_open_changes(stage: Stage) -> None:
    scene = Scene.open(stage, "outside")
    number = scene.propose("topic", {"app.txt": "mine\n"})
    scene.approve(number)
    scene.push("main", {"app.txt": "theirs\n"}, author="Olga")
    body = scene.api("alice").until(f"/changes/{number}/", lambda found: len(found["revisions"]) == 2)
    assert body["revisions"][1]["conflict"] == ["app.txt"]
    assert not body["verdict"]["allowed"]
    entries = scene.api("dave").get("/audit/?repository=outside&action=repository.outside_change")["results"]
    assert len(entries) == 1


def test_secrets_reach_steps_and_are_masked_everywhere(stage: Stage) -> None:
    scene = Scene.open(stage, "secretive")
    canary = "canary-7f3e9a5b1d"
    carol = scene.api("carol")
    carol.until("/environments/?repository=secretive", lambda found: len(found["results"]) == 2)
    carol.put("/environments/secretive/staging/secrets/DEPLOY_TOKEN/", {"value": canary})
    number = scene.propose("topic", {"pipeline.sh": 'echo "token is $DEPLOY_TOKEN."; env | sort | grep -c . \n'})
    scene.approve(number)
    scene.api("alice").post(f"/changes/{number}/merge/", status=202)
    done = scene.deployed(number, "staging", "succeeded")
    log = carol.get(f"/deployments/{done['number']}/log/")
    assert "token is •••• masked." in log
    assert canary not in log
    everything = b"".join(path.read_bytes() for path in scene.server.data_dir.glob("portal.sqlite3*"))
    assert canary.encode() not in everything
    assert canary not in scene.server.log.read_text()
