"""What docs/operations.md says of backup, restore and keys, done as it says, with real processes and databases."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.stories.scenes import Scene
from tests.support.server import PASSWORD, PortalServer

pytestmark = pytest.mark.slow
SECRET = "value-of-the-secret-variable"
DIGEST = hashlib.sha256(SECRET.encode()).hexdigest()
PORTAL_YAML = f"""\
apiVersion: portal/v1
environments:
  staging:
    deploy:
      start: manual
      steps: [{{name: apply, run: 'printf %s "$TOKEN" | sha256sum | grep {DIGEST}', timeout: 1m}}]
rules:
  - {{name: a reviewer, needs: {{approvals: 1, from: [role/reviewer]}}}}
"""
PEOPLE = """
from tests.support.people import person
for name in ("alice", "bob", "kim", "dave"):
    person(name)
person("carol", can_connect_repositories=True)
"""
KEYS = {"PORTAL_SECRET_KEY": "the-first-key-" + "a" * 40}


def portal(data: Path, repositories: Path, **environment: str) -> PortalServer:
    return PortalServer(data, local_dirs=[repositories], environment=environment)


def opened(server: PortalServer, repositories: Path) -> Scene:
    """A repository whose one environment needs a secret."""
    server.manage("shell", "-v", "0", "-c", PEOPLE)
    scene = Scene.open((server, repositories), "infra", {".gitops/portal.yaml": PORTAL_YAML})
    scene.api("carol").until("/environments/", lambda body: "staging" in str(body))
    scene.api("carol").put("/environments/infra/staging/secrets/TOKEN/", {"value": SECRET})
    return scene


def merged(scene: Scene, branch: str) -> int:
    number = scene.propose(branch, {f"{branch}.txt": f"{branch}\n"})
    scene.approve(number)
    scene.api("alice").post(f"/changes/{number}/merge/", status=202)
    scene.api("alice").until(f"/changes/{number}/", lambda body: body["state"] in {"merged", "deploying"})
    return number


def deployed(scene: Scene, number: int, state: str = "succeeded") -> dict[str, object]:
    scene.deployed(number, "staging", "pending")
    waiting = scene.api("carol").get(f"/deployments/?change={number}")["results"][0]["number"]
    scene.api("carol").post(f"/deployments/{waiting}/start/", status=202)
    found: dict[str, object] = scene.deployed(number, "staging", state)
    return found


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def databases(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Addresses of two empty databases, the first and the one to restore into; empty ones for SQLite."""
    if request.param == "sqlite":
        yield "", ""
        return
    server = os.environ.get("DATABASE_URL", "").rpartition("/")[0]
    if not server.startswith("postgres"):
        pytest.skip("NOT RUN: no DATABASE_URL of PostgreSQL")
    names = [f"portal_backup_{os.getpid()}", f"portal_restored_{os.getpid()}"]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        for name in names:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name}")
        yield f"{server}/{names[0]}", f"{server}/{names[1]}"
        for name in names:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def back_up(server: PortalServer, database: str, into: Path) -> None:
    """While it runs, with the commands of docs/operations.md."""
    if database:
        with into.open("wb") as file:
            subprocess.run(["pg_dump", "--format=custom", database], stdout=file, check=True)
        return
    with sqlite3.connect(server.data_dir / "portal.sqlite3") as connection:
        connection.execute(f"VACUUM INTO '{into}'")
    connection.close()


def restore(backup: Path, database: str, data: Path) -> None:
    data.mkdir()
    if database:
        subprocess.run(
            ["pg_restore", "--clean", "--if-exists", "--exit-on-error", "-d", database, str(backup)], check=True
        )
    else:
        shutil.copyfile(backup, data / "portal.sqlite3")


