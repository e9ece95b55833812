"""A change that adopts drift: what a rendering proves is written into the files, everything else is listed for a person."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import OperationalError

from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.changes.services import withdraw
from apps.core.clock import now
from apps.core.errors import Conflict, NotAllowed, NotVisible
from apps.deployments import services
from apps.deployments.jobs import adopting
from apps.deployments.models import DriftAdoption, DriftCheck
from apps.deployments.transitions import drifting as writing
from apps.rendering.model import Failure, RenderError
from apps.repositories.models import RepositoryRole
from apps.repositories.services import set_member
from apps.vcs import remotes
from apps.vcs.remotes import PushOutcome
from tests.support.delivery import run_jobs
from tests.support.drifting import CANARY, POLICY, Drifting, config, drifting
from tests.support.repositories import pushed

pytestmark = pytest.mark.django_db
JOB = "deployments.adopt_drift"
ONE = "k8s/one.yaml"


@pytest.fixture(autouse=True)
def _plain_http(settings: Any) -> None:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Drifting]:
    with drifting(tmp_path) as found:
        yield found


def adopted(world: Drifting, user: User | None = None) -> ChangeRequest:
    """The change that comes of what the last check found."""
    row = services.adopt_drift(user or world.delivery.people.alice, environment=world.environment)
    assert run_jobs(JOB) == 1
    row.refresh_from_db()
    assert (row.problem, row.ended_at is None) == ("", False)
    assert row.change is not None
    return row.change


def pushed_to(world: Drifting, files: Mapping[str, str]) -> None:
    """Something is merged past the deployment, which does not look at it."""
    work = world.delivery.work
    work.run("fetch", "-q", "origin")
    work.run("checkout", "-q", "-B", "main", "origin/main")
    for path, content in files.items():
        if content:
            work.write(path, content.encode())
        else:
            work.remove(path)
    work.commit("by hand")
    pushed(world.delivery.repository, work, "main:refs/heads/main")


def shown(world: Drifting, change: ChangeRequest, *how: str, path: str = "") -> bytes:
    """What the remote repository has of the change's commit."""
    assert change.revision is not None
    work = world.delivery.work
    work.run("fetch", "-q", "origin")
    return work.run_bytes("show", *how, f"{change.revision.head_oid}{path}")


def text(world: Drifting, change: ChangeRequest, path: str = ONE) -> bytes:
    return shown(world, change, path=f":{path}")


def test_what_was_found_is_written_where_it_stands_and_goes_through_the_gate(world: Drifting) -> None:
    world.change()
    world.check()
    people = world.delivery.people
    change = adopted(world)
    assert (change.status, change.requester, change.source_branch) == (
        "in_review", people.alice, f"adopt-drift/staging-{DriftAdoption.objects.get().pk}",
    )  # fmt: skip
    assert text(world, change).decode() == config("one", "9")
    assert f"    {ONE}:4: ConfigMap web/one data.a: deployed" in change.description
    assert "left to a person" not in change.description
    log = shown(world, change, "--no-patch", "--format=%an|%cn|%B").decode()
    assert log.startswith("Alice")
    assert "|GitOps Portal|Adopt drift of staging" in log
    with pytest.raises(Conflict):
        services.merge_change(people.alice, change=change)
    run_jobs()
    world.delivery.approve(change)
    change.refresh_from_db()
    services.merge_change(people.alice, change=change)
    actions = list(AuditEntry.objects.filter(actor_name="alice").values_list("action", flat=True))
    assert [one for one in actions if one.startswith("drift")] == ["drift.adoption_asked"]


def test_comments_quotation_marks_and_line_ends_stay(world: Drifting) -> None:
    raw = "# naïve\r\napiVersion: v1\r\nkind: ConfigMap\r\nmetadata:\r\n  name: one   # here\r\ndata:\r\n    a: '1' # one\r\n"
    pushed_to(world, {ONE: raw})
    world.change(value="it's")
    world.check()
    assert text(world, adopted(world)) == raw.replace("'1'", "'it''s'").encode()


def test_one_document_of_many_is_the_one(world: Drifting) -> None:
    pushed_to(world, {ONE: config("other") + "---\n" + config("one") + "---\n" + config("third")})
    world.change()
    world.check()
    assert text(world, adopted(world)).decode() == config("other") + "---\n" + config("one", "9") + "---\n" + config(
        "third"
    )


def test_a_file_that_was_moved_meanwhile_is_found_where_it_is(world: Drifting) -> None:
    pushed_to(world, {ONE: "", "k8s/moved.yaml": config("one")})
    world.change()
    world.check()
    change = adopted(world)
    assert text(world, change, "k8s/moved.yaml").decode() == config("one", "9")
    assert "k8s/moved.yaml:4" in change.description


