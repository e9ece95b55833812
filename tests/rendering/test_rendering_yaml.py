"""Values of YAML mean what they mean to Kubernetes, as ``kubectl`` itself reads them; hostile files are refused."""

from __future__ import annotations

import json
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.rendering.model import Failure, RenderError
from apps.rendering.yaml_reader import Budget, documents
from apps.rendering.yaml_scalars import NotFinite, resolved
from tests.support.tools import toolbox

SCALARS = """
yes Yes YES no on ON off y Y n N true True TRUE null ~ Null nULL oN
0 1 -1 +1 007 0777 08 09 -017 0o17 0O17 0x1F 0X1f -0x1 0b101 -0b1 0b2 0o8 1_000 0x_1F 1__0 _1 1_ +
12:30:45 190:20:30 2020-01-01 2020-01-01T00:00:00Z 2001-12-14t21:59:43.10-05:00 2020-1-1
1e3 1E3 1e-3 1.0 1. .5 -.5 +.5 5e 1e400 1.5e+2 .e1 1.2.3 1-2 0.1_5 ._5 . - 1e 0e0 00 0.0 -0 00.5
9223372036854775807 9223372036854775808 18446744073709551615 18446744073709551616 -9223372036854775808 -9223372036854775809
0xFFFFFFFFFFFFFFFF 123456789012345678901234567890 ٣ １ 1\u00a0 "yes" 'no' "1" '' !!str\\x201 !!int\\x207 !!bool\\x20no !\\x201 text a:b
""".split()


def read_by_kubectl(text: str):
    box = toolbox("kubectl")
    line = [str(box.find("kubectl")), "annotate", "--local", "-f", "-", "added-=", "-o", "json"]
    line[5] = "added=by-the-test"
    done = subprocess.run(line, input=text.encode(), capture_output=True, check=True, env={"HOME": "/nonexistent"})
    return json.loads(done.stdout, parse_int=lambda text: int(text) if abs(int(text)) < 1 << 63 else float(text))


def test_every_kind_of_scalar_is_read_as_kubectl_reads_it():
    rows = "".join(f"  - {scalar.replace(chr(92) + 'x20', ' ')}\n" for scalar in SCALARS)
    keys = [
        "yes",
        "n",
        "1",
        "0777",
        "1.10",
        "1e3",
        "2020-01-01",
        "0x1F",
        "12:30",
        "1000000.0",
        "0.00001",
        "123456.7",
        "1.5e-7",
        "16777217.0",
    ]
    pairs = "".join(f"  {key}: {index}\n" for index, key in enumerate(keys))
    text = (
        "apiVersion: example.org/v1\nkind: Thing\nmetadata: {name: a}\nvalues:\n" + rows + "keys:\n" + pairs
        + "base: &base {a: 1, b: 2}\nmerged: {<<: *base, b: 3}\nboth: {<<: [*base, {b: 9, c: 9}], d: 4}\n"
        "block: |\n  a\n   b\n\nfolded: >-\n  a\n  b\n\n  c\nflow: \"a\\u00e9\n  b\"\n"
    )  # fmt: skip
    theirs = read_by_kubectl(text)
    ours = next(documents(text.encode())).value
    assert len(ours["values"]) == len(theirs["values"]) == len(SCALARS)
    for scalar, mine, other in zip(SCALARS, ours["values"], theirs["values"], strict=True):
        assert (mine, isinstance(mine, bool), isinstance(mine, str)) == (
            other,
            isinstance(other, bool),
            isinstance(other, str),
        ), scalar
    for part in ("keys", "merged", "both", "block", "folded", "flow"):
        assert ours[part] == theirs[part]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="+-._0123456789abcdefxoOXBeEyYnN~:", min_size=1, max_size=12))
def test_any_scalar_has_a_value_that_json_can_hold(text):
    try:
        value = resolved(text)
    except NotFinite:
        return
    assert value is None or isinstance(value, bool | int | float | str)
    assert json.loads(json.dumps(value, allow_nan=False)) == value


def refused(data: bytes, **budget):
    with pytest.raises(RenderError) as caught:
        list(documents(data, "a.yaml", Budget(**budget)))
    assert caught.value.path == "a.yaml"
    return caught.value


def laughs(levels: int) -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines).encode()