def test_a_restored_portal_goes_on_and_does_nothing_twice(tmp_path: Path, databases: tuple[str, str]) -> None:
    repositories, backup = tmp_path / "repositories", tmp_path / "backup"
    repositories.mkdir()
    first = portal(tmp_path / "first", repositories, **KEYS, **_url(databases[0])).start()
    try:
        scene = opened(first, repositories)
        kept, late = merged(scene, "kept"), merged(scene, "late")
        deployed(scene, kept)
        undone = scene.propose("undone", {"undone.txt": "1\n"})
        scene.approve(undone)
        back_up(first, databases[0], backup)
        deployed(scene, late)
        scene.api("alice").post(f"/changes/{undone}/merge/", status=202)
        scene.api("alice").until(f"/changes/{undone}/", lambda body: body["state"] in {"merged", "deploying"})
        forgotten = merged(scene, "forgotten")
        token = scene.api("alice").client.headers["Authorization"]
    finally:
        first.stop(kill=True)
    restore(backup, databases[1], tmp_path / "second")
    second = portal(tmp_path / "second", repositories, **KEYS, **_url(databases[1]))
    second.manage("migrate", "--verbosity", "0")
    second.manage("recover_audit_log", "--begin-anew", "the data directory is lost")
    assert second.manage("verify_audit_log").startswith("ok: ")
    second.serve()
    try:
        again = Scene(second, "infra", scene.bare, scene.work)
        answer = httpx.get(f"{second.url}/api/v1/changes/{kept}/", headers={"Authorization": token}, timeout=30)
        assert answer.status_code == 200, "tokens are rows, and were kept"
        _assert_what_was_done_is_not_done_again(again, undone)
        _assert_a_person_is_asked_about_what_ran(again, late)
        newer = merged(again, "newer")
        assert newer == forgotten, "the restored database gives the number once more"
        deployed(again, newer)  # its secret is read by the same key, its tree from a mirror that was fetched anew
    finally:
        second.stop()
    assert len(scene.work.run("ls-remote", "origin", "refs/heads/main").split()) == 2


def test_a_restored_portal_does_nothing_before_its_log_is_taken_back(
    tmp_path: Path, databases: tuple[str, str]
) -> None:
    """Where the published log was kept, the older database is found before its first act, and what it forgot is read again."""
    repositories, backup = tmp_path / "repositories", tmp_path / "backup"
    repositories.mkdir()
    first = portal(tmp_path / "first", repositories, **KEYS, **_url(databases[0])).start()
    try:
        scene = opened(first, repositories)
        merged(scene, "kept")
        token = {"Authorization": scene.api("carol").client.headers["Authorization"]}
        back_up(first, databases[0], backup)
        forgotten = merged(scene, "forgotten")
        newest = scene.api("carol").get("/audit/")["results"][0]["seq"]
        scene.api("carol").until("/audit/checkpoint/", lambda body: body["size"] >= newest)
    finally:
        first.stop(kill=True)
    restore(backup, databases[1], tmp_path / "second")
    shutil.copytree(first.data_dir / "audit.git", tmp_path / "second" / "audit.git")
    shutil.copy(first.data_dir / "audit.key", tmp_path / "second" / "audit.key")
    second = portal(tmp_path / "second", repositories, **KEYS, **_url(databases[1]))
    second.manage("migrate", "--verbosity", "0")
    with served(second), httpx.Client(base_url=f"{second.url}/api/v1", headers=token, timeout=30) as carol:
        assert carol.get("/changes/").status_code == 200, "it can be read"
        refused = carol.post("/repositories/infra/sync/", json={})
        assert refused.status_code == 503, refused.text
        assert "recover_audit_log" in refused.json()["detail"]
        assert forgotten not in {row["number"] for row in carol.get("/changes/").json()["results"]}
    assert "entries were taken back" in second.manage("recover_audit_log")
    assert "as published" in second.manage("verify_audit_log")
    with served(second), httpx.Client(base_url=f"{second.url}/api/v1", headers=token, timeout=30) as carol:
        assert carol.post("/repositories/infra/sync/", json={}).status_code == 202
        said = carol.get("/audit/", params={"change": f"CHG-{forgotten}", "action": "change"}).json()["results"]
        assert "change.merged" in {row["action"] for row in said}, said


