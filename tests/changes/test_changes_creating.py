"""Asking for a change, with and without a branch, and everything that is refused with a clear reason."""

from __future__ import annotations

import contextlib

import pytest

from apps.audit.models import AuditEntry
from apps.changes import queries
from apps.changes.models import ChangeNumber, ChangeRequest, Revision
from apps.changes.services import create_change
from apps.core.errors import Conflict, InvalidInput, NotAllowed, NotVisible, PortalError
from apps.repositories.services import synchronise
from tests.support.git import GitRepo
from tests.support.people import cast
from tests.support.repositories import branch_with, connected

pytestmark = pytest.mark.django_db


@pytest.fixture
def people():
    return cast()


@pytest.fixture
def infra(tmp_path, people):
    return connected(
        tmp_path, people.carol, members={"alice": "author", "bob": "reviewer", "dave": "auditor", "kim": "viewer"}
    )


def test_a_viewer_may_ask_for_a_change_without_code(infra, people):
    repository, _ = infra
    change = create_change(people.kim, repository=repository, title="  More replicas ", description="Please.")
    assert (change.number, change.status, change.target_branch) == (1, "requested", "main")
    assert change.title == "More replicas" and change.owner is None and change.revision is None
    assert queries.contributors(change) == ()
    assert AuditEntry.objects.order_by("-seq").first().action == "change.requested"


def test_a_change_from_a_branch_has_its_first_revision_with_all_facts(infra, people):
    repository, work = infra
    head = branch_with(work, "feature/x", {"app/values.yaml": "replicas: 3\nimage: web:1\n", "new file": "a\nb\n"})
    change = create_change(people.alice, repository=repository, title="Scale", source_branch="feature/x")
    revision = change.revision
    assert (change.status, revision.number, revision.head_oid, revision.target_oid) == (
        "in_review", 1, head, work.rev_parse("main"),
    )  # fmt: skip
    assert revision.result_tree == work.tree("feature/x") and revision.conflicts == []
    assert revision.paths == ["app/values.yaml", "new file"]
    assert (revision.files_changed, revision.lines_added, revision.lines_removed, revision.commit_count) == (2, 3, 1, 1)
    assert len(revision.subject) == 64 and revision.merge_bases == [work.rev_parse("main")]
    assert change.owner == people.alice


def test_a_draft_starts_as_a_draft(infra, people):
    repository, work = infra
    branch_with(work, "x", {"a": "1"})
    assert (
        create_change(people.alice, repository=repository, title="X", source_branch="x", draft=True).status == "draft"
    )


def test_every_use_case_writes_one_audit_entry(infra, people):
    repository, work = infra
    branch_with(work, "x", {"a": "1"})
    synchronise(repository.pk)
    before = AuditEntry.objects.count()
    create_change(people.alice, repository=repository, title="X", source_branch="x")
    assert [e.action for e in AuditEntry.objects.order_by("seq")[before:]] == ["change.opened"]


def test_head_target_and_result_are_pinned_and_survive_the_branch(infra, people):
    repository, work = infra
    head = branch_with(work, "x", {"a": "1"})
    change = create_change(people.alice, repository=repository, title="X", source_branch="x")
    work.push(":refs/heads/x")
    synchronise(repository.pk)
    mirror = GitRepo(repository.mirror_path)
    pins = mirror.run("for-each-ref", "--format=%(objectname)", f"refs/portal/changes/{change.number}/r1/").split()
    assert head in pins and work.rev_parse("main") in pins
    result = next(oid for oid in pins if oid not in {head, work.rev_parse("main")})
    assert mirror.tree(result) == change.revision.result_tree
    mirror.run("gc", "-q", "--prune=now")
    assert mirror.run("cat-file", "-t", head) == "commit"


def test_the_branch_just_pushed_is_seen_without_waiting(infra, people):
    repository, work = infra
    head = branch_with(work, "just-now", {"a": "1"})
    change = create_change(people.alice, repository=repository, title="X", source_branch="just-now")
    assert change.revision.head_oid == head


