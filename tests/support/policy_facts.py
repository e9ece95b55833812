"""Small, made-up cases for the tests of the verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from apps.policies.codeowners import parse
from apps.policies.config import Needs, Rule
from apps.policies.evaluation import (
    Contributor,
    EnvironmentFact,
    Facts,
    PathOwners,
    Person,
    PolicyVerdict,
    Requirement,
    Review,
)

ALICE, BOB, CAROL, DAVE, ERIN, KIM, ROBOT, GONE = range(1, 9)
PEOPLE = tuple(
    Person(number, name, active=name != "gone", human=name != "robot")
    for number, name in enumerate("alice bob carol dave erin kim robot gone".split(), start=1)
)
PRINCIPALS = {
    "role/reviewer": (ALICE, BOB, CAROL, KIM, ROBOT, GONE),
    "role/maintainer": (CAROL, ERIN),
    "team/sre": (BOB, KIM),
    "team/network": (KIM, CAROL),
    "team/ours": (ALICE,),
    "team/empty": (),
    "user/carol": (CAROL,),
    "@bob": (BOB,),
    "@kim": (KIM,),
    "@acme/sre": (BOB, KIM),
    "@acme/dba": (CAROL, DAVE),
}


def facts(owners: str = "", paths: tuple[str, ...] = ("infra/a.tf",), **changes: Any) -> Facts:
    codeowners = parse(owners)
    base = Facts(
        stage="merge",
        status="in_review",
        requester=ALICE,
        revision=3,
        changed_paths=paths,
        environments=(EnvironmentFact("staging"), EnvironmentFact("production", protected=True)),
        owners=tuple(PathOwners(path, codeowners.owners_of(path)) for path in paths),
        principals=PRINCIPALS,
        people=PEOPLE,
        contributors=(Contributor(ALICE, "author", 2),),
    )
    return replace(base, **changes)


def approvals(*people: int, **more: Any) -> tuple[Review, ...]:
    return tuple(Review(person, "approve", more.pop("revision", 3), **more) for person in people)


def rule(count: int = 1, *names: str, name: str = "r", line: int = 7, **more: Any) -> Rule:
    return Rule(name, needs=Needs(count, names or ("role/reviewer",)), line=line, **more)


def row(verdict: PolicyVerdict, code: str, number: int = 0) -> Requirement:
    return [found for found in verdict.requirements if found.code == code][number]


def states(verdict: PolicyVerdict) -> dict[str, str]:
    return {found.name: found.state for found in verdict.requirements}