def _assert_what_was_done_is_not_done_again(scene: Scene, undone: int) -> None:
    """The database believes that it is in review and approved, and Git has its merge: the branch was read anew."""
    before = scene.work.run("ls-remote", "origin", "refs/heads/main")
    body = scene.api("alice").until(f"/changes/{undone}/", lambda found: len(found["revisions"]) == 2)
    assert not body["verdict"]["allowed"]
    assert "nothing to merge" in body["verdict"]["reasons"][0]["text"]
    scene.api("alice").post(f"/changes/{undone}/merge/", status=409)
    assert scene.work.run("ls-remote", "origin", "refs/heads/main") == before


def _assert_a_person_is_asked_about_what_ran(scene: Scene, late: int) -> None:
    """The database believes that it waits, and it ran after the backup: the claim in Git says so."""
    row = deployed(scene, late, "unknown")
    assert "may have taken place" in str(scene.api("carol").get(f"/deployments/{row['number']}/events/"))
    body = {"outcome": "succeeded", "reason": "It is there."}
    scene.api("carol").post(f"/deployments/{row['number']}/resolve/", body)
    scene.deployed(late, "staging", "succeeded")


def _url(database: str) -> dict[str, str]:
    return {"DATABASE_URL": database} if database else {}


@contextmanager
def served(server: PortalServer) -> Iterator[PortalServer]:
    try:
        yield server.serve()
    finally:
        server.stop()


def signed_in(server: PortalServer) -> dict[str, str]:
    """The cookies of alice's browser."""
    with httpx.Client(base_url=server.url, timeout=30) as browser:
        token = browser.get("/accounts/login/").text.split('csrfmiddlewaretoken" value="')[1].split('"')[0]
        form = {"csrfmiddlewaretoken": token, "login": "alice", "password": PASSWORD}
        assert browser.post("/accounts/login/", data=form).status_code == 302
        assert browser.get("/queue/").status_code == 200
        return dict(browser.cookies)


def test_keys_are_rotated_as_the_table_says(tmp_path: Path) -> None:
    repositories, data = tmp_path / "repositories", tmp_path / "data"
    repositories.mkdir()
    first = portal(data, repositories, **KEYS)
    first.data_dir.mkdir()
    first.manage("migrate", "--verbosity", "0")
    with served(first):
        scene = opened(first, repositories)
        cookies, one, two = signed_in(first), merged(scene, "one"), merged(scene, "two")
    rotated = {"PORTAL_SECRET_KEY": "another-key-" + "b" * 40}
    with served(portal(data, repositories, **rotated, PORTAL_ENCRYPTION_KEY=KEYS["PORTAL_SECRET_KEY"])) as signing:
        answer = httpx.get(f"{signing.url}/queue/", cookies=cookies, timeout=30)
        assert answer.status_code == 302, "everybody signs in again"
        deployed(Scene(signing, "infra", scene.bare, scene.work), one)  # the stored secret is still read
    with served(portal(data, repositories, **rotated, PORTAL_ENCRYPTION_KEY="c" * 50)) as both:
        scene = Scene(both, "infra", scene.bare, scene.work)
        failed = deployed(scene, two, "failed")
        assert "PORTAL_ENCRYPTION_KEY" in str(scene.api("carol").get(f"/deployments/{failed['number']}/events/"))
        notice, signature = f"{both.url}/api/v1/webhooks/gitlab/infra/", {"X-Gitlab-Token": "x"}
        assert httpx.post(notice, json={}, headers=signature, timeout=30).status_code == 503
        scene.api("carol").post("/repositories/infra/webhook/", status=201)
        assert httpx.post(notice, json={}, headers=signature, timeout=30).status_code == 403, "it can be read again"
        scene.api("carol").put("/environments/infra/staging/secrets/TOKEN/", {"value": SECRET})
        scene.api("carol").post(f"/deployments/{failed['number']}/retry/", status=202)
        scene.deployed(two, "staging", "succeeded")
