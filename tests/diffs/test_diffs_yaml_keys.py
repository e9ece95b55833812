"""Keys that stand twice, found without building anything (FEATURES C10)."""

from __future__ import annotations

import time

import pytest

from apps.diffs.yaml_keys import MAX_FOUND, keys_twice, words

CASES = [
    ("a: 1\nb: 2\na: 3\n", [("a", 1, 3)]),
    ("x:\n  a: 1\n  a: 2\ny:\n  a: 3\n", [("a", 2, 3)]),
    ("- {a: 1, a: 2}\n- a: 1\n", [("a", 1, 1)]),
    ("a: 1\n'a': 2\n", [("a", 1, 2)]),
    ("a: 1\n!!str a: 2\n! a: 3\n", [("a", 1, 2), ("a", 1, 3)]),
    ("1: a\n!!str 1: b\n", [("1", 1, 2)]),  # keys are texts to those who apply it
    ("a: 1\n---\na: 2\n", []),  # two documents
    ("b: &x {k: 1}\nc: {<<: *x, <<: *x, k: 2}\n", []),  # merge keys
    ("? [1, 2]\n: a\n? [1, 2]\n: b\n", []),
    ("a: a\nb: a\n", []),
    ("a:\n  - a\n  - a\n", []),
    ("{{ if .x }}\na: 1\na: 2\n{{ end }}\n", []),  # a template is no YAML
    ("a: [1, 2\n", []),
    ("\ta: 1", []),
    ("!!python/object:os.system a: 1\n", []),
]


@pytest.mark.parametrize(("text", "found"), CASES)
def test_what_stands_twice_in_one_mapping(text, found):
    assert [tuple(one) for one in keys_twice(text.encode())] == found


def test_it_is_bounded():
    started = time.process_time()
    assert len(keys_twice(b"a: 1\n" * 50_000)) == MAX_FOUND
    assert keys_twice(b"[" * 100_000) == []
    assert keys_twice(b"a: &a [x]\n" + b"".join(b"b%d: [*a, *a]\n" % n for n in range(1_000))) == []
    assert keys_twice(b"a: 1\n" * 300_000) == []
    assert time.process_time() - started < 10


def test_the_words_show_hidden_characters():
    [found] = keys_twice("a\u200bb: 1\na\u200bb: 2\n".encode())
    assert "a[U+200B]b" in words(found)
    assert "lines 1 and 2" in words(found)
