"""Who answers for a path: GitHub's and GitLab's syntax."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.policies.codeowners import MAX_BYTES, CodeOwners, OwnerMatch, parse, parse_bytes
from tests.support.timing import processor_seconds


def owners(text: str, path: str) -> list[tuple[str, ...]]:
    found = parse(text)
    assert found.is_valid, found.problems
    return [match.owners for match in found.owners_of(path)]


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("* @a", "x", [("@a",)]),
        ("* @a\n/x @b", "x", [("@b",)]),
        ("/x @b\n* @a", "x", [("@a",)]),
        ("* @a @b @a", "x", [("@a", "@b")]),
        ("* @a # the first of us", "x", [("@a",)]),
        ("# * @b\n\n   \n\t* @a\r\n", "x", [("@a",)]),
        ("* @a\n/x", "x", []),
        ("* @a\n/x # nobody", "x", []),
        ("* @a\n/x", "y", [("@a",)]),
        ("* a@example.org @g/t @g/sub/t @@maintainer", "x", [("a@example.org", "@g/t", "@g/sub/t", "@@maintainer")]),
        ("\\#x @a", "#x", [("@a",)]),
        ("a\\ b/ @a", "a b/c", [("@a",)]),
        ("a#b @a", "a#b", [("@a",)]),
        ("docs/* @a", "docs/x/y", []),
        ("docs/ @a", "docs/x/y", [("@a",)]),
        ("docs/ @a", "x/docs/y", [("@a",)]),
        ("/docs/ @a", "x/docs/y", []),
        ("*.Tf @a", "x.tf", []),
        ("[DB] @dba\n*.sql", "x.sql", [("@dba",)]),
        ("[DB] @dba\n*.sql @bob", "x.sql", [("@bob",)]),
        ("[DB]\n*.sql", "x.sql", []),
        ("* @a\n[DB]\n*.sql @b", "x.sql", [("@a",), ("@b",)]),
        ("[DB]\n*.sql @b\n[Sec]\n*.sql @c", "x.sql", [("@b",), ("@c",)]),
        ("[DB]\n*.sql @b\n[Sec]\nk @c\n[db]\nx.sql @d", "x.sql", [("@d",)]),
        ("[DB] @a # who\n*.sql", "x.sql", [("@a",)]),
        ("* @a\n!x", "x", []),
        ("* @a\n!x\n/x @b", "x", []),  # an exclusion is final within its section
        ("!x\n* @a", "x", []),
        ("* @a\n[DB]\n!x\n* @b", "x", [("@a",)]),  # but only there
        ("* @a\n!x @ignored", "x", []),
        ("[A B][2] @a\n*", "x", [("@a",)]),
        ("\ufeff* @a", "x", [("@a",)]),
        ("* @a", "a\nb'\"<script>", [("@a",)]),
        ("", "x", []),
    ],
)
def test_owners_of_a_path(text: str, path: str, expected: list[tuple[str, ...]]) -> None:
    assert owners(text, path) == expected


def test_section_carries_count_option_line_and_pattern() -> None:
    found = parse("* @a\n\n[Data][2] @dba\n*.sql\n\n^[Style]\n*.css @dave\n")
    assert found.owners_of("a.sql")[1] == OwnerMatch("Data", False, 2, ("@dba",), 4, "*.sql")
    assert found.owners_of("a.css")[1] == OwnerMatch("Style", True, 1, ("@dave",), 7, "*.css")
    assert found.owners == ("@a", "@dba", "@dave")


def test_section_that_stands_twice_counts_in_the_stricter_way() -> None:
    found = parse("^[Data]\n*.a @a\n[data][3]\n*.b @b\n")
    assert [(match.optional, match.approvals) for match in found.owners_of("x.a")] == [(False, 3)]
    assert parse("^[D]\n*.a @a\n^[D]\n*.b @b\n").owners_of("x.a")[0].optional


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("* @a\n[Data\n*.sql @b", 2, "no section heading"),
        ("^[\n", 1, "no section heading"),
        ("[]\n", 1, "no section heading"),
        ("[ ]\n", 1, "no section heading"),
        ("[a][0]\n", 1, "no number of approvals"),
        ("[a][x]\n", 1, "no number of approvals"),
        ("[a][]\n", 1, "no number of approvals"),
        ("[a][99999]\n", 1, "no number of approvals"),
        ("* @a\nx[a @b\n", 2, "no path pattern"),
        ("/ @b\n", 1, "no path pattern"),
        ("! @b\n", 1, "no path pattern"),
        ("a\\", 1, "no path pattern"),
        ("x\n" * 20_001, 20_001, "more than 20,000 lines"),
    ],
)
def test_line_that_cannot_be_read_makes_the_file_invalid(text: str, line: int, message: str) -> None:
    found = parse(text)
    assert not found.is_valid
    problem = next(problem for problem in found.problems if problem.severity == "error")
    assert problem.line == line
    assert message in problem.message
    assert problem.fix


def test_word_that_names_nobody_is_kept_as_unmatched_and_told() -> None:
    found = parse("* bob @a")
    assert found.is_valid
    assert [problem.severity for problem in found.problems] == ["notice"]
    assert found.owners_of("x")[0].owners == ("bob", "@a")


def test_bytes_that_are_no_small_text_are_a_problem() -> None:
    assert parse_bytes(b"* @a\n\xff").problems[0].line == 2
    assert not parse_bytes(b"#" * (MAX_BYTES + 1)).is_valid
    assert parse_bytes(b"\xef\xbb\xbf* @a").owners_of("x")[0].owners == ("@a",)


@given(st.text("ab*/[]^!\\# @\n\t2", max_size=60), st.text("ab/* ", min_size=1, max_size=10))
def test_any_text_is_answered(text: str, path: str) -> None:
    found = parse(text)
    assert isinstance(found, CodeOwners)
    for match in found.owners_of(path):
        assert match.owners
        assert match.approvals >= 1


def test_many_lines_and_many_paths_stay_fast() -> None:
    text = "".join(f"/team{n}/**/deploy/*.yaml @t{n}\n" for n in range(1_000))
    found = parse(text)
    paths = [f"team{n % 1_000}/a/b/deploy/{n}.yaml" for n in range(1_000)]
    with processor_seconds(3):
        assert all(found.owners_of(path) for path in paths)


def test_a_line_with_a_nul_is_an_error_that_every_database_holds() -> None:
    found = parse("* @bob\n/a\0b @kim\n[x\0]\n/c no\0body\n")
    assert not found.is_valid
    assert [problem.line for problem in found.problems] == [2, 3, 4]
    assert "\0" not in str(found)