SHARED = POLICY.replace(
    "rules:",
    "  production:\n    targets: {web: {kind: manifests, path: k8s}}\n"
    "    deploy: {via: local, steps: [{name: apply, run: 'true'}]}\nrules:",
)
RENAMED = POLICY.replace("{web:", "{shop:").replace("target: web", "target: shop")
BLOCK = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata:\n  a: |-\n    1\n"
TWICE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {z: &x '1', a: *x}\n"
ANCHOR = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {a: &x '1', z: *x}\n"


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({ONE: config("one", "7")}, "its value stands in no file of web"),
        ({ONE: ""}, "its value stands in no file of web"),
        ({ONE: TWICE}, "its value stands in no file of web"),
        ({ONE: ANCHOR}, "the place of its value does not make web what was found, and nothing else"),
        ({ONE: BLOCK}, "the place of its value does not make web what was found, and nothing else"),
        ({".gitops/portal.yaml": SHARED}, f"{ONE} is also what web of production is made from"),
        ({".gitops/portal.yaml": RENAMED}, "portal.yaml names no target of that name now"),
        ({"k8s/bad.yaml": "a: [\n"}, "web cannot be rendered"),
    ],
)
def test_what_is_not_proven_is_left_to_a_person_with_the_reason(
    world: Drifting, files: dict[str, str], why: str
) -> None:
    world.change()
    world.check()
    pushed_to(world, files)
    change = adopted(world)
    assert (change.status, change.source_branch, change.revision) == ("requested", "", None)
    assert "This is left to a person:" in change.description
    assert why in change.description
    assert "adopt-drift" not in world.delivery.work.run("ls-remote", "origin")


def test_what_can_be_written_is_and_the_rest_is_named(world: Drifting) -> None:
    world.change()
    world.change("two", "a  b")  # which the page shows with one space
    world.there.objects["secrets", "web", "s"]["stringData"]["password"] = f"{CANARY}-changed"
    world.check()
    change = adopted(world)
    written, _, left = change.description.partition("This is left to a person:")
    assert "ConfigMap web/one data.a" in written
    assert "Secret web/s" in left
    assert "(secrets are never written)" in left
    assert "ConfigMap web/two data.a" in left
    assert "not known whole" in left
    assert shown(world, change, "--name-only", "--format=").decode().split() == [ONE]
    assert CANARY not in change.description


def test_what_the_repository_calls_secret_meanwhile_is_not_written(world: Drifting) -> None:
    world.change(value="acme-1234567")
    world.check()
    pushed_to(world, {".gitops/portal.yaml": f"{POLICY}secrets: [{{name: ours, values: ['acme-*']}}]\n"})
    change = adopted(world)
    assert (change.status, change.source_branch) == ("requested", "")


def test_who_may_only_ask_gets_a_request_and_a_stranger_nothing(world: Drifting) -> None:
    world.change()
    world.check()
    dave, mallory = world.delivery.people.dave, world.delivery.people.mallory
    with pytest.raises((NotVisible, NotAllowed)):
        services.adopt_drift(mallory, environment=world.environment)
    RepositoryRole.objects.filter(user=dave).update(role="viewer")
    change = adopted(world, dave)
    assert (change.status, change.requester) == ("requested", dave)
    assert "(dave may not write changes here)" in change.description


def test_a_role_that_was_taken_away_meanwhile_writes_nothing(world: Drifting) -> None:
    world.change()
    world.check()
    alice = world.delivery.people.alice
    row = services.adopt_drift(alice, environment=world.environment)
    RepositoryRole.objects.filter(user=alice).delete()
    run_jobs(JOB)
    row.refresh_from_db()
    assert (row.change, row.ended_at is None, bool(row.problem)) == (None, False, True)
    assert "adopt-drift" not in world.delivery.work.run("ls-remote", "origin")


def test_nobody_asks_twice_at_once(world: Drifting) -> None:
    world.change()
    world.check()
    alice = world.delivery.people.alice
    services.adopt_drift(alice, environment=world.environment)
    with pytest.raises(Conflict, match="being written already"):
        services.adopt_drift(alice, environment=world.environment)
    assert DriftAdoption.objects.count() == 1


def test_one_change_is_made_of_what_was_found_until_something_else_is_or_it_is_withdrawn(world: Drifting) -> None:
    alice = world.delivery.people.alice
    world.change()
    world.check()
    change = adopted(world)
    world.check()
    with pytest.raises(Conflict, match=f"{change.label} was made of all that was found") as refusal:
        services.adopt_drift(alice, environment=world.environment)
    assert refusal.value.details["change"] == change.number
    world.change(value="11")
    world.check()
    other = adopted(world)
    assert other != change
    withdraw(alice, change=other)
    assert adopted(world) != other


