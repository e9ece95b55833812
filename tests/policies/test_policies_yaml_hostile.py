"""Hostile YAML: bombs, tags, tricks and bytes that are no text (RELIABILITY §2.5 case 38)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core.text import is_storable
from apps.policies.config import parse_portal_yaml
from apps.policies.config.nodes import MAX_BYTES, Mapping, Refused, read_nodes
from tests.support.timing import processor_seconds

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)
MANY_ALIASES = "a: &a x\nb: [" + ", ".join(["*a"] * 101) + "]\n"
WIDE = "a: &a [" + ", ".join(["x"] * 300) + "]\nb: [" + ", ".join(["*a"] * 99) + "]\n"


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (b"", 1, "The file is empty"),
        (b"# only a comment\n", 1, "The file is empty"),
        (b"\xef\xbb\xbf", 1, "The file is empty"),
        (b"---\n", 2, "must be a mapping"),
        (b"null\n", 1, "must be a mapping"),
        (b"- a\n", 1, "must be a mapping"),
        (b"just words\n", 1, "must be a mapping"),
        (b"a: [1\n", 2, "This is not YAML"),
        (b"a:\n\t- b\n", 2, "This is not YAML"),
        (b"a: b: c\n", 1, "This is not YAML"),
        (b"a: 'b\n", 2, "This is not YAML"),
        (b"ok: 1\na: \xff\n", 2, "0xff is not UTF-8"),
        ("a: b\n".encode("utf-16"), 1, "is not UTF-8"),
        (b"\x7fELF\x02\x01\x00\x00", 1, "control character"),
        (b"a: 1\nb: \x00\n", 2, "control character U+0000"),
        (b"x" * (MAX_BYTES + 1), 0, "at most 262,144"),
        (b"x: 1\n" * 200_000, 0, "1,000,000 bytes"),
        (b"a: 1\n---\nb: 1\n", 2, "more than one YAML document"),
        (b"a: 1\na: 2\n", 2, "stands twice in the same mapping (first in line 1)"),
        (b'a: 1\n"a": 2\n', 2, "stands twice"),
        (b"a: &x {b: 1}\nc:\n  <<: *x\n", 3, "Merge keys"),
        (b"a: !!python/object/apply:os.system [id]\n", 1, "The tag"),
        (b"a: !custom 1\n", 1, "The tag"),
        (b"a: ! 1\n", 1, "The tag"),
        (b"a: !!binary aGk=\n", 1, "The tag"),
        (b"a: !!set {x}\n", 1, "The tag"),
        (b"%TAG ! tag:yaml.org,2002:\n---\na: !str x\n", 3, "The tag"),
        (b"? [a]\n: 1\n", 1, "A key must be a word"),
        (b"a: *nothing\n", 1, "has no anchor before it"),
        (b"a: &a [*a]\n", 1, "has no anchor before it"),
        (b"[" * 200_000, 1, "nested more than 20 levels"),
        (b"{a: " * 30_000, 1, "nested more than 20 levels"),
        (b"\n".join(b" " * n + b"a:" for n in range(30)), 21, "nested more than 20 levels"),
        (LAUGHS.encode(), 5, "more than 20,000 values"),
        (MANY_ALIASES.encode(), 2, "more than 100 aliases"),
        (WIDE.encode(), 2, "more than 20,000 values"),
        (b"a: [" + b"x," * 25_000 + b"]", 1, "more than 20,000 values"),
    ],
)
def test_hostile_file_is_refused_with_its_place(data: bytes, line: int, message: str) -> None:
    with processor_seconds(2):
        parsed = parse_portal_yaml(data)
    assert parsed.config is None
    assert len(parsed.problems) >= 1
    problem = parsed.problems[0]
    assert message in problem.message
    assert problem.line == line
    assert problem.fix


HEAD = "apiVersion: portal/v1\n"
SLOW = {
    "after": "environments:\n" + "".join(f"  e{n:04}: {{after: [e9999]}}\n" for n in range(3900)),
    "names": f"environments: {{{', '.join(f'e{n}: ' for n in range(300))}}}\nrules:\n"
    + "".join(
        f"- {{name: r{n}, needs: {{approvals: 1}}, when: {{environments: [{', '.join(f'x{n}y{m}' for m in range(50))}]}}}}\n"
        for n in range(290)
    ),
    "roles": f"rules: [{{name: a, needs: {{approvals: 1, from: [{', '.join(f'role/r{n}' for n in range(19000))}]}}}}]\n",
    "long": f"environments:\n  a:\n    targets:\n      ? {'k' * 120000}\n      : {{kind: helm, chart: x, "
    + ", ".join(f"k{n}: " for n in range(9000))
    + "}\n",
}


@pytest.mark.parametrize("name", SLOW)
def test_a_small_file_with_many_mistakes_is_answered_at_once(name: str) -> None:
    """A proposal for each unknown name took minutes of the processor; a long key in each problem took gigabytes."""
    with processor_seconds(1.5):
        parsed = parse_portal_yaml((HEAD + SLOW[name]).encode())
    assert parsed.config is None
    assert len(parsed.problems) == 100
    assert all(problem.fix and len(str(problem.to_dict())) < 15_000 for problem in parsed.problems)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f"environments: {{{', '.join(f'e{n}: ' for n in range(301))}}}",
            "`environments` has 301 entries; at most 300",
        ),
        (f"rules: [{', '.join(f'{{name: r{n}, needs: {{approvals: 1}}}}' for n in range(301))}]", "`rules` has 301"),
        (
            f"windows: [{', '.join(f'{{name: w{n}, kind: freeze, cron: 1 1 * * *, duration: 1h}}' for n in range(201))}]",
            "`windows` has 201",
        ),
    ],
)
def test_more_entries_than_anybody_has_are_refused(text: str, message: str) -> None:
    [problem] = parse_portal_yaml((HEAD + text + "\n").encode()).problems
    assert message in problem.message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('apiVersion: "portal/v1\\0"\n', 1),
        ('apiVersion: portal/v1\nenvironments:\n  a: {deploy: {steps: [{name: x, run: "echo \\0"}]}}\n', 3),
        ('apiVersion: portal/v1\nenvironments:\n  a: {deploy: {steps: [{name: x, run: "echo \\x00"}]}}\n', 3),
        ('apiVersion: portal/v1\n"\\u0000": 1\n', 2),
        ('apiVersion: portal/v1\nrules: [{name: "\\ud800"}]\n', 2),
        ("apiVersion: !<%00> portal/v1\n", 1),
        ("apiVersion: portal/v1\nrules: \0\n", 2),
    ],
)
def test_what_no_database_keeps_is_refused_also_as_an_escape(text: str, line: int) -> None:
    """A plan or a problem with it could be written nowhere, after the merge had gone out."""
    parsed = parse_portal_yaml(text.encode())
    assert parsed.config is None
    assert parsed.problems[0].line == line
    assert all(is_storable(str(value)) for problem in parsed.problems for value in problem.to_dict().values())


def test_other_escapes_are_kept() -> None:
    text = 'apiVersion: portal/v1\nenvironments: {a: {deploy: {steps: [{name: x, run: "echo \\e[1m"}]}}}\n'
    config = parse_portal_yaml(text.encode()).config
    assert config is not None
    assert config.environments[0].deploy.steps[0].run == "echo \x1b[1m"


def test_alias_shows_the_value_and_is_counted() -> None:
    root = read_nodes(b"a: &x [1, 2]\nb: *x\n")
    assert isinstance(root, Mapping)
    assert root.get("b") is root.get("a")
    assert root.size == 9


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_give_problems_or_a_config(data: bytes) -> None:
    parsed = parse_portal_yaml(data)
    assert (parsed.config is None) == any(problem.severity == "error" for problem in parsed.problems)


WORDS = st.sampled_from(
    [
        "apiVersion",
        "portal/v1",
        "rules",
        "needs",
        "from",
        "approvals",
        "when",
        "environments",
        "no",
        "1",
        "&a",
        "*a",
        "<<",
        "[",
        "]",
        "{",
        "}",
        ":",
        ",",
        "- ",
        "\n",
        "  ",
        "'",
        '"',
        "!",
        "|",
        "#",
        "code-owners",
        "steps",
        "targets",
        "kind",
    ]
)


@settings(max_examples=500, deadline=None)
@given(st.lists(WORDS, max_size=40).map("".join))
def test_any_arrangement_of_its_own_words_is_answered(text: str) -> None:
    parsed = parse_portal_yaml(("apiVersion: portal/v1\n" + text).encode())
    assert parsed.config is not None or parsed.problems


@given(st.text(max_size=30))
def test_nodes_are_read_or_refused(text: str) -> None:
    with suppress(Refused):
        node = read_nodes(text.encode("utf-8", "surrogatepass"))
        assert node is None or node.size >= 1
