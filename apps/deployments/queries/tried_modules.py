"""What modules of Rego would have said of past merges: on their recorded facts, many in one process, and not for ever."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from apps.changes import queries as changes
from apps.core.errors import PortalError
from apps.deployments.models import MergeIntent
from apps.policies.evaluation import Facts, RegoFact, is_asked
from apps.policies.rego.answers import answer_and_worth, ask_ahead
from apps.policies.rego.modules import Modules
from apps.reviews.content import files_of
from apps.reviews.rego import about_with

SECONDS = 5.0
"""How long modules are tried on the past; the newest merges come first."""
AT_ONCE = 25
LATE = "trying the modules on newer merges took all the time that there is"
Judged = tuple[MergeIntent, Facts]


def try_modules(modules: Modules, some: Sequence[Judged]) -> list[tuple[Facts, bool]]:
    """The facts with what ``modules`` say of them, and whether that is what they would have said then.

    Facts that hold an answer of the same modules, and those for which nobody asks, are left as they are.
    """
    until = time.monotonic() + SECONDS
    asked = [row for row, facts in some if _is_open(modules, facts)]
    strangers = changes.strangers_of(row.change for row in asked) if asked and "contributors" in modules.reads else {}
    found: list[tuple[Facts, bool]] = []
    for part in _parts(some):
        found += _tried(modules, [(row, facts) for row, facts in part], strangers, until)
    return found


def _tried(
    modules: Modules, part: Sequence[Judged], strangers: Mapping[int, tuple[str, ...]], until: float
) -> Iterator[tuple[Facts, bool]]:
    if time.monotonic() < until:
        told = [_told(modules, row, facts, strangers) if _is_open(modules, facts) else facts for row, facts in part]
        ask_ahead(modules, "merge", [facts for facts in told if _is_open(modules, facts)])
    else:
        told = [facts for _row, facts in part]
    for facts in told:
        if not _is_open(modules, facts):
            yield facts, True
        elif time.monotonic() < until:
            said, is_worth = answer_and_worth(modules, facts)
            yield replace(facts, rego=said), is_worth
        else:
            yield replace(facts, rego=RegoFact(modules.digest, problem=LATE)), False


def _is_open(modules: Modules, facts: Facts) -> bool:
    return is_asked(facts) and (facts.rego is None or facts.rego.modules != modules.digest)


def _told(modules: Modules, row: MergeIntent, facts: Facts, strangers: Mapping[int, tuple[str, ...]]) -> Facts:
    """With what nobody recorded because no module was asked then: it has not changed since, but for the title."""
    if facts.about is not None:
        return facts
    change, revision = row.change, row.revision
    try:
        files = files_of(change, revision) if "paths" in modules.reads else ()
    except PortalError:
        return facts  # the repository does not hold these commits any more, so it is not known
    about = about_with(change, revision, files, strangers.get(change.pk, ()))
    return replace(facts, about=about)


def _parts(some: Sequence[Judged]) -> Iterator[Sequence[Judged]]:
    return (some[start : start + AT_ONCE] for start in range(0, len(some), AT_ONCE))
