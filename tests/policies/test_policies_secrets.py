"""What portal.yaml may call secret, and what every mistake is told."""

from __future__ import annotations

import pytest

from apps.policies.config import SecretConfig, parse_portal_yaml

HEAD = "apiVersion: portal/v1\nsecrets:\n"


def test_names_and_words_are_read_in_the_order_of_the_file() -> None:
    text = (
        '  - {name: internal tokens, keys: ["*_apikey"], values: ["acme-*", x-*-y]}\n  - {name: more, values: [abc]}\n'
    )
    parsed = parse_portal_yaml((HEAD + text).encode())
    assert parsed.config is not None, parsed.problems
    assert parsed.config.secrets == (
        SecretConfig("internal tokens", ("*_apikey",), ("acme-*", "x-*-y"), 3),
        SecretConfig("more", (), ("abc",), 4),
    )
    assert parse_portal_yaml(b"apiVersion: portal/v1\n").config.secrets == ()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("entry", "message", "fix"),
    [
        ("{keys: [abc]}", "`secrets[0]` lacks the key `name`.", "Add `name:`."),
        ("{name: a}", "`secrets[0]` says neither which `keys` nor which `values` are secret.", "Write `- {name:"),
        ("{name: a, keys: []}", "`secrets[0].keys` is an empty list", 'Write `keys: ["*_apikey"]`'),
        ("{name: a, key: [abc]}", "The key `key` is not known in `secrets[0]`.", "Did you mean `keys`?"),
        ("{name: a, keys: abc}", "`secrets[0].keys` must be a list, but is `abc`.", "Write"),
        ('{name: a, values: ["*"]}', "`*` would hide nearly everything: at least 3", "such as `acme-*`."),
        ('{name: a, values: ["**ab*"]}', "`**ab*` would hide nearly everything", "Name more"),
        ('{name: a, values: ["acme-[0-9]"]}', "has a `?`, `[` or `]`; only `*` stands", "Write `*`"),
        ('{name: a, values: ["acme ?"]}', "has a `?`", "Write `*`"),
        ('{name: a, values: ["two words"]}', "has white space in it", "one word"),
        (f"{{name: a, values: [{'x' * 101}]}}", "This pattern has 101 characters; at most 100", "Shorten it."),
        (
            f"{{name: a, values: [{', '.join(f'abc{n}' for n in range(21))}]}}",
            "has 21 patterns; at most 20",
            "Write fewer",
        ),
        ("{name: a, values: [abc]}\n  - {name: a, keys: [abc]}", "Two entries are named `a`.", "Rename one"),
        ("{name: a, values: [abc, abc]}", "`abc` stands twice", "Remove one"),
        ("{name: a, values: [1234]}", "YAML reads `1234` without quotes as a number", "with quotes"),
    ],
)
def test_every_mistake_is_told_with_its_place_and_its_remedy(entry: str, message: str, fix: str) -> None:
    parsed = parse_portal_yaml(f"{HEAD}  - {entry}\n".encode())
    assert parsed.config is None
    found = [problem for problem in parsed.problems if message in problem.message]
    assert found, parsed.problems
    assert found[0].line in {2, 3, 4}
    assert fix in found[0].fix


def test_no_more_entries_than_are_allowed() -> None:
    parsed = parse_portal_yaml((HEAD + "".join(f"  - {{name: a{n}, keys: [abc]}}\n" for n in range(21))).encode())
    assert "`secrets` has 21 entries; at most 20" in parsed.problems[0].message
