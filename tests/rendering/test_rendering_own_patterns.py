"""What a repository calls secret: which names and words are meant, in a time that grows with the text alone."""

from __future__ import annotations

import json
import time
from fnmatch import fnmatchcase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.rendering.own_patterns import OwnPatterns, glob
from apps.rendering.quoted import quotes_of
from apps.rendering.redaction import MARK, keyed, redact_text, redact_value
from apps.rendering.sandbox.messages import clean_message
from tests.support.trees import MemoryTree

PLAIN = keyed(b"key of a test")
OWN = PLAIN.knowing(OwnPatterns(("*_apikey", "ticket"), ("acme-*", "*.internal-key", "k1-*-z")))


@pytest.mark.parametrize(
    "text",
    [
        "acme-123", "see acme-123 there", '{"a":"acme-123"}', "token=acme-123;x=1", "https://u:acme-123@host/p", "(acme-123)",
        "https://host/acme-123", "a\\nacme-123\\tb", "?t=acme-123&u=1", "acme-12/3+4==", "`acme-123`", "x: acme-123, y",
        "my.internal-key", "k1-abc-z", "https://h/k1-abc-z/more", "acme-", "<acme-1>", "a|acme-1",
    ],
)  # fmt: skip
def test_words_that_a_pattern_means_are_hidden_wherever_they_stand(text: str) -> None:
    found = redact_text(text, OWN)
    assert MARK in found
    assert not any(secret in found for secret in ("acme-", "internal-key", "k1-abc"))
    assert redact_text(text, PLAIN) == text or "@host" in text or text.startswith("token="), (
        "others take nothing of it for secret"
    )


@pytest.mark.parametrize("text", ["acme", "xacme-1", "k1-abc-zz", "internal-key", "my.internal-keys", "acmé-1", ""])
def test_other_words_stay(text: str) -> None:
    assert redact_text(text, OWN) == text


def test_everything_around_a_word_stays() -> None:
    assert redact_text("a=acme-1, b=2\n", OWN) == f"a={OWN(b'acme-1')}, b=2\n"
    assert redact_text("v: acme-ab/cd==", OWN) == f"v: {OWN(b'acme-ab/cd==')}"


def test_names_are_tried_whole_and_without_their_case() -> None:
    found = redact_value({"ACME_APIKEY": "x1", "apikey_hint": "x2", "Ticket": {"a": ["x3"]}, "tickets": "x4"}, OWN)
    assert found["apikey_hint"] == "x2"
    assert found["tickets"] == "x4"
    assert found["ACME_APIKEY"] == OWN(b"x1")
    assert found["Ticket"] == {"a": [OWN(b"x3")]}
    (variable,) = redact_value({"env": [{"name": "SHOP_APIKEY", "value": "x"}]}, OWN)["env"]
    assert variable == {"name": "SHOP_APIKEY", "value": OWN(b"x")}


def test_names_that_are_secret_words_themselves_are_hidden() -> None:
    assert redact_value({"acme-1": "alice"}, OWN) == {OWN(b"acme-1"): "alice"}


def test_equal_values_have_equal_fingerprints_whatever_made_them_secret() -> None:
    assert OWN(b"acme-1") == PLAIN(b"acme-1") == redact_value({"password": "acme-1"}, PLAIN)["password"]


@settings(max_examples=500)
@given(st.text("ab*", min_size=1, max_size=8), st.text("ab", max_size=12))
def test_a_pattern_means_the_same_as_a_glob_of_the_shell(pattern: str, text: str) -> None:
    assert glob(pattern).matches(text) == fnmatchcase(text, pattern)


@settings(max_examples=500)
@given(st.text("ab*", min_size=1, max_size=6), st.text("ab/", max_size=10))
def test_every_part_between_slashes_that_is_meant_lies_within_what_is_hidden(pattern: str, word: str) -> None:
    span = glob(pattern).span(word)
    starts = [0, *(at + 1 for at, letter in enumerate(word) if letter == "/")]
    ends = [*(at for at, letter in enumerate(word) if letter == "/"), len(word)]
    meant = [(a, b) for a in starts for b in ends if a <= b and fnmatchcase(word[a:b], pattern)]
    assert (span is None) == (not meant)
    assert all(span is not None and span[0] <= a and b <= span[1] for a, b in meant)


@pytest.mark.parametrize("pattern", ["a*a*a*a*a*a*a*a*a*a*b", "*aaa*aaa*aaa*aaa*c", "aaa*", "/*a/*a/*a/*zz"])
@pytest.mark.parametrize("piece", ["a", "a/", "/", "a ", "=", "a=", "\\n"])
def test_a_hostile_pattern_and_text_take_a_time_that_grows_with_the_text_alone(pattern: str, piece: str) -> None:
    own = PLAIN.knowing(OwnPatterns((pattern,), (pattern,)))
    took = []
    for size in (100_000, 400_000):
        text = piece * (size // len(piece))
        began = time.thread_time()
        redact_text(text, own)
        own.hides(text)
        took.append(time.thread_time() - began)
    assert took[1] < 2, took
    assert took[1] < 12 * took[0] + 0.05, took


MESSAGES = {
    "values.yaml": "db: {password: canary-1, user: joe}\nmail_apikey: canary-2\n",
    "secret.yaml": "kind: Secret\nstringData: {a: canary-3}\ndata: {b: Y2FuYXJ5LTQ=}\n",
    "templates/a.yaml": "{{ if .x }}\npassword: canary-5\n{{ end }}\n",
    "env.yaml": "env: [{name: API_TOKEN, value: 'canary-\"6\"'}]\n",
    "kustomization.yaml": "secretGenerator: [{name: app, literals: [a=canary-7]}]\n",
    "broken.yaml": "a: [\ntoken: canary-8\n",
}


def test_e6_what_a_tool_says_has_no_secret_of_its_inputs_however_it_is_written() -> None:
    tree = MemoryTree({path: text.encode() for path, text in MESSAGES.items()})
    quotes = quotes_of((tree,), ("./",), OWN)
    for number in range(1, 9):
        text = f"canary-{number}" if number != 6 else 'canary-"6"'
        forms = (text, json.dumps(text), f'got "{text}", expected x')
        assert all("canary" not in quotes.without(form) for form in forms), text
    assert quotes.without("bad: Y2FuYXJ5LTQ=") == f"bad: {OWN(b'canary-4')}"
    assert quotes.without("user joe is not known at line 3") == "user joe is not known at line 3"


def test_e6_a_secret_that_a_long_message_cuts_in_two_leaves_no_half_of_it() -> None:
    quotes = quotes_of((MemoryTree({"values.yaml": b"password: canary-half-and-half\n"}),), ("./",), PLAIN)
    for shift in range(0, 2_200, 7):
        said = clean_message("a line\n" + "x" * shift + "\n" + "says canary-half-and-half here\n" * 400)
        found = quotes.without(said)
        assert "canary" not in found
        assert "half" not in found
        assert "a line" in found
