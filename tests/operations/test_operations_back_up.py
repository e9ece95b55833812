"""``manage.py back_up`` while Git writes, and wherever the SQLite file is kept."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError

from apps.audit.published import REF
from apps.operations.management.commands import back_up
from apps.vcs.objects import is_sound
from tests.support.git import GitRepo
from tests.support.server import ROOT


def backed_up(data: Path, into: Path, database: Path) -> subprocess.CompletedProcess[str]:
    """Of a database with one table, which is being written: its journal lies beside it."""
    database.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (text)")
    database.with_name(f"{database.name}-journal").write_bytes(b"")
    environment = {
        "PATH": os.environ["PATH"], "PORTAL_DATA_DIR": str(data), "DATABASE_URL": f"sqlite:///{database}", "HOME": str(data),
    }  # fmt: skip
    command = [sys.executable, "-W", "ignore", "manage.py", "back_up", str(into)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def assert_whole(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("kept",)]


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def test_a_database_in_a_folder_of_its_own_is_copied_to_that_folder_without_its_journal(tmp_path: Path) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup"
    (data / "db").mkdir(parents=True)
    for name in ("mirror", "db/beside"):
        (data / name).write_text(name)
    done = backed_up(data, backup, data / "db" / "portal.sqlite3")
    assert names(backup) == {"mirror", "db/beside", "db/portal.sqlite3"}
    assert_whole(backup / "db" / "portal.sqlite3")
    assert "outside" not in done.stderr


def test_of_a_database_outside_of_the_data_directory_it_is_said_where_it_belongs(tmp_path: Path) -> None:
    data, backup, database = tmp_path / "data", tmp_path / "backup", tmp_path / "fast" / "portal.sqlite3"
    data.mkdir()
    (data / "portal.sqlite3").symlink_to(database)
    done = backed_up(data, backup, database)
    assert f"put {backup}/portal.sqlite3 back as {database}" in done.stderr
    assert_whole(backup / "portal.sqlite3")
    assert not (backup / "portal.sqlite3").is_symlink()


def test_what_was_set_aside_and_what_is_kept_for_a_full_disk_is_not_copied(tmp_path: Path) -> None:
    for name in ("reserve", "secret.key", "before/mirror", "mirrors/reserve"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text(name)
    (tmp_path / "backup").mkdir()
    back_up._copy_files(tmp_path / "data", tmp_path / "backup", None)
    assert names(tmp_path / "backup") == {"mirrors/reserve"}


@pytest.fixture
def log(tmp_path: Path) -> GitRepo:
    """A published log with one commit, in a data directory."""
    found = GitRepo.create(tmp_path / "data" / "audit.git", bare=True)
    GitRepo.clone(found.path, tmp_path / "work")
    grown(tmp_path)
    (tmp_path / "backup").mkdir()
    return found


def grown(tmp_path: Path) -> str:
    """A commit arrives in the log, as all do: its objects first, the ref last."""
    work = GitRepo(tmp_path / "work")
    tip = work.commit("checkpoint")
    work.push(f"HEAD:{REF}")
    return tip


def before_the_first_of_each(act: Callable[[], object], *folders: str) -> Callable[..., Any]:
    """``shutil.copy2`` before which, when it comes to a first file of such a folder, something happens."""
    left, copy = set(folders), shutil.copy2

    def copied(source: Path, target: Path, **options: Any) -> Any:
        for folder in left.intersection(source.parts):
            left.discard(folder)
            act()
        return copy(source, target, **options)

    return copied


def test_a_log_that_is_published_while_it_is_copied_leads_to_no_missing_commit(
    tmp_path: Path, log: GitRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[str] = []
    copy = before_the_first_of_each(lambda: commits.append(grown(tmp_path)), "refs", "objects")
    monkeypatch.setattr(back_up.shutil, "copy2", copy)
    back_up._copy_files(tmp_path / "data", tmp_path / "backup", None)
    assert len(commits) == 2
    copied = GitRepo(tmp_path / "backup" / "audit.git")
    assert copied.rev_parse(REF) == commits[0]
    assert is_sound(copied.path)
    back_up._require_whole(copied.path)


def test_refs_that_are_packed_while_they_are_copied_are_not_lost(
    tmp_path: Path, log: GitRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = before_the_first_of_each(lambda: log.run("pack-refs", "--all"), "refs")
    monkeypatch.setattr(back_up.shutil, "copy2", copy)
    back_up._copy_files(tmp_path / "data", tmp_path / "backup", None)
    copied = GitRepo(tmp_path / "backup" / "audit.git")
    assert copied.rev_parse(REF) == log.rev_parse(REF)


def test_a_copied_log_that_leads_to_a_missing_commit_is_no_backup(tmp_path: Path, log: GitRepo) -> None:
    tip = log.rev_parse(REF)
    (log.path / "objects" / tip[:2] / tip[2:]).unlink()
    back_up._copy_files(tmp_path / "data", tmp_path / "backup", None)
    with pytest.raises(CommandError, match=r"audit\.git is not whole"):
        back_up._require_whole(tmp_path / "backup" / "audit.git")
    back_up._require_whole(tmp_path / "nothing is published.git")