@pytest.mark.parametrize(
    ("source", "target", "code", "field"),
    [
        ("nope", "", "unknown_branch", "source_branch"),
        ("x", "nope", "unknown_branch", "target_branch"),
        ("main", "", "same_branch", "source_branch"),
        ("x", "x", "same_branch", "source_branch"),
        ("a..b", "", "bad_branch_name", "source_branch"),
        ("a b", "", "bad_branch_name", "source_branch"),
        ("x\0", "", "bad_branch_name", "source_branch"),
        (r"caf\xe9", "", "bad_branch_name", "source_branch"),
        ("caf\udce9", "", "bad_branch_name", "source_branch"),
        ("x/" * 200 + "x", "", "bad_branch_name", "source_branch"),
        ("x", "y z", "bad_branch_name", "target_branch"),
        ("same-as-main", "", "nothing_to_merge", "source_branch"),
    ],
)
def test_a_branch_that_cannot_be_proposed_is_refused_by_field(infra, people, source, target, code, field):
    repository, work = infra
    branch_with(work, "x", {"a": "1"})
    work.push("main:refs/heads/same-as-main")
    with pytest.raises(InvalidInput) as refusal:
        create_change(people.alice, repository=repository, title="X", source_branch=source, target_branch=target)
    assert refusal.value.code == code and list(refusal.value.details["fields"]) == [field]
    assert not ChangeRequest.objects.exists()


def test_a_misspelt_branch_names_the_nearest_ones(infra, people):
    repository, work = infra
    branch_with(work, "feature/scale-web", {"a": "1"})
    with pytest.raises(InvalidInput) as refusal:
        create_change(people.alice, repository=repository, title="X", source_branch="feature/scale-wbe")
    assert refusal.value.details["nearest"] == ["feature/scale-web"]
    assert "Did you mean feature/scale-web?" in refusal.value.message


@pytest.mark.parametrize("name", ["--output=x", "-h", "<script>alert(1)</script>", "quo\"te'", "deadbeef", "ünïcödé/✓"])
def test_branches_with_odd_but_legal_names_work(infra, people, name, tmp_path):
    repository, work = infra
    head = branch_with(work, name, {"a": "1"})
    change = create_change(people.alice, repository=repository, title="X", source_branch=name)
    assert (change.source_branch, change.revision.head_oid) == (name, head)
    assert not list(tmp_path.rglob("x")) and not list(repository.mirror_path.glob("x"))


@pytest.mark.parametrize("title", ["", "   ", "\n", "x" * 201, "\udcff"])
def test_a_title_is_needed(infra, people, title):
    repository, _ = infra
    with pytest.raises(InvalidInput) as refusal:
        create_change(people.alice, repository=repository, title=title)
    assert refusal.value.code == "bad_title"


def test_control_characters_in_a_title_become_spaces(infra, people):
    repository, _ = infra
    assert create_change(people.alice, repository=repository, title="a\nb\x00c").title == "a b c"


def test_a_description_has_a_limit(infra, people):
    repository, _ = infra
    with pytest.raises(InvalidInput) as refusal:
        create_change(people.alice, repository=repository, title="X", description="x" * 50_001)
    assert refusal.value.code == "bad_description"


def test_who_may_not_write_cannot_open_a_change_from_a_branch(infra, people):
    repository, work = infra
    branch_with(work, "x", {"a": "1"})
    with pytest.raises(NotAllowed) as refusal:
        create_change(people.kim, repository=repository, title="X", source_branch="x")
    assert refusal.value.code == "not_author"
    with pytest.raises(NotAllowed):
        create_change(people.dave, repository=repository, title="X")
    with pytest.raises(NotVisible):
        create_change(people.mallory, repository=repository, title="X", source_branch="x")


def test_the_same_pair_of_branches_has_one_open_change(infra, people):
    repository, work = infra
    branch_with(work, "x", {"a": "1"})
    first = create_change(people.alice, repository=repository, title="X", source_branch="x")
    with pytest.raises(Conflict) as refusal:
        create_change(people.bob, repository=repository, title="X again", source_branch="x")
    assert refusal.value.code == "branch_pair_taken" and refusal.value.details["number"] == first.number
    work.push("main:refs/heads/live")
    assert create_change(people.bob, repository=repository, title="X", source_branch="x", target_branch="live").pk


