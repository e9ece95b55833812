"""Suggestions: one commit with exactly the bytes that were meant, by people who are contributors from then on."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict, InvalidInput, NotAllowed, PortalError
from apps.repositories.services import synchronise
from apps.reviews import services
from apps.reviews.models import Comment, SuggestionCommit
from apps.reviews.services import threads_suggestions
from apps.reviews.suggestions import Edit, apply_edits, suggested_lines
from apps.vcs import remotes
from tests.support.delivery import Delivery, pipeline, run_jobs
from tests.support.git import GitRepo
from tests.support.repositories import pushed

pytestmark = pytest.mark.django_db
LINES = "".join(f"key{number}: {number}\n" for number in range(1, 9))


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline())


@pytest.fixture
def change(delivery: Delivery) -> ChangeRequest:
    return delivery.proposed("one", {"app/values.yaml": LINES, "app/run.sh": "echo 1\n"})


def suggest(
    delivery: Delivery, change: ChangeRequest, text: str, who: str = "bob", *, line: int = 3, first: int | None = None,
    path: str = "app/values.yaml",
) -> Comment:  # fmt: skip
    body = f"Better:\n```suggestion\n{text}```\n"
    thread = services.open_thread(
        getattr(delivery.people, who), change=change, body=body, path=path, line=line, start_line=first
    )
    return thread.comments.get()


def take(delivery: Delivery, change: ChangeRequest, *comments: Comment, who: str = "alice", revision: int = 1) -> str:
    keys = [comment.pk for comment in comments]
    user = getattr(delivery.people, who)
    return services.apply_suggestions(user, change=change, comments=keys, revision=revision).commit


def content(delivery: Delivery, path: str = "app/values.yaml", branch: str = "one") -> bytes:
    bare = GitRepo(Path(delivery.repository.url))
    return bare.run_bytes("cat-file", "blob", f"{branch}:{path}")


def test_a_suggestion_becomes_one_commit_and_a_new_revision(delivery: Delivery, change: ChangeRequest) -> None:
    comment = suggest(delivery, change, "key3: 33\nkey3b: 4\n")
    before = AuditEntry.objects.filter(action="suggestion.applied").count()
    commit = take(delivery, change, comment)
    assert content(delivery) == LINES.replace("key3: 3\n", "key3: 33\nkey3b: 4\n").encode()
    change.refresh_from_db()
    assert change.revision is not None
    assert (change.revision.number, change.revision.head_oid) == (2, commit)
    bare = GitRepo(Path(delivery.repository.url))
    shown = bare.run("show", "-s", "--format=%an <%ae>|%cn <%ce>|%B", commit)
    assert shown.startswith("Bob <bob@example.org>|Alice <alice@example.org>|")
    assert "Co-authored-by: Alice <alice@example.org>" in shown
    assert "Change-Request: CHG-1" in shown
    assert AuditEntry.objects.filter(action="suggestion.applied").count() == before + 1
    run_jobs()
    change.refresh_from_db()
    assert change.revision.number == 2


def test_who_suggested_and_who_applied_cannot_approve_any_more(delivery: Delivery, change: ChangeRequest) -> None:
    delivery.people.bob.email = ""
    delivery.people.bob.save()
    delivery.people.bob.emailaddress_set.all().delete()  # type: ignore[attr-defined]
    take(delivery, change, suggest(delivery, change, "key3: 33\n"), who="kim")
    for who in ("bob", "kim"):
        with pytest.raises(NotAllowed) as refusal:
            services.submit_review(getattr(delivery.people, who), change=change, revision=2, verdict="approve")
        assert refusal.value.code == "contributor"


def test_a_batch_is_one_commit(delivery: Delivery, change: ChangeRequest) -> None:
    first = suggest(delivery, change, "", line=2, first=1)
    second = suggest(delivery, change, "key8: eight\n", "kim", line=8)
    third = suggest(delivery, change, "echo 2\n", path="app/run.sh", line=1)
    take(delivery, change, third, second, first)
    assert content(delivery) == LINES[16:].replace("key8: 8", "key8: eight").encode()
    assert content(delivery, "app/run.sh") == b"echo 2\n"
    change.refresh_from_db()
    assert change.revision is not None
    assert (change.revision.number, change.revision.commit_count) == (2, 2)


def renamed(delivery: Delivery, change: ChangeRequest, tmp_path: Path) -> None:
    work = GitRepo.clone(delivery.repository.url, tmp_path / "renaming")
    work.checkout("one")
    work.rename("app/values.yaml", "app/web.yaml")
    work.commit("rename")
    work.push()
    synchronise(delivery.repository.pk)
    run_jobs()
    change.refresh_from_db()


def test_suggestions_under_the_old_and_the_new_name_of_a_file_are_all_taken(
    delivery: Delivery, change: ChangeRequest, tmp_path: Path
) -> None:
    before = suggest(delivery, change, "key3: 33\n")
    renamed(delivery, change, tmp_path)
    after = suggest(delivery, change, "key8: 88\n", "kim", line=8, path="app/web.yaml")
    again = suggest(delivery, change, "key3: three\n", "kim", path="app/web.yaml")
    with pytest.raises(Conflict) as refusal:
        take(delivery, change, before, again, revision=2)
    assert refusal.value.code == "suggestions_conflict"
    take(delivery, change, before, after, revision=2)
    assert content(delivery, "app/web.yaml") == LINES.replace(" 3\n", " 33\n").replace(" 8\n", " 88\n").encode()


def test_two_suggestions_for_the_same_lines_are_refused_by_name(delivery: Delivery, change: ChangeRequest) -> None:
    one = suggest(delivery, change, "x\n", line=4, first=2)
    other = suggest(delivery, change, "y\n", "kim", line=4)
    with pytest.raises(Conflict) as refusal:
        take(delivery, change, one, other)
    assert "bob's suggestion in thread 1 and kim's suggestion in thread 2" in refusal.value.message
    assert content(delivery) == LINES.encode()
    assert not SuggestionCommit.objects.exists()


def test_line_ends_a_missing_last_newline_foreign_bytes_and_modes_stay(delivery: Delivery) -> None:
    delivery.work.run("checkout", "-q", "-b", "odd", "origin/main")
    crlf, latin = b"a\r\nb\r\nc\r\n", b"caf\xe9\nb: 1\nend"
    delivery.work.write("bin/tool", b"#!/bin/sh\necho old", mode=0o755)
    delivery.work.commit("odd", files={"dos.ini": crlf, "latin.txt": latin})
    pushed(delivery.repository, delivery.work, "HEAD:refs/heads/odd")
    from apps.changes.services import create_change

    change = create_change(delivery.people.alice, repository=delivery.repository, title="Odd", source_branch="odd")
    made = [
        suggest(delivery, change, "B\nBB\n", path="dos.ini", line=2),
        suggest(delivery, change, "END\n", path="latin.txt", line=3),
        suggest(delivery, change, "echo new\n", path="bin/tool", line=2),
    ]
    take(delivery, change, *made)
    assert content(delivery, "dos.ini", "odd") == b"a\r\nB\r\nBB\r\nc\r\n"
    assert content(delivery, "latin.txt", "odd") == b"caf\xe9\nb: 1\nEND"
    assert content(delivery, "bin/tool", "odd") == b"#!/bin/sh\necho new"
    bare = GitRepo(Path(delivery.repository.url))
    assert bare.run("ls-tree", "odd", "bin/tool").startswith("100755 ")
    assert bare.run("diff", "--name-only", "odd~1", "odd").split() == ["bin/tool", "dos.ini", "latin.txt"]
    bare.run("fsck", "--strict")


def test_a_moved_head_refuses_and_loses_nothing(delivery: Delivery, change: ChangeRequest) -> None:
    comment = suggest(delivery, change, "key3: 33\n")
    delivery.work.run("checkout", "-q", "one")
    delivery.work.commit("more", files={"other.txt": "1\n"})
    delivery.work.push("HEAD:refs/heads/one")  # the portal has not looked yet
    with pytest.raises(Conflict) as refusal:
        take(delivery, change, comment)
    assert refusal.value.code == "moved_head"
    assert content(delivery) == LINES.encode()
    pushed(delivery.repository, delivery.work, "HEAD:refs/heads/one")
    run_jobs()
    change.refresh_from_db()
    with pytest.raises(Conflict) as refusal:
        take(delivery, change, comment, revision=1)
    assert refusal.value.code == "stale_revision"
    assert change.revision is not None
    take(delivery, change, comment, revision=change.revision.number)
    assert b"key3: 33\n" in content(delivery)


def test_a_suggestion_is_applied_once(delivery: Delivery, change: ChangeRequest) -> None:
    comment = suggest(delivery, change, "key3: 33\n")
    take(delivery, change, comment)
    change.refresh_from_db()
    with pytest.raises(Conflict) as refusal:
        take(delivery, change, comment, revision=2)
    assert refusal.value.code == "already_applied"


def test_of_two_who_apply_at_once_one_wins(
    delivery: Delivery, change: ChangeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = suggest(delivery, change, "key3: 33\n"), suggest(delivery, change, "key5: 55\n", line=5)
    push, lost = remotes.push_with_lease, []

    def meanwhile(*args: object, **options: object) -> remotes.PushOutcome:
        monkeypatch.setattr(threads_suggestions.remotes, "push_with_lease", push)
        try:
            take(delivery, change, other, who="kim")
        except Conflict as refusal:
            lost.append(refusal.code)
        return push(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(threads_suggestions.remotes, "push_with_lease", meanwhile)
    take(delivery, change, one)
    assert lost == ["already_applying"]
    assert SuggestionCommit.objects.get().state == "applied"
    assert b"key5: 5\n" in content(delivery)


def test_killed_after_the_push_the_job_records_what_arrived(
    delivery: Delivery, change: ChangeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    comment = suggest(delivery, change, "key3: 33\n")

    def killed(_row: SuggestionCommit) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(threads_suggestions, "_finish", killed)
        with pytest.raises(KeyboardInterrupt):
            take(delivery, change, comment)
    SuggestionCommit.objects.update(created_at=timezone.now() - threads_suggestions.PATIENCE * 2)
    run_jobs("reviews.settle_suggestions")
    assert SuggestionCommit.objects.get().state == "applied"
    assert set(change.contributions.filter(how="suggested").values_list("user__username", flat=True)) == {
        "alice",
        "bob",
    }


def test_killed_before_the_push_the_suggestion_can_be_applied_again(
    delivery: Delivery, change: ChangeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    comment = suggest(delivery, change, "key3: 33\n")

    def killed(_row: SuggestionCommit) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(threads_suggestions, "_push", killed)
        with pytest.raises(KeyboardInterrupt):
            take(delivery, change, comment)
    SuggestionCommit.objects.update(created_at=timezone.now() - threads_suggestions.PATIENCE * 2)
    run_jobs("reviews.settle_suggestions")
    assert SuggestionCommit.objects.get().state == "failed"
    assert not change.contributions.filter(how="suggested").exists()
    take(delivery, change, comment)
    assert b"key3: 33\n" in content(delivery)


def test_what_cannot_be_applied_says_why(delivery: Delivery, change: ChangeRequest) -> None:
    plain = services.open_thread(delivery.people.bob, change=change, body="no suggestion").comments.get()
    comment = suggest(delivery, change, "key3: 33\n")
    other = delivery.proposed("two")
    for wanted, where in ((plain, change), (comment, other)):
        with pytest.raises(InvalidInput):
            take(delivery, where, wanted)
    for who in ("dave", "mallory"):
        with pytest.raises(NotAllowed):
            take(delivery, change, comment, who=who)
    delivery.work.push(":refs/heads/one")
    pushed(delivery.repository, delivery.work)
    run_jobs()
    change.refresh_from_db()
    with pytest.raises(PortalError) as refusal:
        take(delivery, change, comment)
    assert refusal.value.code == "no_branch"


def test_an_outdated_suggestion_is_refused(delivery: Delivery, change: ChangeRequest) -> None:
    comment = suggest(delivery, change, "key3: 33\n")
    delivery.work.run("checkout", "-q", "one")
    delivery.work.commit("more", files={"app/values.yaml": LINES.replace("key3: 3\n", "key3: 9\n")})
    pushed(delivery.repository, delivery.work, "HEAD:refs/heads/one")
    run_jobs()
    change.refresh_from_db()
    with pytest.raises(Conflict) as refusal:
        take(delivery, change, comment, revision=2)
    assert refusal.value.code == "outdated_suggestion"


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("no block", None),
        ("```yaml\na\n```", None),
        ("```suggestion\na\nb\n```", ["a", "b"]),
        ("```suggestion\r\na\r\n```", ["a"]),
        ("words\n```suggestion\n```\nmore", []),
        ("````suggestion\n```\ncode\n```\n````", ["```", "code", "```"]),
        ("```suggestion\nnever closed", None),
        ("~~~suggestion\na\n~~~", ["a"]),
    ],
)
def test_the_block_is_that_of_commonmark(body: str, lines: list[str] | None) -> None:
    assert suggested_lines(body) == lines


def test_edits_leave_all_other_bytes_alone() -> None:
    data = b"\xff\xfe\r\n\x00b\r\nc\rd\nlast"
    edited = apply_edits(data, [Edit(2, 2, ("x", "y"), "bob"), Edit(4, 4, ("end",), "kim")])
    assert edited == b"\xff\xfe\r\nx\r\ny\r\nc\rd\nend"
