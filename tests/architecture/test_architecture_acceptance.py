"""Every acceptance statement on reviewing that a machine can judge has a test that carries its number."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
STATEMENTS = {*range(1, 32), 38, 39}
BY_HAND = {28}  # how screen readers speak a row: NVDA and VoiceOver cannot run here
_NAMED = re.compile(r"def test_acceptance_((?:\d+_(?:and_)?)+)")


def test_every_statement_has_a_test_named_after_it() -> None:
    found = {
        int(number)
        for path in TESTS.rglob("test_*.py")
        for name in _NAMED.findall(path.read_text(encoding="utf-8"))
        for number in re.findall(r"\d+", name)
    }
    assert STATEMENTS - BY_HAND - found == set()
