"""A change about which modules of Rego are asked, and modules to ask."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from apps.policies.evaluation import AboutFact, Facts, FileFact, PolicyFact, RegoFact
from apps.policies.rego.answers import answer
from apps.policies.rego.modules import Modules, modules_of
from tests.support.policy_facts import facts

MERGE = "package portal.merge\n"
DEPLOY = "package portal.deploy\n"
ABOUT = AboutFact(
    7, "Delete the claim", "alice", "normal", "main", (FileFact("infra/a.tf", "deleted"), FileFact("b", "renamed", "a"))
)


def told(**changes: Any) -> Facts:
    """Facts of a change that modules in ``policies`` are asked about."""
    base = facts(about=ABOUT, moment=1_795_860_000, files=2, lines=30, policy=PolicyFact(rego="policies"))
    return replace(base, **changes)


def module(text: str, package: str = MERGE) -> Modules:
    return modules_of({"policies/a.rego": (package + text).encode()})


def said(text: str, package: str = MERGE, **changes: Any) -> RegoFact:
    """What a valid module answers."""
    found = module(text, package)
    assert found.problems == ()
    return answer(found, told(**changes))


def problem_of(found: Modules) -> str:
    assert found.places is None
    return " ".join(f"{one.file}:{one.problem.line} {one.problem.message} {one.problem.fix}" for one in found.problems)
