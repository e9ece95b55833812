"""``audit.git`` is gone or damaged: everything is held, in words that help, and a new log goes on with all that the database has."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models import User
from apps.audit.models import AuditEntry, AuditHead, Publication
from apps.audit.published import REF, Held
from apps.audit.verification import verify
from apps.vcs.objects import commit_tree_oid
from apps.vcs.pool import DEFAULT_POOL
from tests.support.git import GitRepo
from tests.support.publishing import acts, again, checkpoints, publish_here, tamper, turn

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("place")]


@pytest.fixture
def begin_anew(settings: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def begin() -> None:
        restart(settings, place, monkeypatch)
        call_command("recover_audit_log", "--begin-anew", "audit.git is damaged", stdout=StringIO())

    return begin


def restart(settings: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a process remembers is remembered."""
    publish_here(settings, place.parent, monkeypatch)
    DEFAULT_POOL.close()
    commit_tree_oid.cache_clear()


def _object(place: Path, name: str) -> Path:
    oid = GitRepo(place).run("rev-parse", f"{REF}{name}").strip()
    return place / "objects" / oid[:2] / oid[2:]


def _cut(file: Path) -> None:
    file.chmod(0o644)
    os.truncate(file, 10)


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "no repository": shutil.rmtree,
    "an empty folder": lambda place: (shutil.rmtree(place), place.mkdir()),
    "no ref": lambda place: (place / REF).unlink(),
    "an empty ref": lambda place: (place / REF).write_text(""),
    "a ref of rubbish": lambda place: (place / REF).write_text("x" * 41),
    "no commit": lambda place: _object(place, "").unlink(),
    "half a commit": lambda place: _cut(_object(place, "")),
    "no tree": lambda place: _object(place, "^{tree}").unlink(),
    "half a tree": lambda place: _cut(_object(place, "^{tree}")),
    "no checkpoint": lambda place: _object(place, ":checkpoint").unlink(),
    "half a checkpoint": lambda place: _cut(_object(place, ":checkpoint")),
    "half a tile": lambda place: _cut(_object(place, ":tile/0/000.p/6")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_log_is_held_in_clear_words_and_begun_anew(place, settings, monkeypatch, client, begin_anew, damage):
    acts(6)
    turn()
    before = Publication.objects.get()
    DAMAGES[damage](place)
    restart(settings, place, monkeypatch)
    with pytest.raises(Held, match="begin-anew"):
        acts(1)
    again()
    why = AuditHead.objects.get().held
    assert "audit.git" in why
    assert "ynchronise" not in why, "that is for mirrors"
    assert not verify().ok
    with pytest.raises(CommandError, match=r"audit\.git"):
        call_command("recover_audit_log")
    client.force_login(User.objects.create_superuser("erin", password="x"))
    said = client.get("/api/v1/audit/checkpoint/")
    assert (said.status_code, said.json()["problem"]) == (200, why)
    begin_anew()
    last = AuditEntry.objects.first()
    assert (last.action, last.data["commit"]) == ("audit.begun_anew", before.commit)
    assert last.data["checkpoint"].splitlines()[1:2] == ["6"] or last.data["root"] == before.root
    assert checkpoints(place)[-1].size == Publication.objects.get().size == last.seq == 7
    assert verify().published == 7
    acts(1)


def test_a_running_portal_is_held_as_soon_as_it_would_publish(place):
    acts(6)
    turn()
    shutil.rmtree(place)
    acts(1)
    again()
    assert "6 entries were published, but audit.git is gone" in AuditHead.objects.get().held
    assert not (place / REF).exists()


def test_entries_that_were_rewritten_while_the_log_was_away_are_not_published_as_if_nothing_were(place, begin_anew):
    acts(6)
    turn()
    old = GitRepo(place).rev_parse(REF)
    shutil.rmtree(place)
    tamper("DELETE FROM audit_auditentry")
    AuditHead.objects.update(seq=0, hash="0" * 64)
    acts(6, "rewritten")
    again()
    assert AuditHead.objects.get().held
    assert "audit.git is gone" in verify().problem
    begin_anew()
    assert [checkpoint.origin for checkpoint in checkpoints(place)] == [f"127.0.0.1:8000/audit/{old[:12]}"]


def test_a_log_that_is_brought_back_goes_on(place):
    acts(3)
    turn()
    place.rename(place.with_name("away"))
    acts(1)
    again()
    assert AuditHead.objects.get().held
    shutil.rmtree(place)
    place.with_name("away").rename(place)
    again()
    assert AuditHead.objects.get().held == ""
    assert [checkpoint.size for checkpoint in checkpoints(place)] == [3, 4]


def test_what_git_cannot_go_on_from_is_set_aside_as_a_whole(place, begin_anew):
    acts(3)
    turn()
    _cut(_object(place, "^{tree}"))
    begin_anew()
    (aside,) = place.parent.glob("audit.git.damaged-*")
    assert (aside / REF).exists()


def test_who_is_killed_after_setting_it_aside_begins_anew_once_more(place, begin_anew):
    acts(3)
    turn()
    place.rename(place.with_name("audit.git.damaged-before"))
    begin_anew()
    assert [checkpoint.size for checkpoint in checkpoints(place)] == [4]


@pytest.mark.parametrize("left", ["objects/pack/tmp_pack_x", "fast_import_crash_7"])
def test_what_a_failed_git_left_does_not_fill_the_disk(place, left):
    acts(2)
    turn()
    (place / left).touch()
    os.utime(place / left, (0, 0))
    acts(1)
    turn()
    assert not (place / left).exists()


def test_a_git_that_cannot_write_is_told_in_words_about_the_log(place, tmp_path, monkeypatch):
    acts(2)
    turn()
    failing = tmp_path / "bin" / "git"
    failing.parent.mkdir()
    failing.write_text(
        f'#!/bin/sh\nfor word; do [ "$word" = fast-import ] && exit 128; done\nexec {shutil.which("git")} "$@"\n'
    )
    failing.chmod(0o755)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", f"{failing.parent}:{os.environ['PATH']}")
        acts(1)
        again()
    assert "room on the disk" in Publication.objects.get().failure
    assert AuditHead.objects.get().held == ""
    again()
    assert [checkpoint.size for checkpoint in checkpoints(place)] == [2, 3]
