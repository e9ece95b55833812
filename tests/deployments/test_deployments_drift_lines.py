"""What a command prints about drift, read line by line: nothing that it names is lost, nothing secret is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.deployments.dispatchers import StepProgress, StepState
from apps.deployments.dispatchers.checking import Answer
from apps.deployments.drift_lines import Named, named_in, whole_of
from apps.deployments.jobs.drift_commands import _says_that_it_differs
from apps.deployments.masking import SecretMask
from apps.policies.config import DriftConfig

SECRET = "correct/horse  battery"  # of no real system
NONE = SecretMask([])


def read(*lines: str, secrets: tuple[str, ...] = ()) -> Named:
    return named_in("\n".join(lines).encode(), SecretMask(secrets))


@pytest.mark.parametrize(
    ("line", "kind", "path", "is_vague"),
    [
        ('{"resource": "a", "path": "b", "found": 1}', "field", "b", False),
        ('{"resource": "a", "path": null, "found": 1}', "told", "", False),
        ('{"resource": "a", "path": 0, "found": 1}', "field", "0", False),
        ('{"resource": 7, "kind": "missing"}', "missing", "", False),
        ('{"resource": "a", "kind": "another"}', "another", "", True),
        ('{"resource": "a", "path": "b"}', "field", "b", True),
        ('{"resource": "a", "kind": "of another world", "path": "b", "found": 1}', "field", "b", False),
    ],
)
def test_a_line_names_one_difference(line: str, kind: str, path: str, is_vague: bool) -> None:
    (found,) = read(line).findings
    assert (found.kind, found.path, found.is_vague) == (kind, path, is_vague)


@pytest.mark.parametrize("what", ["resource", "path"])
def test_names_that_are_too_long_stay_apart_wherever_they_differ(what: str) -> None:
    long = "module.shop." * 40
    names = [f"{long}one", f"{long}two", f"{'x' * 250}one{long}same", f"{'x' * 250}two{long}same"]
    shown = [getattr(found, what) for found in read(*lines_of(what, names)).findings]
    assert len(set(shown)) == len(names)
    assert all(len(name) <= 300 for name in shown)
    assert shown[0].startswith("module.shop.module.shop.") and shown[0].endswith("module.shop.one")
    exact = "y" * 300
    assert getattr(read(*lines_of(what, [exact])).findings[0], what) == exact


def lines_of(what: str, names: list[str]) -> list[str]:
    return [json.dumps({"resource": "a", "path": "b", "found": 1, what: name}) for name in names]


@pytest.mark.parametrize(
    "line",
    [
        '[{"resource": "a"}]',
        '{"resource": ["a"]}',
        '{"resource": true}',
        '{"resource": "a", "path": ["b"]}',
        '{"resource": "\\u0000"}',
        '{"resource": "a", "found": NaN}',
        '{"resource": "a"',
        'INFO {"resource": "a"}',
        '{"resource": "a", "found": ' + "[" * 5000 + "]" * 5000 + "}",
        '{"resource": "a", "found": ' + "9" * 5000 + "}",
    ],
)
def test_a_line_that_speaks_of_a_resource_and_cannot_be_read_is_told(line: str) -> None:
    found = read("words", line)
    assert found.findings == ()
    assert len(found.problems) == 1
    assert found.problems[0].startswith("Line 2 of what the command printed speaks of a resource, and ")


@pytest.mark.parametrize(
    "line", ["{", "+ {a: b}", '{"level": "info"}', '{"resource": null, "msg": "x"}', "resource a", "[1]"]
)
def test_words_are_words(line: str) -> None:
    assert read(line) == Named()


def test_the_same_difference_counts_once_and_problems_are_counted() -> None:
    line = '{"resource": "a", "path": "b", "found": 1}'
    assert len(read(line, line).findings) == 1
    problems = read(*['{"resource"'] * 9).problems
    assert (len(problems), problems[-1]) == (6, "And 4 more of them.")


@pytest.mark.parametrize(
    "spelled",
    [json.dumps(SECRET), json.dumps(SECRET).replace("/", "\\/"), json.dumps(SECRET).replace("c", "\\u0063", 1)],
)
def test_a_secret_is_nowhere_and_what_holds_one_cannot_be_accepted(spelled: str) -> None:
    for line in (
        f'{{"resource": {spelled}, "kind": "extra"}}',
        f'{{"resource": "a", "path": {spelled}, "found": 1}}',
        f'{{"resource": "a", "path": "b", "found": {{{spelled}: [1, {spelled}]}}}}',
    ):
        (found,) = read(line, secrets=(SECRET,)).findings
        assert "horse" not in json.dumps(found.to_dict())
        assert found.is_vague


def test_a_number_that_is_a_secret_is_hidden() -> None:
    (found,) = read(
        '{"resource": "Role", "path": "id", "wanted": 123456789012, "found": 5}', secrets=("123456789012",)
    ).findings
    assert "123456789012" not in json.dumps(found.to_dict())
    assert found.is_vague


def test_all_that_was_printed_is_one_finding_with_its_lines() -> None:
    found = whole_of(b"a\x1b[31mb\x1b[0m\n  c\x00\n" + b"d" * 9000, NONE)
    assert found.found.startswith("ab\n  c\N{SYMBOL FOR NULL}\nddd")
    assert len(found.found) <= 2000
    assert found.digest != whole_of(b"ab\n  c\x00\n" + b"d" * 9001, NONE).digest
    assert whole_of(b" \n", NONE).is_vague
    assert whole_of(b"it is " + SECRET.encode(), SecretMask([SECRET])).is_vague


def ended(**how: Any) -> Answer:
    return Answer(StepProgress("0", StepState.ENDED, **how), b"")


@pytest.mark.parametrize(
    ("answer", "differs", "expected"),
    [
        (ended(reason="exited", exit_code=1), 1, True),
        (ended(reason="exited", exit_code=2), 1, False),
        (ended(reason="exited", exit_code=9, signal=9), 9, False),
        (ended(reason="timeout", exit_code=1), 1, False),
        (ended(reason="exited", exit_code=2), 0, False),
    ],
)
def test_only_the_status_that_was_written_says_that_something_differs(
    answer: Answer, differs: int, expected: bool
) -> None:
    assert _says_that_it_differs(answer, DriftConfig(0, "x", 1, differs), Named()) is expected
