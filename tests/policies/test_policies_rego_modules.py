"""What modules of Rego may be: what could not be asked, or would never answer, is an error with its place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apps.policies.evaluation import rego_input
from apps.policies.evaluation.rego import FIELDS
from apps.policies.rego.answers import answer
from apps.policies.rego.inspection import INPUT
from apps.policies.rego.modules import modules_of
from tests.support.rego import ABOUT, module, problem_of, told


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('deny contains "x" if {', 2, "expecting expression"),
        ("deny[x] { x := 1 }", 2, "`if` keyword is required"),
        ('deny contains "x" if nosuch', 2, "undefined variable `nosuch`"),
        ('deny contains "x" if {\n  false\n  nosuch(1)\n}', 4, "There is no function `nosuch`"),
        ('deny contains "x" if input.titel == "a"', 2, "`input.titel` does not exist. Known here: environment, now"),
        ('deny contains "x" if input["chnage"].title == "a"', 2, "`input.chnage` does not exist"),
        (
            'deny contains "x" if input.change.titel == "a"',
            2,
            "`input.change.titel` does not exist. Known here: number",
        ),
        ('import input.change as c\ndeny contains "x" if c.titel == "a"', 3, "`input.change.titel` does not exist"),
        ('deny contains "x" if data.lib.bad', 2, "Nothing here is named `data.lib.bad`"),
        ('deny := "x"', 2, "`deny` must be a set to which rules add"),
        ("default require := {}", 2, "`require` must be a set"),
        ('deny contains "x" if http.send({"url": "http://127.0.0.1"}).status_code == 200', 2, "`http.send` is refused"),
        ('deny contains "x" if opa.runtime().env.HOME', 2, "`opa.runtime` is refused"),
        (
            'deny contains "x" if time.now_ns() > 1',
            2,
            "`time.now_ns` is refused. Use `time.parse_rfc3339_ns(input.now)`",
        ),
        ('deny contains "x" if rand.intn("a", 2) == 1', 2, "`rand.intn` is refused"),
        ("deny contains uuid.rfc4122(input.change.title)", 2, "`uuid.rfc4122` is refused"),
        ('deny contains "x" if count([]) == 0 with count as http.send', 2, "`http.send` is refused"),
        ('deny contains "x" if io.jwt.decode("a")', 2, "There is no function `io.jwt.decode`"),
        ("helper := 1", 0, "No module defines `deny`, `require` or `warn`"),
    ],
)
def test_a_module_that_could_not_be_asked_is_an_error_with_its_place(text: str, line: int, words: str) -> None:
    found = module(text)
    assert words in problem_of(found)
    assert found.problems[0].problem.line == line
    assert found.problems[0].problem.severity == "error"


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("package portal\n", "Nobody asks the package `portal`"),
        ("package portal.mrege\n", "Nobody asks the package `portal.mrege`"),
        ("package main\n", "`deny` is asked for in the packages portal.merge and portal.deploy only"),
    ],
)
def test_a_deny_that_nobody_would_ask_for_is_an_error(package: str, words: str) -> None:
    assert words in problem_of(module('deny contains "x"', package))


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        ({}, "There is no module of Rego"),
        ({"policies/a_test.rego": b"package x"}, "There is no module of Rego"),
        ({"policies/a.rego": "a symbolic link"}, "policies/a.rego:0 It is a symbolic link, not a file."),
        ({"policies/a.rego": b"package portal.merge\n# \xff"}, "It is not UTF-8 text (line 2)"),
        ({"policies/a.rego": b"package portal.merge\0"}, "It holds a NUL"),
        ({"policies/a.rego": b"#" * 64_001}, "It has 64,001 bytes"),
        ({"policies/a\n.rego": b""}, "other characters"),
        ({f"policies/{number}.rego": b"x" for number in range(51)}, "There are 51 modules"),
        ({f"policies/{number}.rego": b"#" * 60_000 for number in range(5)}, "of 300,000 bytes"),
        ({"policies/a.rego": b""}, "expecting `package`"),
        (
            {"policies/a.rego": b"package portal.merge\ndeny contains " + b"[" * 5000 + b"]" * 5000},
            "It is no valid Rego",
        ),
    ],
)
def test_files_that_are_no_modules_are_errors(contents: dict[str, bytes | str], words: str) -> None:
    assert words in problem_of(modules_of(contents))


def test_modules_share_functions_and_tests_stay_on_the_desk() -> None:
    found = modules_of(
        {
            "policies/a.rego": b'package portal.merge\nimport data.lib.names\ndeny contains "x" if names.bad(input.change.title)',
            "policies/lib/names.rego": b'package lib.names\nbad(text) if contains(text, "bad")',
            "policies/a_test.rego": b"this is not read",
        }
    )
    assert found.problems == ()
    assert found.reads == ("change",)
    assert answer(found, told()).denied == ()
    assert answer(found, told(about=replace(ABOUT, title="bad"))).denied == ("x",)


def test_an_import_gives_no_way_to_a_refused_function() -> None:
    texts = {
        "policies/a.rego": b"package portal.merge\nimport data.lib as time\ndeny contains time.now_ns()",
        "policies/lib.rego": b"package lib\nnow_ns() := 1",
    }
    assert "policies/a.rego:3 `time.now_ns` is refused" in problem_of(modules_of(texts))


def test_every_field_that_modules_may_read_is_told_and_the_other_way_round() -> None:
    assert set(FIELDS) == set(INPUT)
    given = rego_input(told(renderings=()), FIELDS)
    assert {name: tuple(given[name]) for name, inner in INPUT.items() if inner} == {
        name: inner for name, inner in INPUT.items() if inner
    }
