from __future__ import annotations

import pytest

from apps.vcs import blaming
from apps.vcs.errors import GitFailed
from apps.vcs.gateway import CONFIGURATION
from tests.support.git import bare_remote

LINES = "".join(f"line {n}\n" for n in range(20))


@pytest.fixture
def told(tmp_path):
    """A file written by Alice, edited by Bob, renamed by Carol."""
    _, work = bare_remote(tmp_path, {"old.txt": LINES, "other": "1\n"})
    work.commit("edit", files={"old.txt": LINES.replace("line 5\n", "five\n")}, author="Bob <bob@example.org>")
    work.rename("old.txt", "dir/new.txt")
    work.commit("move", author="Carol <carol@example.org>")
    return work


def of_lines(found: blaming.Blame) -> list[str]:
    return [span.origin.author for span in found.spans for _ in range(span.count)]


def test_blame_names_the_author_of_each_line_and_follows_renames(told):
    found = blaming.blame(told.git_dir, told.rev_parse("HEAD"), "dir/new.txt", first=1, last=20)
    assert found.complete
    assert of_lines(found) == ["Alice"] * 5 + ["Bob"] + ["Alice"] * 14
    assert {span.path for span in found.spans} == {"old.txt"}


def test_a_window_is_blamed_alone_and_equals_what_porcelain_says(told):
    head = told.rev_parse("HEAD")
    found = blaming.blame(told.git_dir, head, "dir/new.txt", first=4, last=8)
    printed = told.run("blame", "--porcelain", "-L4,8", head, "--", "dir/new.txt").split("\n")
    oids = [line.split(" ")[0] for line in printed if len(line.split(" ")[0]) == 40]
    assert [span.origin.oid for span in found.spans for _ in range(span.count)] == oids
    assert min(span.start for span in found.spans) == 4


def test_odd_names_and_paths_come_back_byte_by_byte(tmp_path):
    _, work = bare_remote(tmp_path, {"x": "1\n"})
    odd = 'a "b"\t\\ü\n.txt'
    work.commit("<b>bold</b>", files={odd: "1\n2\n"}, author="\u202eevil <a@b>")
    found = blaming.blame(work.git_dir, work.rev_parse("HEAD"), odd, first=1, last=2)
    assert [(span.path, span.count) for span in found.spans] == [(odd, 2)]
    assert found.spans[0].origin.summary == "<b>bold</b>"


def test_a_mailmap_of_the_content_renames_nobody(tmp_path):
    bare, work = bare_remote(tmp_path, {"x": "1\n", ".mailmap": "Bob <bob@example.org> <alice@example.org>\n"})
    found = blaming.blame(bare.path, work.rev_parse("HEAD"), "x", first=1, last=1)
    assert found.spans[0].origin.author == "Alice"
    assert "mailmap.blob=" in CONFIGURATION
    assert b"Bob" in bare.run_bytes("blame", "--porcelain", "HEAD", "--", "x")


def test_what_is_known_when_patience_ends_is_returned_as_incomplete(told):
    found = blaming.blame(told.git_dir, told.rev_parse("HEAD"), "dir/new.txt", first=1, last=20, patience=-1.0)
    assert not found.complete
    assert len(found.spans) >= 1


def test_a_path_that_is_not_there_is_an_error_and_not_an_empty_answer(told):
    with pytest.raises(GitFailed):
        blaming.blame(told.git_dir, told.rev_parse("HEAD"), "missing", first=1, last=1)
    with pytest.raises(GitFailed):
        blaming.blame(told.git_dir, told.rev_parse("HEAD"), "../x", first=1, last=1)


def test_neighbouring_spans_of_one_commit_are_one(told):
    found = blaming.blame(told.git_dir, told.rev_parse("HEAD"), "dir/new.txt", first=1, last=20)
    assert [(span.start, span.count) for span in blaming.joined(found).spans] == [(1, 5), (6, 1), (7, 14)]
