"""Connecting a repository: what works, what is refused, and that nothing is half-made."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.core.errors import Conflict, InvalidInput, NotAllowed, NotVisible, PortalError
from apps.repositories import access, queries
from apps.repositories.models import BranchTip, RefUpdate, Repository
from apps.repositories.services import connect_repository, connecting, remove_member, set_member
from tests.support.git import GitRepo, bare_remote
from tests.support.people import cast, person, team
from tests.support.repositories import connected

pytestmark = pytest.mark.django_db


@pytest.fixture
def people():
    return cast()


def mirrors_on_disk(data_dir: Path) -> list[Path]:
    folder = data_dir / "mirrors"
    return sorted(folder.iterdir()) if folder.exists() else []


def test_connecting_makes_mirror_row_tips_facts_roles_and_one_audit_entry(tmp_path, people):
    sre = team("sre", people.bob)
    bare, work = bare_remote(tmp_path)
    work.commit("more", branch="feature/x", files={"a": "1"})
    work.push()
    before = AuditEntry.objects.count()

    repository = connect_repository(
        people.carol, name="infra", url=str(bare.path), members={"alice": "author", "team/sre": "reviewer"}
    )

    assert repository.default_branch == "main"
    assert GitRepo(repository.mirror_path).rev_parse("refs/heads/feature/x") == work.rev_parse("HEAD")
    assert set(repository.branch_tips.values_list("name", flat=True)) == {"main", "feature/x"}
    assert set(repository.ref_updates.values_list("cause", "kind")) == {("connect", "created")}
    assert [(m.principal, m.role) for m in queries.members(repository)] == [
        ("alice", "author"), ("carol", "maintainer"), ("team/sre", "reviewer"),
    ]  # fmt: skip
    assert access.can_review(people.bob, repository).allowed
    assert sre.repository_roles.count() == 1
    assert list(AuditEntry.objects.order_by("seq").values_list("action", flat=True))[before:] == [
        "repository.connected"
    ]
    told = AuditEntry.objects.get(action="repository.connected").data
    assert (told["url"], told["commit"]) == (str(bare.path), work.rev_parse("main"))


def test_who_sees_a_repository_has_one_answer_whichever_way_it_is_asked(tmp_path, people):
    """Lists ask which repositories somebody sees, a page whether somebody sees this one, and a socket who of many does."""
    gone = person("gone")
    team("sre", people.kim, gone)
    roles = {"alice": "viewer", "dave": "auditor", "bob": "reviewer", "team/sre": "author"}
    repository, _ = connected(tmp_path, people.carol, members=roles)
    other, _ = connected(tmp_path, people.carol, name="other")
    User.objects.filter(pk=gone.pk).update(is_active=False)
    for one in (repository, other):
        everybody = list(User.objects.all())
        by_role = {user.pk for user in everybody if access.can_see(user, one).allowed}
        by_list = {user.pk for user in everybody if Repository.objects.visible_to(user).filter(pk=one.pk).exists()}
        assert by_role == by_list == access.who_see(one.pk, {user.pk for user in everybody})
    assert by_role == {people.carol.pk, people.erin.pk}
    assert access.who_see(repository.pk, {people.bob.pk, people.mallory.pk}) == {people.bob.pk}


def test_people_without_the_permission_cannot_connect(tmp_path, people):
    bare, _ = bare_remote(tmp_path)
    with pytest.raises(NotAllowed) as refusal:
        connect_repository(people.alice, name="infra", url=str(bare.path))
    assert refusal.value.code == "not_allowed_to_connect"


def test_administrators_may_connect(tmp_path, people):
    bare, _ = bare_remote(tmp_path)
    assert connect_repository(people.erin, name="infra", url=str(bare.path)).pk


@pytest.mark.parametrize("name", ["", "a b", "-x", "../etc", "a/b", "new", "ä", "x" * 81, "a\n"])
def test_a_name_that_cannot_stand_in_an_address_is_refused(tmp_path, people, name):
    bare, _ = bare_remote(tmp_path)
    if name == "a\n":
        assert connect_repository(people.carol, name=name, url=str(bare.path)).name == "a"
        return
    with pytest.raises(InvalidInput) as refusal:
        connect_repository(people.carol, name=name, url=str(bare.path))
    assert refusal.value.code == "bad_name"


def test_a_taken_name_is_a_conflict_in_any_case(tmp_path, people):
    repository, _ = connected(tmp_path, people.carol)
    with pytest.raises(Conflict) as refusal:
        connect_repository(people.carol, name="INFRA", url=repository.url)
    assert refusal.value.code == "name_taken"


def test_unknown_people_and_teams_are_named(tmp_path, people, data_dir):
    bare, _ = bare_remote(tmp_path)
    members = {"alice": "author", "nobody": "viewer", "team/none": "reviewer"}
    with pytest.raises(InvalidInput) as refusal:
        connect_repository(people.carol, name="infra", url=str(bare.path), members=members)
    assert refusal.value.code == "unknown_members"
    assert refusal.value.details["unknown"] == ["nobody", "team/none"]
    assert mirrors_on_disk(data_dir) == []


def test_an_unknown_role_lists_the_roles(tmp_path, people):
    bare, _ = bare_remote(tmp_path)
    with pytest.raises(InvalidInput) as refusal:
        connect_repository(people.carol, name="infra", url=str(bare.path), members={"alice": "boss"})
    assert refusal.value.code == "unknown_role" and "maintainer" in refusal.value.message


def test_the_default_branch_that_was_given_must_exist(tmp_path, people, data_dir):
    bare, _ = bare_remote(tmp_path)
    with pytest.raises(InvalidInput) as refusal:
        connect_repository(people.carol, name="infra", url=str(bare.path), default_branch="trunk")
    assert refusal.value.code == "unknown_branch" and "main" in refusal.value.message
    assert mirrors_on_disk(data_dir) == []


def test_another_branch_can_be_the_default(tmp_path, people):
    bare, work = bare_remote(tmp_path)
    work.commit("more", branch="live", files={"a": "1"})
    work.push()
    repository = connect_repository(people.carol, name="infra", url=str(bare.path), default_branch="live")
    assert repository.default_branch == "live"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ext::sh -c touch% /tmp/pwned", "url_refused"),
        ("file:///etc", "url_refused"),
        ("--upload-pack=touch /tmp/pwned", "url_refused"),
        ("https://user:secret@host.example/x.git", "url_refused"),
        ("http://169.254.169.254/latest", "url_refused"),
        ("https://127.0.0.1/x.git", "url_refused"),
        ("/etc", "url_refused"),
        ("", "bad_url"),
        ("https://h/" + "x" * 600, "bad_url"),
    ],
)
def test_an_address_that_is_refused_leaves_nothing(people, data_dir, url, code):
    with pytest.raises(PortalError) as refusal:
        connect_repository(people.carol, name="infra", url=url)
    assert refusal.value.code == code
    assert not Repository.objects.exists() and mirrors_on_disk(data_dir) == []
    assert "secret" not in refusal.value.message


def test_an_empty_repository_is_refused(tmp_path, people, data_dir):
    bare = GitRepo.create(tmp_path / "empty.git", bare=True)
    with pytest.raises(PortalError) as refusal:
        connect_repository(people.carol, name="infra", url=str(bare.path))
    assert refusal.value.code == "repository_empty"
    assert mirrors_on_disk(data_dir) == []


def test_a_directory_that_is_no_repository_is_refused(tmp_path, people):
    (tmp_path / "plain").mkdir()
    with pytest.raises(PortalError) as refusal:
        connect_repository(people.carol, name="infra", url=str(tmp_path / "plain"))
    assert refusal.value.code == "not_a_repository"


def test_a_repository_that_is_too_large_leaves_nothing(tmp_path, people, data_dir, settings):
    import os

    bare, _ = bare_remote(tmp_path, {"blob": os.urandom(2_000_000)})
    settings.PORTAL_MIRROR_MAX_MB = 1
    with pytest.raises(PortalError) as refusal:
        connect_repository(people.carol, name="infra", url=str(bare.path))
    assert refusal.value.code == "repository_too_large"
    assert not Repository.objects.exists() and mirrors_on_disk(data_dir) == []


def test_a_broken_repository_leaves_nothing(tmp_path, people, data_dir):
    bare, _work = bare_remote(tmp_path)
    for pack in [*bare.path.glob("objects/??/*"), *bare.path.glob("objects/pack/*.pack")]:
        pack.chmod(0o644)
        pack.write_bytes(b"rubbish")
    with pytest.raises(PortalError) as refusal:
        connect_repository(people.carol, name="infra", url=str(bare.path))
    assert refusal.value.code in {"repository_broken", "not_a_repository", "repository_empty"}
    assert not Repository.objects.exists() and mirrors_on_disk(data_dir) == []


def test_a_failed_transaction_removes_the_mirror(tmp_path, people, data_dir, monkeypatch):
    bare, _ = bare_remote(tmp_path)
    entries = AuditEntry.objects.count()

    def full_disk(*_args, **_options):
        raise OSError("disk full")

    monkeypatch.setattr(connecting.audit, "record", full_disk)
    with pytest.raises(OSError):
        connect_repository(people.carol, name="infra", url=str(bare.path))
    assert mirrors_on_disk(data_dir) == []
    assert not Repository.objects.exists() and not BranchTip.objects.exists() and not RefUpdate.objects.exists()
    assert AuditEntry.objects.count() == entries


def test_a_branch_that_is_not_utf_8_is_shown_escaped(tmp_path, people):
    bare, work = bare_remote(tmp_path)
    work.run(b"push", b"-q", b"origin", b"HEAD:refs/heads/caf\xe9")
    repository = connect_repository(people.carol, name="infra", url=str(bare.path))
    odd = next(branch for branch in queries.branches(repository) if not branch.usable)
    assert odd.name == r"caf\xe9"


def test_credentials_are_kept_encrypted(tmp_path, people):
    bare, _ = bare_remote(tmp_path)
    repository = connect_repository(
        people.carol, name="infra", url=str(bare.path), username="bot", secret="hunter2hunter2"
    )
    stored = Repository.objects.filter(pk=repository.pk).values().get()
    assert "hunter2hunter2" not in str(stored)
    assert queries.webhook_secret(repository).startswith("whsec_")
    assert "hunter2hunter2" not in str(list(AuditEntry.objects.values()))


def test_outsiders_see_no_repository(tmp_path, people):
    repository, _ = connected(tmp_path, people.carol)
    with pytest.raises(NotVisible):
        queries.find(people.mallory, "infra")
    with pytest.raises(NotVisible):
        access.require_ask(people.mallory, repository)
    assert not queries.visible(people.mallory).exists()
    assert queries.find(people.erin, "infra") == repository


def test_roles_come_from_the_person_and_from_teams_and_end_with_the_account(tmp_path, people):
    team("sre", people.bob)
    repository, _ = connected(
        tmp_path, people.carol, members={"team/sre": "reviewer", "bob": "viewer", "dave": "auditor"}
    )
    assert access.role_of(people.bob, repository) == {"reviewer", "viewer"}
    assert access.can_review(people.bob, repository).allowed
    assert not access.can_deploy(people.bob, repository).allowed
    assert access.can_audit(people.dave, repository).allowed
    assert not access.can_ask(people.dave, repository).allowed
    people.bob.is_active = False
    assert not access.can_see(people.bob, repository).allowed


def test_an_administrator_keeps_order_but_does_not_review_or_deploy(tmp_path, people):
    repository, _ = connected(tmp_path, people.carol)
    assert access.can_maintain(people.erin, repository).allowed
    assert access.can_review(people.erin, repository).code == "not_reviewer"
    assert access.can_deploy(people.erin, repository).code == "not_deployer"


def test_members_are_set_and_removed_by_maintainers_only(tmp_path, people):
    repository, _ = connected(tmp_path, people.carol, members={"alice": "author"})
    with pytest.raises(NotAllowed):
        set_member(people.alice, repository=repository, member="alice", role="maintainer")
    set_member(people.carol, repository=repository, member="alice", role="reviewer")
    assert access.role_of(people.alice, repository) == {"reviewer"}
    remove_member(people.carol, repository=repository, member="alice")
    assert not access.can_see(people.alice, repository).allowed
    with pytest.raises(NotVisible):
        remove_member(people.carol, repository=repository, member="alice")


def test_the_last_maintainer_stays(tmp_path, people):
    repository, _ = connected(tmp_path, people.carol)
    with pytest.raises(Conflict) as refusal:
        remove_member(people.carol, repository=repository, member="carol")
    assert refusal.value.code == "last_maintainer"
    with pytest.raises(Conflict):
        set_member(people.carol, repository=repository, member="carol", role="viewer")
    assert access.role_of(people.carol, repository) == {"maintainer"}
