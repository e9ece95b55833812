"""A Git host with the portal's hook: its target branch takes what was approved, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.stories.scenes import Scene
from tests.support.server import ROOT, PortalServer

Stage = tuple[PortalServer, Path]


def guarded(stage: Stage, name: str) -> Scene:
    """A connected repository in whose bare host the hook is installed as docs/connecting.md says."""
    scene = Scene.open(stage, name)
    hook = scene.bare.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    shutil.copy(ROOT / "scripts" / "git-hooks" / "pre-receive", hook)
    hook.chmod(0o755)
    token = scene.bare.path / "receive-token"
    token.write_text(scene.server.manage("create_token", "carol", "--scope", "propose").splitlines()[-1] + "\n")
    for key, value in (("url", scene.server.url), ("repository", name), ("tokenFile", str(token))):
        scene.bare.run("config", f"portal.{key}", value)
    return scene


def pushed(scene: Scene, *refs: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(scene.work.path), "push", "origin", *refs]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_target_branch_takes_the_portals_merge_and_no_other_push(stage: Stage) -> None:
    scene = guarded(stage, "guarded")
    number = scene.propose("topic", {"app.txt": "two\n"})  # other branches are free
    scene.work.run("checkout", "-q", "-B", "main", "origin/main")
    outside = scene.work.commit("Past everybody", files={"app.txt": "evil\n"})
    refused = pushed(scene, "HEAD:refs/heads/main")
    assert refused.returncode != 0
    assert "main takes only what the portal approved" in refused.stderr
    assert "cannot be deleted" in pushed(scene, ":refs/heads/main").stderr
    before = scene.bare.run("rev-parse", "main").strip()
    assert before != outside
    both = pushed(scene, "HEAD:refs/heads/main", "HEAD:refs/heads/free")
    assert both.returncode != 0
    assert scene.bare.run("branch", "--list", "free").strip() == ""  # one refused, all refused
    entries = scene.api("dave").get("/audit/?action=repository.push_refused&repository=guarded")["results"]
    assert len(entries) == 3
    assert entries[0]["data"]["updates"][0]["new"] == outside
    scene.approve(number)
    scene.api("alice").post(f"/changes/{number}/merge/", status=202)
    body = scene.api("alice").until(f"/changes/{number}/", lambda found: found["state"] in ("merged", "done"))
    assert scene.bare.run("rev-parse", "main").strip() == body["merge_commit"]


def test_a_host_that_cannot_ask_takes_nothing_and_says_so(stage: Stage) -> None:
    scene = guarded(stage, "lonely")
    scene.work.run("checkout", "-q", "-b", "topic")
    scene.work.commit("Mine", files={"app.txt": "two\n"})
    scene.bare.run("config", "portal.url", "http://127.0.0.1:9")
    assert "could not be asked" in pushed(scene, "topic").stderr
    scene.bare.run("config", "portal.url", scene.server.url)
    (scene.bare.path / "receive-token").write_text("nonsense\n")
    assert "did not judge this push (HTTP 401), so nothing is taken: " in pushed(scene, "topic").stderr
    person = scene.server.manage("create_token", "alice", "--scope", "propose").splitlines()[-1]
    (scene.bare.path / "receive-token").write_text(person + "\n")
    assert "maintainer" in pushed(scene, "topic").stderr
    scene.bare.run("config", "--unset", "portal.repository")
    assert "not all set" in pushed(scene, "topic").stderr
    assert scene.bare.run("branch", "--list", "topic").strip() == ""
