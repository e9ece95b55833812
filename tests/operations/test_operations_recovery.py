"""What docs/operations.md says of backup, restore and keys, done as it says, with real processes and databases."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from apps.operations.management.commands import back_up as back_up_command
from tests.stories.scenes import Scene
from tests.support.pages import commands_to_restore_postgres
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
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty database; empty for SQLite."""
    if request.param == "sqlite":
        yield ""
        return
    server = os.environ.get("DATABASE_URL", "").rpartition("/")[0]
    if not server.startswith("postgres"):
        pytest.skip("NOT RUN: no DATABASE_URL of PostgreSQL")
    name = f"portal_recovery_{os.getpid()}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
        yield f"{server}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def back_up(server: PortalServer, database: str, into: Path) -> None:
    """While it runs, with the commands of docs/operations.md: first the database, then the files."""
    if database:
        with (into.parent / "portal.dump").open("wb") as file:
            subprocess.run(["pg_dump", "--format=custom", database], stdout=file, check=True)
    assert "Keys are not in it" in server.manage("back_up", str(into))


def restore(backup: Path, database: str, data: Path, *, files: bool = True) -> None:
    """With the copied directory in the place of the one that was lost, or, without ``files``, with the database alone.

    In PostgreSQL over what is there: later rows, and what a newer version has added and led to the tables of this one.
    """
    if files:
        shutil.copytree(backup, data)
    else:
        data.mkdir()
    if database:
        with psycopg.connect(database) as connection:
            connection.execute("CREATE TABLE of_a_newer_version (change bigint REFERENCES changes_changerequest)")
            connection.execute("INSERT INTO of_a_newer_version SELECT id FROM changes_changerequest")
        commands, environment = commands_to_restore_postgres(), {**os.environ, "DATABASE_URL": database}
        subprocess.run(["sh", "-c", commands], cwd=backup.parent, env=environment, check=True)
    elif not files:
        shutil.copyfile(backup / "portal.sqlite3", data / "portal.sqlite3")


