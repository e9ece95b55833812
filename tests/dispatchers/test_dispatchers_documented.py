"""The table of docs/dispatchers.md says of each dispatcher what its code says."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

from apps.deployments.dispatchers.registry import DISPATCHERS

DOCS = Path(__file__).parents[2] / "docs" / "dispatchers.md"


def test_the_table_says_what_each_dispatcher_can_do() -> None:
    part = DOCS.read_text(encoding="utf-8").partition("## What each can do")[2].partition("\n## ")[0]
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in part.splitlines() if "| `" in line]
    told = {row[0]: tuple(cell == "yes" for cell in row[1:]) for row in rows[1:]}
    assert all(cell in {"yes", "no"} for row in rows[1:] for cell in row[1:])
    does = {
        via: [does for does in astuple(one.capabilities) if isinstance(does, bool)] for via, one in DISPATCHERS.items()
    }
    assert told == {via: (*does[via], hasattr(one, "act")) for via, one in DISPATCHERS.items()}
    assert len(rows) == len(DISPATCHERS) + 1


def test_each_dispatcher_has_its_section() -> None:
    """But `local`, which docs/deploying.md tells of."""
    text = DOCS.read_text(encoding="utf-8")
    assert [via for via in DISPATCHERS if via != "local" and f"\n## {via}\n" not in text] == []
