"""Following the remote: every movement becomes one fact, problems are visible, lost mirrors come back."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings

from apps.audit.models import AuditEntry
from apps.changes.services import create_change
from apps.core.clock import now
from apps.core.errors import InvalidInput, NotAllowed, NotVisible, PortalError
from apps.presentation.repository_pages import state_of
from apps.repositories.jobs import repositories_due
from apps.repositories.models import BranchTip, Repository
from apps.repositories.queries import tip
from apps.repositories.services import change_credentials, expect_push, note_push, request_sync, synchronise
from apps.vcs import gateway
from apps.vcs.paths import decode, display
from tests.support.git import GitRepo
from tests.support.people import cast
from tests.support.repositories import branch_with, connected

pytestmark = pytest.mark.django_db


@pytest.fixture
def people():
    return cast()


@pytest.fixture
def infra(tmp_path, people):
    return connected(tmp_path, people.carol, members={"alice": "author", "dave": "auditor"})


def facts(repository: Repository) -> list[tuple[str, str, str]]:
    rows = repository.ref_updates.exclude(cause="connect").order_by("pk")
    return list(rows.values_list("branch", "kind", "cause"))


def test_created_advanced_forced_and_deleted_branches_are_four_kinds_of_fact(infra):
    repository, work = infra
    branch_with(work, "x", {"a": "1"})
    assert synchronise(repository.pk)
    work.commit("two", files={"a": "2"})
    work.push()
    assert synchronise(repository.pk)
    work.run("commit", "-q", "--amend", "-m", "rewritten", env=work._people("A <a@x>", "A <a@x>"))
    work.push(force=True)
    assert synchronise(repository.pk)
    work.push(":refs/heads/x")
    assert synchronise(repository.pk)
    assert synchronise(repository.pk)
    assert facts(repository) == [
        ("x", "created", "poll"), ("x", "advanced", "poll"), ("x", "forced", "poll"), ("x", "deleted", "poll"),
    ]  # fmt: skip
    assert tip(repository, "x") == ""


def test_each_fact_begins_where_the_last_one_ended(infra):
    repository, work = infra
    for text in "123":
        work.commit(text, files={"a": text})
        work.push()
        synchronise(repository.pk)
    rows = list(repository.ref_updates.order_by("pk"))
    assert [row.old_oid for row in rows[1:]] == [row.new_oid for row in rows[:-1]]
    assert tip(repository, "main") == rows[-1].new_oid


def test_a_push_to_the_default_branch_past_the_portal_is_an_outside_change_in_the_log(infra):
    repository, work = infra
    work.commit("past the portal", files={"a": "1"})
    work.push()
    synchronise(repository.pk)
    entry = AuditEntry.objects.order_by("-seq").first()
    assert entry.action == "repository.outside_change"
    assert entry.data["moves"][0]["branch"] == "main"


def test_many_branches_with_long_names_hide_no_push_to_the_default_branch_in_the_log(infra):
    repository, work = infra
    old = tip(repository, "main")
    new = work.commit("past the portal", files={"a": "1"})
    names = [f"a{number:02d}" + "/" + "ü" * 115 for number in range(60)]
    work.push("HEAD:refs/heads/main", *(f"HEAD:refs/heads/{name}" for name in names))
    synchronise(repository.pk)
    entry = AuditEntry.objects.order_by("-seq").first()
    assert entry.action == "repository.outside_change"
    main, *others = entry.data["moves"]
    assert (main["branch"], main["old"], main["new"]) == ("main", old, new)
    assert len(others) + entry.data["not_listed"] == len(names)


def test_a_push_of_the_portal_itself_is_no_outside_change_even_if_the_poll_sees_it_first(infra):
    repository, work = infra
    old = tip(repository, "main")
    new = work.commit("merge by the portal", files={"a": "1"})
    GitRepo(repository.mirror_path).run("fetch", "-q", str(work.path), "main")
    expect_push(repository, branch="main", oid=new)
    work.push()
    before = AuditEntry.objects.count()
    synchronise(repository.pk)
    note_push(repository, branch="main", old=old, new=new)
    assert facts(repository) == [("main", "advanced", "portal")]
    assert AuditEntry.objects.count() == before


def test_what_the_portal_pushed_to_one_branch_is_an_outside_change_when_somebody_pushes_it_to_another(infra):
    repository, work = infra
    new = work.commit("a suggestion taken over by the portal", files={"a": "1"})
    GitRepo(repository.mirror_path).run("fetch", "-q", str(work.path), "main")
    expect_push(repository, branch="one", oid=new)
    work.push("HEAD:refs/heads/one")
    synchronise(repository.pk)
    work.push("HEAD:refs/heads/main")
    synchronise(repository.pk)
    assert facts(repository) == [("one", "created", "portal"), ("main", "advanced", "poll")]
    assert AuditEntry.objects.order_by("-seq").first().action == "repository.outside_change"


@pytest.mark.parametrize("name", [b"caf\xe9", b"a" * 200 + b"/" + b"b" * 40, b"main.2/" + b"0" * 40])
def test_branches_of_any_name_are_followed_and_known_to_be_pushed_by_the_portal(infra, name):
    repository, work = infra
    new = work.commit("a suggestion taken over by the portal", files={"a": "1"})
    GitRepo(repository.mirror_path).run("fetch", "-q", str(work.path), "main")
    shown = display(decode(name))
    expect_push(repository, branch=shown, oid=new)
    work.run(b"push", b"-q", b"origin", b"HEAD:refs/heads/" + name)
    work.run(b"push", b"-q", b"origin", b"HEAD:refs/heads/other-" + name)
    assert synchronise(repository.pk)
    assert facts(repository) == [(shown, "created", "portal"), (f"other-{shown}", "created", "poll")]


def test_one_look_at_many_branches_asks_git_a_few_times_only(infra, monkeypatch):
    repository, work = infra
    for number in range(30):
        work.run("push", "-q", "origin", f"HEAD:refs/heads/b{number}")
    asked = []
    call = gateway.call
    monkeypatch.setattr(gateway, "call", lambda *args, **options: asked.append(args[1]) or call(*args, **options))
    assert synchronise(repository.pk)
    assert len(facts(repository)) == 30 and len(asked) < 15


def test_noting_a_push_twice_writes_one_fact(infra, people):
    repository, work = infra
    old = tip(repository, "main")
    new = work.commit("merge", files={"a": "1"})
    work.push()
    note_push(repository, branch="main", old=old, new=new, pusher=people.carol)
    note_push(repository, branch="main", old=old, new=new, pusher=people.carol)
    synchronise(repository.pk)
    assert facts(repository) == [("main", "advanced", "portal")]


def test_an_unreachable_remote_is_a_stored_problem_with_a_growing_pause_and_ends_with_success(
    infra, tmp_path, settings
):
    repository, _work = infra
    settings.PORTAL_POLL_SECONDS = 10
    away = tmp_path / "away.git"
    shutil.move(repository.url, away)
    waits = []
    for _ in range(3):
        assert not synchronise(repository.pk)
        repository.refresh_from_db()
        waits.append((repository.next_poll_at - now()).total_seconds())
    assert repository.sync_problem["code"] == "not_a_repository"
    assert repository.sync_problem["failures"] == 3
    assert waits[0] < waits[1] < waits[2]
    shutil.move(away, repository.url)
    assert synchronise(repository.pk)
    repository.refresh_from_db()
    assert repository.sync_problem == {}


def test_the_pause_after_failures_has_an_end(infra, settings):
    repository, _ = infra
    shutil.rmtree(repository.url)
    Repository.objects.update(sync_problem={"code": "x", "message": "", "since": "", "failures": 500})
    synchronise(repository.pk)
    repository.refresh_from_db()
    assert repository.next_poll_at <= now() + timedelta(minutes=16)


def test_only_one_worker_looks_at_a_time(infra):
    repository, _ = infra
    fence = Repository.objects.claim(repository.pk, seconds=30)
    assert fence is not None
    assert not synchronise(repository.pk)
    Repository.objects.release(repository.pk, fence=fence)
    assert synchronise(repository.pk)


def test_a_worker_that_lost_its_lease_records_nothing(infra, monkeypatch):
    repository, work = infra
    branch_with(work, "x", {"a": "1"})
    from apps.repositories.services import synchronising

    fetch = synchronising.mirrors.refresh

    def slow(repository, **options):
        found = fetch(repository, **options)
        Repository.objects.filter(pk=repository.pk).update(fence=repository.fence + 7, lease_until=None)
        return found

    monkeypatch.setattr(synchronising.mirrors, "refresh", slow)
    assert not synchronise(repository.pk)
    assert facts(repository) == []
    monkeypatch.undo()
    assert synchronise(repository.pk)
    assert facts(repository) == [("x", "created", "poll")]


def test_a_lost_mirror_is_made_again_as_a_visible_fact(infra):
    repository, work = infra
    shutil.rmtree(repository.mirror_path)
    branch_with(work, "x", {"a": "1"})
    assert synchronise(repository.pk)
    repository.refresh_from_db()
    assert repository.mirror_rebuilt_at is not None
    assert facts(repository) == [("x", "created", "poll")]
    assert AuditEntry.objects.order_by("-seq").first().data["mirror_rebuilt"] is True


def test_a_damaged_mirror_is_made_again_on_request(infra, people):
    repository, _ = infra
    mirror = GitRepo(repository.mirror_path)
    for packed in [*mirror.path.glob("objects/pack/*"), *mirror.path.glob("objects/??/*")]:
        packed.chmod(0o644)
        packed.unlink()
    request_sync(people.alice, repository=repository)
    assert synchronise(repository.pk)
    repository.refresh_from_db()
    assert repository.mirror_rebuilt_at is not None
    assert mirror.run("show", "main:README.md") == "hello"


def test_a_requested_look_is_due_at_once_and_only_once(infra, people):
    repository, _ = infra
    assert repositories_due(10) == []
    request_sync(people.alice, repository=repository)
    assert repositories_due(10) == [repository.pk]
    synchronise(repository.pk)
    assert repositories_due(10) == []


def test_a_repository_is_polled_when_its_time_has_come(infra):
    repository, _ = infra
    Repository.objects.update(next_poll_at=now() - timedelta(seconds=1))
    assert repositories_due(10) == [repository.pk]


def test_a_main_branch_that_is_gone_is_a_problem_until_it_is_back_and_the_others_are_followed(infra, people):
    repository, work = infra
    bare = GitRepo(Path(repository.url))
    bare.run("branch", "-m", "main", "trunk")
    assert synchronise(repository.pk)
    repository.refresh_from_db()
    problem = repository.sync_problem
    assert (problem["code"], state_of(repository)) == ("main_branch_gone", "branch_trouble")
    assert "main branch main" in problem["message"] and "Push main again" in problem["message"]
    assert repository.next_poll_at <= now() + timedelta(seconds=settings.PORTAL_POLL_SECONDS)
    branch_with(work, "x", {"a": "1"})
    with pytest.raises(InvalidInput) as refusal:
        create_change(people.alice, repository=repository, title="X", source_branch="x")
    assert refusal.value.message.startswith("The main branch main of infra does not exist any more.")
    assert tip(repository, "x") == work.rev_parse("HEAD")
    bare.run("branch", "main", "trunk")
    assert synchronise(repository.pk)
    repository.refresh_from_db()
    assert (repository.sync_problem, state_of(repository)) == ({}, "current")


def test_auditors_and_outsiders_cannot_ask_for_a_look(infra, people):
    repository, _ = infra
    with pytest.raises(NotAllowed):
        request_sync(people.dave, repository=repository)
    with pytest.raises(NotVisible):
        request_sync(people.mallory, repository=repository)


def test_an_odd_but_legal_branch_name_is_followed(infra):
    repository, work = infra
    branch_with(work, "--output=x", {"a": "1"})
    synchronise(repository.pk)
    assert tip(repository, "--output=x") == work.rev_parse("HEAD")


def test_new_credentials_are_tried_before_they_replace_the_old_ones(infra, people):
    repository, _ = infra
    change_credentials(people.carol, repository=repository, username="bot", secret="s3cret-s3cret")
    repository.refresh_from_db()
    assert repository.credential_username == "bot" and repository.sync_requested_at
    told = AuditEntry.objects.get(action="repository.credentials_changed").data
    assert told == {"username": "bot", "kinds": ["token"]}
    kept = repository.credential_secret
    shutil.rmtree(repository.url)
    with pytest.raises(PortalError):
        change_credentials(people.carol, repository=repository, username="other", secret="x")
    repository.refresh_from_db()
    assert (repository.credential_username, repository.credential_secret) == ("bot", kept)


def test_tips_and_mirror_agree_after_many_random_movements(infra):
    import random

    repository, work = infra
    chance = random.Random(7)
    for step in range(12):
        name = chance.choice("abc")
        if work.has_ref(f"refs/heads/{name}") and chance.random() < 0.3:
            work.checkout("main")
            work.delete_branch(name)
            work.run("push", "-q", "origin", f":refs/heads/{name}")
        else:
            work.checkout("main")
            work.branch(name)
            work.commit(str(step), files={name: str(step)})
            work.push(force=True)
        if chance.random() < 0.6:
            synchronise(repository.pk)
    synchronise(repository.pk)
    tips = dict(BranchTip.objects.filter(repository=repository).values_list("name", "oid"))
    lines = GitRepo(repository.mirror_path).run(
        "for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads/"
    )
    assert tips == dict(line.split() for line in lines.splitlines())


def malformed_commit(work: GitRepo) -> str:
    raw = f"tree {work.tree()}\nauthor A <a@example.org> 1 +0000\ncommitter A\0 <a@example.org> 1 +0000\n\nx\n"
    return work.run("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=raw.encode())


def test_a_malformed_branch_does_not_stop_the_others_and_is_named(infra):
    repository, work = infra
    work.push("main:refs/heads/going")
    assert synchronise(repository.pk)
    good = branch_with(work, "good", {"a": "1\n"})
    work.push(f"{malformed_commit(work)}:refs/heads/evil", ":refs/heads/going")
    after = work.commit("more", files={"b": "1\n"})
    work.push(f"{after}:refs/heads/main")
    assert synchronise(repository.pk)
    assert (tip(repository, "good"), tip(repository, "main")) == (good, after)
    assert (tip(repository, "evil"), tip(repository, "going")) == ("", "")
    repository.refresh_from_db()
    assert repository.sync_problem["code"] == "branches_refused"
    assert "evil" in repository.sync_problem["message"] and "good" not in repository.sync_problem["message"]
    work.push(f"{good}:refs/heads/evil", force=True)
    assert synchronise(repository.pk)
    repository.refresh_from_db()
    assert (repository.sync_problem, tip(repository, "evil")) == ({}, good)


def test_a_malformed_push_leaves_its_branch_where_it_was(infra):
    repository, work = infra
    first = branch_with(work, "evil", {"a": "1\n"})
    assert synchronise(repository.pk)
    work.push(f"{malformed_commit(work)}:refs/heads/evil", force=True)
    assert synchronise(repository.pk)
    assert tip(repository, "evil") == first
