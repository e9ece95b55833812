"""A log that is published, and what an outsider can say of it from Git alone."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from apps.audit import jobs, published, publishing, triggers
from apps.audit.actors import SYSTEM
from apps.audit.checkpoints import Checkpoint, open_note
from apps.audit.jobs import logs_due
from apps.audit.models import AuditEntry, AuditHead, Publication
from apps.audit.published import REF
from apps.audit.publishing import publish
from apps.audit.services import record
from apps.audit.tlog import Tree, entries_in
from tests.support.git import GitRepo


def publish_here(settings: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test's log is published below ``place``; this process has looked at nothing yet."""
    settings.PORTAL_AUDIT_PUBLISH = True
    settings.PORTAL_DATA_DIR = place
    monkeypatch.setattr(published, "_is_current", False)
    monkeypatch.setattr(publishing, "_has_looked", False)
    monkeypatch.setattr(publishing, "_rests_until", None)
    monkeypatch.setattr(jobs, "_has_looked", False)


def acts(count: int, said: str = "act") -> list[AuditEntry]:
    with transaction.atomic():
        return [record(SYSTEM, "change.requested", summary=f"{said} {number}") for number in range(count)]


def again() -> None:
    """Once more, without the time between two tries."""
    Publication.objects.update(retry_at=None)
    publish()


def turn() -> bool:
    """One look of the engine: whether there was something to do."""
    due = logs_due(1)
    if due:
        publish()
    return bool(due)


def tamper(sql: str, *values: Any) -> None:
    with triggers.suspended(connection), connection.cursor() as cursor:
        cursor.execute(sql, values)


def forget(after: int) -> None:
    """The database as it was when entry ``after`` was its last."""
    tamper("DELETE FROM audit_auditentry WHERE seq > %s", after)
    last = AuditEntry.objects.order_by("-seq").first()
    AuditHead.objects.update(seq=after, hash=last.hash if last else "0" * 64)
    Publication.objects.update(size=after, retry_at=None)


def checkpoints(place: Path) -> list[Checkpoint]:
    """Every checkpoint of the published log, oldest first; asserts that its commits are one line and that each follows from the entries.

    Reads nothing but the repository: entries, tiles and notes have to fit one another at every commit (I12).
    """
    repository = GitRepo(place)
    found = []
    for line in repository.run("rev-list", "--parents", "--reverse", REF).splitlines():
        commit, *parents = line.split()
        assert len(parents) <= 1
        files = repository.run("ls-tree", "-r", "--name-only", commit).splitlines()
        key = repository.run("show", f"{commit}:keys/log").strip()
        checkpoint = open_note(repository.run_bytes("show", f"{commit}:checkpoint").decode(), key)
        tree = Tree()
        for path in _bundles(files):
            for entry in entries_in(repository.run_bytes("show", f"{commit}:{path}")):
                tree.append(entry)
        assert (tree.size, tree.root()) == (checkpoint.size, checkpoint.root)
        assert sorted([*tree.files(), "checkpoint", "keys/log"]) == sorted(files)
        found.append(checkpoint)
    for before, after in pairwise(found):
        assert before.size < after.size or before.origin != after.origin, "only a new log begins small again"
    return found


def _bundles(files: list[str]) -> list[str]:
    return sorted(path for path in files if path.startswith("tile/entries/"))