def test_histories_without_a_common_commit_are_refused(infra, people):
    repository, work = infra
    work.run("checkout", "-q", "--orphan", "island")
    work.commit("island", files={"island": "1"})
    work.push("HEAD:refs/heads/island")
    with pytest.raises(Conflict) as refusal:
        create_change(people.alice, repository=repository, title="X", source_branch="island")
    assert refusal.value.code == "unrelated_histories"


def test_a_conflict_is_a_visible_state_that_names_the_files(infra, people):
    repository, work = infra
    branch_with(work, "x", {"app/values.yaml": "replicas: 3\nimage: web:1\n"})
    work.checkout("main")
    work.commit("other", files={"app/values.yaml": "replicas: 2\nimage: web:1\n"})
    work.push()
    change = create_change(people.alice, repository=repository, title="X", source_branch="x")
    revision = change.revision
    assert (revision.result_tree, revision.subject, revision.conflicts) == ("", "", ["app/values.yaml"])
    facts = queries.git_facts(change)
    assert [reason.code for reason in facts.reasons] == ["conflict"] and "app/values.yaml" in facts.reasons[0].text


def test_odd_file_names_and_contents_become_facts_not_errors(infra, people):
    repository, work = infra
    names = [b"new\nline", b'quo"te', b"<script>x", b"caf\xe9", b"tab\there"]
    work.run("checkout", "-q", "-b", "odd")
    for name in names:
        work.write(name, b"\x00\xff binary")
    work.commit("odd")
    work.push()
    change = create_change(people.alice, repository=repository, title="X", source_branch="odd")
    assert sorted(change.revision.paths) == sorted(["new\nline", 'quo"te', "<script>x", r"caf\xe9", "tab\there"])
    assert change.revision.lines_added == 0


def test_old_and_new_path_of_a_rename_are_both_named(infra, people):
    repository, work = infra
    work.run("checkout", "-q", "-b", "move")
    work.rename("app/values.yaml", "moved/values.yaml")
    work.commit("move")
    work.push()
    change = create_change(people.alice, repository=repository, title="X", source_branch="move")
    assert change.revision.paths == ["app/values.yaml", "moved/values.yaml"] and change.revision.files_changed == 1


def test_the_difference_is_target_to_merge_result_in_a_criss_cross_history(infra, people):
    """RELIABILITY case 6: base...head hides what the merge really does."""
    repository, work = infra
    work.commit("auth on", files={"auth": "on\n"})
    work.run("checkout", "-q", "-b", "b")
    work.commit("b1", files={"b": "1"})
    work.checkout("main")
    work.commit("m1", files={"m": "1"})
    old_main, old_b = work.rev_parse("main"), work.rev_parse("b")
    work.merge(old_b)
    work.run("checkout", "-q", "b")
    work.run("merge", "-q", "--no-ff", "--no-commit", old_main, env=work._people("A <a@x>", "A <a@x>"))
    work.write("auth", "off\n")
    work.commit("evil merge")
    work.push("main", "b")
    change = create_change(people.alice, repository=repository, title="X", source_branch="b")
    assert len(change.revision.merge_bases) == 2
    assert change.revision.paths == ["auth"]
    assert queries.git_facts(change).several_bases


def test_numbers_have_no_gaps_also_after_refusals(infra, people):
    repository, _ = infra
    numbers = []
    for title in ["one", "", "two", "x" * 300, "three"]:
        with contextlib.suppress(PortalError):
            numbers.append(create_change(people.alice, repository=repository, title=title).number)
    assert numbers == [1, 2, 3] and ChangeNumber.objects.get().last == 3


def test_a_failure_after_the_pin_leaves_no_change(infra, people, monkeypatch):
    repository, work = infra
    branch_with(work, "x", {"a": "1"})
    from apps.changes import transitions

    def fail(*_args, **_options):
        raise OSError("disk full")

    monkeypatch.setattr(transitions.audit, "record", fail)
    synchronise_error = None
    try:
        create_change(people.alice, repository=repository, title="X", source_branch="x")
    except OSError as error:
        synchronise_error = error
    assert synchronise_error is not None
    assert not ChangeRequest.objects.exists() and not Revision.objects.exists()
    monkeypatch.undo()
    assert create_change(people.alice, repository=repository, title="X", source_branch="x").number == 1
