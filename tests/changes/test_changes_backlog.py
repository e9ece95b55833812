"""A backlog request finds its branch: by name, by trailer, or by choice; never by stealing."""

from __future__ import annotations

import pytest

from apps.audit.models import AuditEntry
from apps.changes import queries
from apps.changes.jobs import take_ref_updates
from apps.changes.services import attach_branch, create_change, reopen, take_ownership, withdraw
from apps.core.errors import Conflict, InvalidInput, NotAllowed, NotVisible
from apps.repositories.models import RefUpdate
from apps.repositories.services import synchronise
from tests.support.people import cast
from tests.support.repositories import branch_with, connected

pytestmark = pytest.mark.django_db


@pytest.fixture
def people():
    return cast()


@pytest.fixture
def infra(tmp_path, people):
    return connected(tmp_path, people.carol, members={"alice": "author", "bob": "author", "kim": "viewer"})


@pytest.fixture
def request_of_kim(infra, people):
    return create_change(people.kim, repository=infra[0], title="More replicas")


def follow(repository) -> None:
    assert synchronise(repository.pk)
    take_ref_updates(repository.pk)


@pytest.mark.parametrize("name", ["change/CHG-1-more-replicas", "change/CHG-1", "change/chg-1-x/y"])
def test_a_pushed_branch_with_its_name_attaches_itself(infra, request_of_kim, name):
    repository, work = infra
    head = branch_with(work, name, {"a": "1"}, author="Bob <bob@example.org>")
    follow(repository)
    request_of_kim.refresh_from_db()
    assert (request_of_kim.status, request_of_kim.source_branch) == ("in_review", name)
    assert request_of_kim.revision.head_oid == head
    entry = AuditEntry.objects.filter(action="change.attached").get()
    assert entry.actor_name == "portal" and entry.data["by"] == "branch name"


def test_who_only_asked_is_no_contributor_and_who_pushed_is(infra, request_of_kim, people):
    repository, work = infra
    branch_with(work, "change/CHG-1", {"a": "1"}, author="Bob <bob@example.org>")
    synchronise(repository.pk)
    RefUpdate.objects.filter(branch="change/CHG-1").update(pusher=people.alice)
    take_ref_updates(repository.pk)
    request_of_kim.refresh_from_db()
    found = {person.user.username for person in queries.contributors(request_of_kim) if person.user}
    assert found == {"alice", "bob"}
    assert request_of_kim.owner == people.alice
    assert AuditEntry.objects.filter(action="change.attached").get().data["pusher"] == "alice"


def test_a_trailer_in_any_commit_of_a_pushed_branch_attaches_it(infra, request_of_kim):
    repository, work = infra
    work.run("checkout", "-q", "-b", "scale")
    work.commit("one\n\nChange-Request: CHG-1", files={"a": "1"})
    work.commit("two", files={"a": "2"})
    work.push()
    follow(repository)
    request_of_kim.refresh_from_db()
    assert request_of_kim.source_branch == "scale"
    assert AuditEntry.objects.filter(action="change.attached").get().data["by"] == "trailer"


def test_a_trailer_that_comes_with_a_later_push_attaches_too(infra, request_of_kim):
    repository, work = infra
    branch_with(work, "scale", {"a": "1"})
    follow(repository)
    work.commit("two\n\nChange-Request: CHG-1", files={"a": "2"})
    work.push()
    follow(repository)
    request_of_kim.refresh_from_db()
    assert request_of_kim.source_branch == "scale"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("change/CHG-99", "unknown number"),
        ("change/CHG-01", "leading zero"),
        ("change/CHG-1x", "no dash"),
        ("xchange/CHG-1", "other prefix"),
        ("quiet", "mentions CHG-1 in passing"),
        ("both", "x\n\nChange-Request: CHG-1\nChange-Request: CHG-2"),
        ("long", "x\n\nChange-Request: CHG-" + "1" * 400),
    ],
)
def test_what_does_not_name_exactly_one_request_attaches_nothing(infra, request_of_kim, people, name, message):
    repository, work = infra
    create_change(people.kim, repository=repository, title="Second")
    branch_with(work, name, {"a": "1"}, message=message)
    follow(repository)
    request_of_kim.refresh_from_db()
    assert (request_of_kim.status, request_of_kim.source_branch) == ("requested", "")


