"""What a runbook says it is for, in a head of YAML before its text, and whether that fits what went wrong. Pure.

::

    ---
    for:
      environments: [production]
      steps: [apply]
      paths: ["env/production/**"]
      words: ["quota exceeded"]
    ---
    # Scale the shop

Every key that is there must fit, by one of its values; the more of them, the better the runbook fits. A runbook without a
head is never suggested. Other keys of the head belong to other tools.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from apps.core.patterns import Pattern, PatternError, compile_pattern
from apps.policies.config.nodes import Mapping, Refused, read_nodes
from apps.policies.config.reader import Reader

KEYS = ("environments", "steps", "paths", "words")
_HEAD = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*\r?\n", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class About:
    """What the head names; nothing: the runbook is never suggested. ``problem``: why the head could not be read."""

    environments: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    problem: str = ""

    @property
    def named(self) -> int:
        """How many of the keys are there."""
        return sum(1 for one in (self.environments, self.steps, self.paths, self.words) if one)


@dataclass(frozen=True, slots=True)
class Situation:
    """What went wrong: where, in which step (or check of health), after which paths had changed, and what it said."""

    environment: str
    step: str
    paths: tuple[str, ...]
    text: str


def without_head(source: str) -> str:
    """The text as people read it."""
    return _HEAD.sub("", source, count=1)


def about(source: str) -> About:
    """What the head of ``source`` says; a head that cannot be read is told in ``problem``, and matches nothing."""
    head = _HEAD.match(source)
    if head is None:
        return About()
    try:
        root = read_nodes(head[1].encode())
    except Refused as refused:
        return About(problem=f"Line {refused.problem.line + 1}: {refused.problem.message}")
    wanted = root.get("for") if isinstance(root, Mapping) else None
    reader = Reader()
    fields = reader.mapping(wanted, "for", "for: {steps: [apply]}")
    named = reader.fields(fields, "for", KEYS) if fields is not None else {}
    environments, steps, paths, words = (reader.texts(named.get(key), f"for.{key}", f'{key}: ["…"]') for key in KEYS)
    problem = _problem(reader, paths)
    return About(problem=problem) if problem else About(environments, steps, paths, words)


def _problem(reader: Reader, patterns: Iterable[str]) -> str:
    if reader.problems:
        first = reader.problems[0]
        return f"Line {first.line + 1}: {first.message} {first.fix}".strip()
    for text in patterns:
        try:
            compile_pattern(text)
        except PatternError as problem:
            return f"`for.paths`: {text}: {problem}"
    return ""


def fits(one: About, what: Situation) -> bool:
    """Whether everything that the head names is so."""
    said = what.text.casefold()
    return one.named > 0 and all((
        not one.environments or what.environment in one.environments,
        not one.steps or what.step in one.steps,
        not one.words or any(word.casefold() in said for word in one.words),
        not one.paths or _any_path([compile_pattern(text) for text in one.paths], what.paths),
    ))  # fmt: skip


def _any_path(patterns: list[Pattern], paths: Iterable[str]) -> bool:
    return any(pattern.matches(path) for path in paths for pattern in patterns)
