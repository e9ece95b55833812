"""Real GitOps repositories go the whole way over the API: connect, edit, review, merge, deploy, undo."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.git import GitRepo
from tests.support.server import PortalServer

PORTAL_YAML = """\
apiVersion: portal/v1
environments:
  staging:
    deploy:
      via: local
      steps:
        - {name: apply, run: 'echo applying to $PORTAL_ENVIRONMENT; wc -c README.md; cat README.md | tail -1', timeout: 1m}
        - {name: verify, run: 'printf "\\033[32mhealthy\\033[0m\\n"', timeout: 1m}
  production:
    after: [staging]
    protected: true
    deploy: {via: local, steps: [{name: apply, run: 'tail -1 README.md', timeout: 1m}]}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""
BUNDLES = {"flux2-kustomize-helm-example": "main", "argocd-example-apps": "master"}


def _git_diff(git_dir: Path, old: str, new: str) -> list[tuple[str, str]]:
    """(sign, text) of every changed line, as ``git diff`` prints them."""
    done = subprocess.run(
        ["git", "--git-dir", str(git_dir), "diff", "-M", old, new], capture_output=True, text=True, check=True
    )
    lines = done.stdout.split("\n")
    return [(line[0], line[1:]) for line in lines if line.startswith(("+", "-")) and line[:3] not in ("+++", "---")]


@pytest.mark.parametrize("bundle", BUNDLES)
def test_real_repository_goes_the_whole_way(bundle: str, stage: tuple[PortalServer, Path], shared_data: Path) -> None:
    server, place = stage
    alice, bob, carol = server.api("alice"), server.api("bob"), server.api("carol")
    branch = BUNDLES[bundle]
    bare = place / f"{bundle}.git"
    subprocess.run(
        ["git", "clone", "-q", "--bare", str(shared_data / "repos" / f"{bundle}.bundle"), str(bare)], check=True
    )
    work = GitRepo.clone(bare, place / bundle)
    work.write(".gitops/portal.yaml", PORTAL_YAML)
    work.commit("Say how it is deployed", author="Olga <olga@example.org>")
    work.run("push", "-q", "origin", branch)

    members = {"alice": "author", "bob": "reviewer", "kim": "reviewer", "dave": "auditor"}
    connected = carol.post("/repositories/", {"name": bundle, "url": str(bare), "members": members}, status=201)
    assert connected["default_branch"] == branch
    server.api("mallory").get(f"/repositories/{bundle}/", status=404)

    before = (work.path / "README.md").read_text()
    work.run("checkout", "-q", "-b", "change/readme")
    work.write("README.md", before + "One line more.\n")
    work.commit("Say one thing more", author="Alice <alice@example.org>")
    work.run("push", "-q", "origin", "change/readme")
    carol.post(f"/repositories/{bundle}/sync/", status=202)
    carol.until(f"/repositories/{bundle}/", lambda body: "change/readme" in body["branches"])

    change = alice.post(
        "/changes/", {"repository": bundle, "title": "One line more", "source_branch": "change/readme"}, status=201
    )
    number = change["number"]
    assert change["state"] == "in_review"
    assert change["contributors"] == ["alice"]
    assert not change["verdict"]["allowed"]
    alice.post(f"/changes/{number}/merge/", status=409)
    refused = alice.post(f"/changes/{number}/reviews/", {"revision": 1, "verdict": "approve"}, status=403)
    assert refused["code"] == "contributor"
    server.api("mallory").get(f"/changes/{number}/", status=404)

    revision = change["revisions"][0]
    _shown_equals_git(alice.get(f"/changes/{number}/diff/"), bare, server, revision, bundle)

    bob.post(f"/changes/{number}/reviews/", {"revision": 1, "verdict": "approve", "body": "Good."}, status=201)
    assert alice.get(f"/changes/{number}/")["verdict"]["allowed"]
    alice.post(f"/changes/{number}/merge/", status=202)
    done = alice.until(f"/changes/{number}/", lambda body: body["state"] == "done")
    assert {row["environment"]: row["state"] for row in done["deployments"]} == {
        "staging": "succeeded",
        "production": "succeeded",
    }
    log = alice.get(f"/deployments/{done['deployments'][-1]['number']}/log/")
    assert "One line more." in log
    _merge_is_what_was_reviewed(bare, branch, revision, number)
    _roll_back(server, bare, branch, done, before, revision)


def _shown_equals_git(shown: Any, bare: Path, server: PortalServer, revision: dict[str, Any], bundle: str) -> None:
    lines = [
        ({"added": "+", "removed": "-"}[line["kind"]], line["text"])
        for file in shown["files"]
        for hunk in file["hunks"]
        for line in hunk["lines"]
        if line["kind"] != "context"
    ]
    mirrors = [path for path in (server.data_dir / "mirrors").glob("*.git") if _has(path, revision["result_tree"])]
    assert mirrors
    assert lines == _git_diff(mirrors[0], revision["base"] + "^{tree}", revision["result_tree"])
    assert lines == [("+", "One line more.")]


def _has(git_dir: Path, oid: str) -> bool:
    return subprocess.run(["git", "--git-dir", str(git_dir), "cat-file", "-e", oid], check=False).returncode == 0


def _git(bare: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "--git-dir", str(bare), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _merge_is_what_was_reviewed(bare: Path, branch: str, revision: dict[str, Any], number: int) -> None:
    assert _git(bare, "rev-parse", f"{branch}^{{tree}}") == revision["result_tree"]
    assert _git(bare, "rev-parse", f"{branch}^1") == revision["base"]
    message = _git(bare, "log", "-1", "--format=%B", branch)
    assert f"Change-Request: CHG-{number}" in message
    assert "Approved-by: " in message
    assert "bob@example.org" in message


def _roll_back(
    server: PortalServer, bare: Path, branch: str, done: dict[str, Any], before: str, revision: dict[str, Any]
) -> None:
    """Carol undoes production; kim's approval is what the gate of a protected environment asks for."""
    carol, kim = server.api("carol"), server.api("kim")
    production = next(row for row in done["deployments"] if row["environment"] == "production")
    inverse = carol.post(f"/deployments/{production['number']}/rollback/", status=201)["change"]
    asked = carol.get(f"/changes/{inverse}/")
    assert asked["kind"] == "rollback"
    assert not asked["verdict"]["allowed"]
    carol.post(f"/changes/{inverse}/reviews/", {"revision": 1, "verdict": "approve"}, status=403)
    kim.post(f"/changes/{inverse}/reviews/", {"revision": 1, "verdict": "approve"}, status=201)
    undone = carol.until(f"/changes/{inverse}/", lambda body: body["state"] == "done")
    assert "production" in {row["environment"] for row in undone["deployments"]}
    assert all(row["state"] == "succeeded" for row in undone["deployments"])
    assert _git(bare, "rev-parse", f"{branch}^{{tree}}") == _git(bare, "rev-parse", f"{revision['base']}^{{tree}}")
    last = next(row for row in undone["deployments"] if row["environment"] == "production")
    log = carol.get(f"/deployments/{last['number']}/log/")
    assert "One line more." not in log
    assert before.rstrip().rsplit("\n", 1)[-1].strip() in log
    server.api("dave").get(f"/audit/?change={inverse}")
    assert server.manage("verify_audit_log").startswith("ok")
