"""The table of contents: every bypass of the list has an entry here, and a line in docs/museum.md that names its test."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
TABLE = HERE.parents[1] / "docs" / "museum.md"
IDS = {
    *(f"A{number}" for number in range(1, 16)),
    *(f"B{number}" for number in range(1, 14)),
    *(f"C{number}" for number in range(1, 12)),
    "GL CVE-2020-13348", "GL CVE-2023-2576", "GL CVE-2023-4379", "GL CVE-2023-4812", "GL CVE-2024-0410", "GL#436977",
    "GL#406803", "GL#383776", "GL CVE-2026-6063", "GL CVE-2026-6883", "GL epic 19073",
    "GH GHSA-jv37-6f69-j8gw", "GH GHSA-97c7-2459-g94v", "GH GHSA-wj8c-rxgm-9jcm", "GH GHSA-42m4-q6r2-jh92",
    "GH Cider", "GH CVE-2026-1999", "GH merge queue 2026-04-23", "GH environment reviewers",
    "GT GHSA-w5pg-649r-p6gg", "GT#39172", "GT GHSA-777r-4v59-6486",
    "GE GerriScary", "GE#3602", "GE votes after merge",
}  # fmt: skip


def marked() -> Iterator[tuple[str, ast.FunctionDef]]:
    """``(id, test)`` of every ``exhibit`` of this folder, also of those that mark one case of a test."""
    for path in sorted(HERE.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                calls = [call for one in node.decorator_list for call in ast.walk(one) if isinstance(call, ast.Call)]
                for call in calls:
                    if isinstance(call.func, ast.Name) and call.func.id == "exhibit":
                        yield from ((ast.literal_eval(argument), node) for argument in call.args)


def entries() -> set[tuple[str, str]]:
    return {(ident, test.name) for ident, test in marked()}


def rows() -> set[tuple[str, str]]:
    """``(id, test)`` of every line of the table for people."""
    found = set()
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if len(cells) == 4 and cells[3].startswith("`test_"):
            found |= {(cells[0], name) for name in re.findall(r"`(test_\w+)`", cells[3])}
    return found


def test_every_bypass_of_the_list_has_an_entry_and_no_entry_an_unknown_id() -> None:
    assert {ident for ident, _ in entries()} == IDS


def test_the_table_for_people_names_every_entry_by_its_test() -> None:
    assert rows() == entries()


def test_every_entry_finds_the_gate_closed_or_looks_into_the_record() -> None:
    looks = re.compile(r"merge_is_refused|nothing_happened|contributor_is_refused|\.told")
    assert [test.name for _, test in marked() if not looks.search(ast.unparse(test))] == []