def test_case_38_yaml_bombs_end_with_a_clear_error():
    error = refused(laughs(9))
    assert error.failure is Failure.TOO_LARGE
    assert "aliases written out" in error.message
    assert next(documents(laughs(4))).line == 1
    assert refused(b"[" * 500 + b"]" * 500).failure is Failure.TOO_LARGE
    assert refused(b"{" + b'"a":{' * 5_000 + b"}" * 5_001).failure is Failure.TOO_LARGE
    assert refused(b"[" * 200_000).failure is Failure.TOO_LARGE
    assert refused(b"---\na\n" * 30_000).failure is Failure.TOO_LARGE
    assert refused(b"a: " + b"x" * 2_000, size=1_000).failure is Failure.TOO_LARGE


def test_case_38_tags_make_no_objects_and_aliases_stand_for_what_was_there():
    for text in (
        "a: !!python/object/apply:os.system [x]",
        "a: !!binary aGk=",
        "a: !thing 1",
        "!!set {a}",
        "a: !!int x",
        "a: !!bool 1",
    ):
        assert refused(text.encode()).failure is Failure.REFUSED, text
    for text in ("a: &a [*a]", "a: *nothing", "a: &a 1\n---\nb: *a"):
        assert refused(text.encode()).failure is Failure.REFUSED, text
    assert next(documents(b"a: &x {b: [1]}\nc: *x\nd: {<<: *x, b: 2}")).value == {
        "a": {"b": [1]},
        "c": {"b": [1]},
        "d": {"b": 2},
    }


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", 3), ("x: {a: 1, a: 2}", 1), ("1: a\n'1': b\n", 2), ("yes: a\ntrue: b\n", 2),
        ("a: &a {b: 1}\nc:\n  b: 2\n  <<: *a\n", 4), ('{"a": 1, "a": 2}', 0), ('{"x": {"a": 1, "a": 1}}', 0),
    ],
)  # fmt: skip
def test_keys_that_readers_disagree_on_are_refused(text, line):
    error = refused(text.encode())
    assert error.failure is Failure.REFUSED
    assert error.line == line
    assert "depends on who reads it" in error.message


def test_broken_files_are_told_with_file_and_line():
    error = refused(b"a: 1\nb: c: d\n")
    assert (error.failure, error.line) == (Failure.TEMPLATE, 2)
    assert refused(b"a: \xff\xfe").failure is Failure.TEMPLATE
    assert refused(b"a: .inf").failure is Failure.REFUSED
    assert refused(b"? [a, b]\n: c").failure is Failure.REFUSED
    assert refused(b"null: a").failure is Failure.REFUSED
    assert refused(b"\x00").failure is Failure.TEMPLATE
    assert refused(b"a: \x1b[31m").failure is Failure.TEMPLATE


def test_documents_of_json_and_yaml_are_counted_with_their_lines():
    assert [tuple(each) for each in documents(b'{"a": 1}\n\n{"b": 1e2}')] == [({"a": 1}, 1), ({"b": 100.0}, 3)]
    assert [tuple(each) for each in documents(b"# c\n---\n\n---\na: 1\n---\n# d\n{b: [c]}\n...\n")] == [
        ({"a": 1}, 5),
        ({"b": ["c"]}, 8),
    ]
    assert list(documents(b"")) == list(documents(b"# nothing\n---\n")) == []
    assert next(documents(b"{a: b}")).value == {"a": "b"}


PIECES = [
    "a",
    ": ",
    "\n",
    "- ",
    "&x ",
    "*x",
    "{",
    "}",
    "[",
    "]",
    ",",
    '"',
    "'",
    "|",
    "!!str ",
    "!x ",
    "---\n",
    "...\n",
    "\\ud800",
    "\t",
    "#",
    "? ",
]
PIECES += ["<<: ", "1e999", "0x", "\0", "\u2028", "%TAG ! tag:x,2000:\n", "  ", "9" * 50, "\x85", "\ufeff"]


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=12).map(lambda parts: "".join(parts).encode()) | st.binary(max_size=30)
)
def test_any_bytes_are_documents_or_a_refusal(data):
    try:
        found = [document.value for document in documents(data)]
    except RenderError:
        return
    assert json.loads(json.dumps(found, allow_nan=False)) == found