def test_a_branch_without_a_commit_of_its_own_attaches_with_its_first_one(infra, request_of_kim):
    repository, work = infra
    work.push("main:refs/heads/change/CHG-1")
    follow(repository)
    request_of_kim.refresh_from_db()
    assert request_of_kim.status == "requested"
    work.branch("change/CHG-1", "main")
    work.commit("first", files={"a": "1"})
    work.push()
    follow(repository)
    request_of_kim.refresh_from_db()
    assert request_of_kim.status == "in_review"


def test_a_change_with_a_branch_is_never_stolen(infra, request_of_kim):
    repository, work = infra
    branch_with(work, "change/CHG-1-first", {"a": "1"})
    follow(repository)
    branch_with(work, "change/CHG-1-second", {"a": "2"})
    follow(repository)
    request_of_kim.refresh_from_db()
    assert request_of_kim.source_branch == "change/CHG-1-first"


def test_a_change_of_another_repository_is_never_touched(infra, request_of_kim, people, tmp_path):
    other, work = connected(tmp_path, people.carol, name="other")
    branch_with(work, "change/CHG-1", {"a": "1"})
    follow(other)
    request_of_kim.refresh_from_db()
    assert request_of_kim.status == "requested"


def test_a_branch_that_is_another_open_change_is_not_attached(infra, request_of_kim, people):
    repository, work = infra
    branch_with(work, "change/CHG-1", {"a": "1"})
    mine = create_change(people.alice, repository=repository, title="Mine", source_branch="change/CHG-1")
    follow(repository)
    request_of_kim.refresh_from_db()
    assert mine.source_branch == "change/CHG-1" and request_of_kim.status == "requested"
    assert not RefUpdate.objects.untaken().exists()


def test_a_withdrawn_request_is_not_attached(infra, request_of_kim, people):
    repository, work = infra
    withdraw(people.kim, change=request_of_kim)
    branch_with(work, "change/CHG-1", {"a": "1"})
    follow(repository)
    request_of_kim.refresh_from_db()
    assert request_of_kim.status == "withdrawn"
    assert reopen(people.kim, change=request_of_kim).status == "requested"


def test_a_branch_is_attached_by_choice(infra, request_of_kim, people):
    _repository, work = infra
    branch_with(work, "scale", {"a": "1"})
    attach_branch(people.alice, change=request_of_kim, source_branch="scale", draft=True)
    assert (request_of_kim.status, request_of_kim.owner) == ("draft", people.alice)
    assert "opened it" in queries.contribution_of(people.alice, request_of_kim)
    with pytest.raises(Conflict) as refusal:
        attach_branch(people.alice, change=request_of_kim, source_branch="scale")
    assert refusal.value.code == "wrong_state"


def test_an_unknown_or_undecodable_branch_cannot_be_attached(infra, request_of_kim, people):
    repository, work = infra
    work.run(b"push", b"-q", b"origin", b"HEAD:refs/heads/change/CHG-1-caf\xe9")
    follow(repository)
    request_of_kim.refresh_from_db()
    assert request_of_kim.status == "requested"
    for name, code in [("nope", "unknown_branch"), (r"change/CHG-1-caf\xe9", "bad_branch_name")]:
        with pytest.raises(InvalidInput) as refusal:
            attach_branch(people.alice, change=request_of_kim, source_branch=name)
        assert refusal.value.code == code


def test_viewers_cannot_attach_or_take_and_outsiders_see_nothing(infra, request_of_kim, people):
    _, work = infra
    branch_with(work, "scale", {"a": "1"})
    with pytest.raises(NotAllowed):
        attach_branch(people.kim, change=request_of_kim, source_branch="scale")
    with pytest.raises(NotAllowed):
        take_ownership(people.kim, change=request_of_kim)
    with pytest.raises(NotVisible):
        attach_branch(people.mallory, change=request_of_kim, source_branch="scale")
    with pytest.raises(NotVisible):
        queries.find(people.mallory, request_of_kim.number)


def test_an_author_takes_a_request(infra, request_of_kim, people):
    assert take_ownership(people.alice, change=request_of_kim).owner == people.alice
    with pytest.raises(Conflict):
        take_ownership(people.alice, change=request_of_kim)