@contextmanager
def in_the_middle_of_a_write(database: Path) -> Iterator[None]:
    """A transaction that was not committed and stands in the file already: the journal beside it is what undoes it."""
    with closing(sqlite3.connect(database, timeout=60, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=PERSIST")
        connection.execute("PRAGMA cache_size=5")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE half (text)")
        connection.executemany("INSERT INTO half VALUES (?)", [("x" * 3000,) for _ in range(200)])
        yield
        connection.execute("ROLLBACK")


def test_a_backup_in_the_middle_of_a_write_can_take_the_place_of_what_it_copied(tmp_path: Path) -> None:
    """The journal of that moment, beside a database of another, would be played back into it and destroy it."""
    server = portal(tmp_path / "data", tmp_path, **KEYS)
    server.migrate()
    for name in ("mirrors/one.git", "checks"):
        (server.data_dir / name).mkdir(parents=True)
        (server.data_dir / name / "file").write_text(name)
    (server.data_dir / "audit.key").write_text("k" * 50)
    database, backup = server.data_dir / "portal.sqlite3", tmp_path / "backup"
    server.manage("back_up", str(backup))
    with in_the_middle_of_a_write(database):
        journal = server.data_dir / "portal.sqlite3-journal"
        assert journal.stat().st_size > 4096
        back_up_command._copy_files(server.data_dir, tmp_path / "files", Path(database.name))
    assert {path.name for path in backup.iterdir()} == {"portal.sqlite3", "mirrors"}
    assert {path.name for path in (tmp_path / "files").iterdir()} == {"mirrors"}
    assert backup.stat().st_mode & 0o777 == 0o700
    with closing(sqlite3.connect(backup / "portal.sqlite3")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert not connection.execute("SELECT name FROM sqlite_master WHERE name = 'half'").fetchall()
    for place, said in ((backup, "cannot be made"), (server.data_dir / "mine", "inside of the data directory")):
        with pytest.raises(AssertionError, match=said):
            server.manage("back_up", str(place))


def test_a_restored_portal_goes_on_and_does_nothing_twice(tmp_path: Path, database: str) -> None:
    repositories, backup = tmp_path / "repositories", tmp_path / "backup"
    repositories.mkdir()
    first = portal(tmp_path / "first", repositories, **KEYS, **_url(database)).start()
    try:
        scene = opened(first, repositories)
        kept, late = merged(scene, "kept"), merged(scene, "late")
        deployed(scene, kept)
        undone = scene.propose("undone", {"undone.txt": "1\n"})
        scene.approve(undone)
        back_up(first, database, backup)
        deployed(scene, late)
        scene.api("alice").post(f"/changes/{undone}/merge/", status=202)
        scene.api("alice").until(f"/changes/{undone}/", lambda body: body["state"] in {"merged", "deploying"})
        forgotten = merged(scene, "forgotten")
        token = scene.api("alice").client.headers["Authorization"]
    finally:
        first.stop(kill=True)
    restore(backup, database, tmp_path / "second", files=False)
    second = portal(tmp_path / "second", repositories, **KEYS, **_url(database))
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


def test_a_restored_portal_does_nothing_before_its_log_is_taken_back(tmp_path: Path, database: str) -> None:
    """Where the published log was kept, the older database is found before its first act, and what it forgot is read again."""
    repositories, backup = tmp_path / "repositories", tmp_path / "backup"
    repositories.mkdir()
    first = portal(tmp_path / "first", repositories, **KEYS, **_url(database)).start()
    try:
        scene = opened(first, repositories)
        merged(scene, "kept")
        token = {"Authorization": scene.api("carol").client.headers["Authorization"]}
        back_up(first, database, backup)
        forgotten = merged(scene, "forgotten")
        newest = scene.api("carol").get("/audit/")["results"][0]["seq"]
        scene.api("carol").until("/audit/checkpoint/", lambda body: body["size"] >= newest)
    finally:
        first.stop(kill=True)
    restore(backup, database, tmp_path / "second")
    shutil.rmtree(tmp_path / "second" / "audit.git")  # the newer one stays, as the page says
    shutil.copytree(first.data_dir / "audit.git", tmp_path / "second" / "audit.git")
    shutil.copy(first.data_dir / "audit.key", tmp_path / "second" / "audit.key")
    second = portal(tmp_path / "second", repositories, **KEYS, **_url(database))
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


def test_the_encryption_key_is_rotated_while_all_is_kept(tmp_path: Path) -> None:
    """The three steps of the table, with a server of the key before still running in the first."""
    repositories, data = tmp_path / "repositories", tmp_path / "data"
    repositories.mkdir()
    old, new = KEYS["PORTAL_SECRET_KEY"], "another-key-" + "b" * 40
    first = portal(data, repositories, **KEYS, PORTAL_OLD_ENCRYPTION_KEYS=new)
    first.data_dir.mkdir()
    first.manage("migrate", "--verbosity", "0")
    with served(first):
        scene = opened(first, repositories)
        one = merged(scene, "one")
        rotated = portal(data, repositories, **KEYS, PORTAL_ENCRYPTION_KEY=new, PORTAL_OLD_ENCRYPTION_KEYS=old)
        assert "environmentsecret.value: 0 under the present key, 1 under one before" in rotated.manage(
            "encrypt_again", "--look"
        )
        assert "were encrypted again" in rotated.manage("encrypt_again")
        deployed(scene, one)  # a process of the key before reads what is under the new one
        two = merged(scene, "two")
    assert "can be left out" in rotated.manage("encrypt_again")
    alone = portal(data, repositories, **KEYS, PORTAL_ENCRYPTION_KEY=new)
    with served(alone):
        deployed(Scene(alone, "infra", scene.bare, scene.work), two)