def test_what_was_accepted_then_and_counts_again_is_adopted_anew(
    world: Drifting, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, carol = world.delivery.people.alice, world.delivery.people.carol
    world.change("one")
    world.change("two")
    world.check()
    mark = next(one["mark"] for one in world.latest.findings if "two" in one["resource"])
    services.accept_drift(carol, environment=world.environment, mark=mark, reason="x", until=now() + timedelta(days=1))
    change = adopted(world)
    monkeypatch.setattr(writing, "KEPT", 1)
    for _ in range(3):
        world.check()
    with pytest.raises(Conflict, match=change.label):
        services.adopt_drift(alice, environment=world.environment)
    services.end_drift_acceptance(carol, environment=world.environment, mark=mark)
    assert adopted(world) != change


def test_a_change_for_which_nothing_was_written_does_not_keep_others_from_writing_it(world: Drifting) -> None:
    dave, alice = world.delivery.people.dave, world.delivery.people.alice
    set_member(world.delivery.people.carol, repository=world.delivery.repository, member="dave", role="viewer")
    world.change()
    world.check()
    asked = adopted(world, dave)
    assert asked.status == "requested"
    with pytest.raises(Conflict, match=asked.label):
        services.adopt_drift(dave, environment=world.environment)
    assert adopted(world, alice).source_branch


def test_killed_after_the_push_it_goes_on_with_the_same_commit(
    world: Drifting, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.change()
    world.check()
    row = services.adopt_drift(world.delivery.people.alice, environment=world.environment)

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(adopting, "create_change", killed)
        with pytest.raises(KeyboardInterrupt):
            run_jobs(JOB)
    row.refresh_from_db()
    commit = row.commit
    assert run_jobs(JOB) == 0, "somebody holds it"
    DriftAdoption.objects.update(lease_until=None)
    pushed_to(world, {"README.md": "something else\n"})
    assert run_jobs(JOB) == 1
    row.refresh_from_db()
    assert row.change is not None
    assert row.change.revision is not None
    assert row.change.revision.head_oid == commit == row.commit
    assert run_jobs(JOB) == 0


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError(CANARY), "The portal itself failed here (RuntimeError). Its log has more."),
        (RenderError(Failure.TEMPLATE, "The chart is broken."), "The chart is broken."),
    ],
)
def test_an_error_ends_it_in_words_and_it_can_be_asked_for_again(
    world: Drifting, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    world.change()
    world.check()
    monkeypatch.setattr(adopting, "edits_of", Mock(side_effect=error))
    row = services.adopt_drift(world.delivery.people.alice, environment=world.environment)
    assert run_jobs(JOB) == 1
    row.refresh_from_db()
    assert (row.problem, row.change, row.ended_at is None) == (words, None, False)
    assert run_jobs(JOB) == 0
    monkeypatch.undo()
    adopted(world)


def test_a_database_that_is_not_there_ends_nothing(world: Drifting, monkeypatch: pytest.MonkeyPatch) -> None:
    world.change()
    world.check()
    monkeypatch.setattr(adopting, "edits_of", Mock(side_effect=OperationalError("gone")))
    row = services.adopt_drift(world.delivery.people.alice, environment=world.environment)
    with pytest.raises(OperationalError):
        adopting.adopt(row.pk)
    row.refresh_from_db()
    assert row.ended_at is None


def test_what_the_host_refuses_is_asked_for(world: Drifting, monkeypatch: pytest.MonkeyPatch) -> None:
    world.change()
    world.check()
    monkeypatch.setattr(remotes, "push_with_lease", lambda *_, **__: PushOutcome("refused", "no such branches here"))
    change = adopted(world)
    assert (change.status, change.source_branch) == ("requested", "")
    assert "could not be pushed, so it is not in this change: no such branches here" in change.description


def drifted(world: Drifting, target: str, resource: str, count: int) -> None:
    row = DriftCheck.objects.select_related("deployment").filter(environment=world.environment).earliest("pk")
    findings = [
        {
            "resource": resource, "kind": "field", "path": "spec.template", "wanted": json.dumps("w" * 1990),
            "found": json.dumps("f" * 1990), "is_exact": True, "mark": f"{number:064x}",
        }
        for number in range(count)
    ]  # fmt: skip
    DriftCheck.objects.create(
        environment=row.environment, deployment=row.deployment, commit=row.commit, target=target, way="kubernetes",
        state="drifted", findings=findings, marks=[[one["mark"], one["resource"]] for one in findings], more=3,
        not_looked=[], looked_at=count, checked_at=now(), since=now(), is_latest=True,
    )  # fmt: skip


@pytest.mark.parametrize(("length", "most"), [(60, 40), (3000, 13)])
def test_much_drift_of_many_targets_is_adopted(world: Drifting, length: int, most: int) -> None:
    world.check()
    for target in ("a", "b", "c"):
        drifted(world, target, "n" * length, 100)
    found = adopted(world).description
    named = found.count(": deployed ")
    assert 0 < named <= most
    assert len(found) <= 50_000
    assert found.endswith(f"and {300 + 9 - named} more")
