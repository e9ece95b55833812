"""Colours and changed words against Pygments and against ``git diff -M`` (in process).

Text to HTML of all lines of a corpus: Pygments with its own formatter, our lexers with every memory emptied ("cold"), and once
more with the lines known ("warm"). Intraline: the changed words of all pairs of lines of a difference, with the walk over them.
"""

from __future__ import annotations

import inspect
import json
import random
import textwrap
from collections.abc import Callable, Iterator

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from apps.diffs import parse
from apps.diffs.highlight import forget_all, painter_for
from apps.diffs.intraline import changed_spans
from apps.diffs.rows import blocks
from tests.bench.diff_engine import FLAGS
from tests.bench.measuring import Plan, Result, rounds
from tests.bench.workloads import WORDS, bare_repository, documents, git, hcl_block, yaml_document

LINES = 20_000
COLD_AIM = 1 / 4
WARM_AIMS = {
    "values.yaml": 1 / 35,
    "k8s.yaml": 1 / 50,
    "main.tf": 1 / 50,
    "dashboard.json": 1 / 35,
    "module.py": 1 / 50,
}
LEXERS = {
    "values.yaml": "yaml",
    "k8s.yaml": "yaml",
    "main.tf": "terraform",
    "dashboard.json": "json",
    "module.py": "python",
}
INTRALINE_AIM = 0.3


def run(plan: Plan) -> Result:
    result = Result("Colours (ratio to Pygments) and changed words (ratio to git diff -M)")
    size = 400 if plan.quick else LINES
    for name, lines in corpora(size).items():
        _colours(result, plan, name, lines)
    for name in ("medium",) if plan.quick else ("medium", "large", "huge"):
        _words(result, plan, name)
    return result


def corpora(size: int) -> dict[str, list[str]]:
    """Lines of five kinds of files as they stand in real repositories; Python is the standard library's own."""
    rng = random.Random(11)
    panels = [
        {
            "id": number,
            "title": rng.choice(WORDS),
            "targets": [{"expr": f"rate({rng.choice(WORDS)}_total[5m])", "refId": "A"}],
        }
        for number in range(max(size // 10, 1))
    ]
    return {
        "values.yaml": documents(rng, values_block, size),
        "k8s.yaml": documents(rng, yaml_document, size),
        "main.tf": documents(rng, hcl_block, size),
        "dashboard.json": json.dumps({"panels": panels}, indent=2).splitlines()[:size],
        "module.py": (inspect.getsource(inspect) + inspect.getsource(textwrap) + inspect.getsource(random)).splitlines()[:size],
    }  # fmt: skip


def values_block(rng: random.Random, number: int) -> list[str]:
    """A few lines of a chart's values, most of them comments, as charts have them."""
    name = rng.choice(WORDS)
    return [
        f"## Settings of {name}", "##", f"{name}{number}:", "  enabled: true", f"  # -- How many {rng.choice(WORDS)} there are",
        f"  replicas: {rng.randint(1, 5)}", "  image:", f"    repository: example/{name}", f'    tag: "v1.{rng.randint(0, 30)}.0"',
        "  resources: {}", "  #   limits:", f"  #     cpu: {rng.randint(1, 9)}00m", "",
    ]  # fmt: skip


def _colours(result: Result, plan: Plan, name: str, lines: list[str]) -> None:
    text, lexer, formatter = "\n".join(lines), get_lexer_by_name(LEXERS[name]), HtmlFormatter(nowrap=True)
    painter = painter_for(name)

    def cold(_: int) -> None:
        forget_all()
        painter.paint(lines)

    calls: dict[str, Callable[[int], object]] = {
        "Pygments": lambda _: highlight(text, lexer, formatter), "cold": cold, "warm": lambda _: painter.paint(lines)
    }  # fmt: skip
    found = rounds(plan.rounds, calls)
    base = found["Pygments"]
    result.add(f"{name}: Pygments", base, note=f"{len(text):,} characters")
    result.add(f"{name}: ours, cold", found["cold"], ratio=found["cold"] / base, aim=COLD_AIM)
    result.add(f"{name}: ours, warm", found["warm"], ratio=found["warm"] / base, aim=WARM_AIMS[name])


def _words(result: Result, plan: Plan, name: str) -> None:
    repo = plan.place / f"words-{name}.git"
    base, (head,) = bare_repository(repo, name, 1, scale=0.05 if plan.quick else 1.0)
    pairs = list(changed_pairs(git(repo, "diff-tree", *FLAGS, base, head)))
    calls: dict[str, Callable[[int], object]] = {
        "git": lambda _: git(repo, "diff", "-M", base, head),
        "words": lambda _: [changed_spans(old, new) for old, new in pairs],
    }
    found = rounds(plan.rounds, calls)
    ratio = found["words"] / found["git"]
    result.add(
        f"{name}: changed words", found["words"], ratio=ratio, aim=INTRALINE_AIM, note=f"{len(pairs):,} pairs of lines"
    )


def changed_pairs(data: bytes) -> Iterator[tuple[str, str]]:
    """The pairs of lines that stand against one another in a difference."""
    _, patches = parse.read(data)
    for patch in patches:
        for hunk in parse.hunks(patch):
            for block in blocks(hunk):
                yield from (
                    (block.olds[old], block.news[new]) for old, new in block.pairs or () if old >= 0 and new >= 0
                )
