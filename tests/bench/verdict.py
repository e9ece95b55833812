"""The verdict alone, in process: 1,000 rules on 5,000 changed resources, and what ten times more of one thing costs.

A ratio is the cost for each of them, by that of ten times fewer: 1 is linear, less is better. The base is small enough to show a
fixed cost that would hide growth, so a ratio above 1 is worse than linear.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from apps.policies.codeowners import parse
from apps.policies.config import Needs, ResourceClause, Rule, When
from apps.policies.evaluation import (
    AboutFact,
    Contributor,
    EnvironmentFact,
    Facts,
    PathOwners,
    Person,
    RenderingFact,
    ResourceFact,
    Review,
    evaluate,
    replay,
    to_record,
)
from apps.policies.rego.answers import answer
from apps.policies.rego.modules import modules_of
from tests.bench.measuring import Plan, Result, rounds

LINEAR = 1.0
REGO_AIM = 50
MODULE = """\
package portal.merge

deny contains "no" if {
	some r in input.resources
	r.action in {"create", "delete"}
	input.change.number >= 0
}
"""
TEAMS, PEOPLE = 20, 400
KINDS = ("Deployment", "ConfigMap", "Service", "Role", "PersistentVolumeClaim")
ACTIONS = ("create", "update", "replace", "delete")


def run(plan: Plan) -> Result:
    few, many = (10, 100) if plan.quick else (100, 1_000)
    result = Result(
        f"Verdict of {many:,} rules on {many * 5:,} changed resources (ratio: for each, to ten times fewer)"
    )
    calls: dict[str, Callable[[int], object]] = {}
    cases = _cases(few, many)
    for what, (small, large) in cases.items():
        calls[f"{what} few"], calls[f"{what} many"] = small, large
    for call in calls.values():
        call(0)
    found = rounds(plan.rounds, calls)
    for what in cases:
        base, value = found[f"{what} few"], found[f"{what} many"]
        result.add(what, value, ratio=value / base / 10, aim=LINEAR, note=f"{base:.1f} ms with ten times fewer")
    whole = _judging(rules(many), facts(resources=many * 5, files=many * 5, approvals=200))
    record = to_record(rules(many), facts(resources=many * 5, files=many * 5, approvals=200))
    took = rounds(plan.rounds, {"all": whole, "replay": lambda _: replay(record)})
    result.add("all at once, with 200 approvals", took["all"])
    result.add("the same, replayed from its record", took["replay"])
    for words, (value, aim) in _asking(plan, many * 5).items():
        result.add(words, value, aim=aim)
    return result


def _asking(plan: Plan, many: int) -> dict[str, tuple[float, float | None]]:
    """What a module of Rego adds where nobody asked the same before (each round is another change), and the aim for it."""
    modules = modules_of({"policies/merge.rego": MODULE.encode()})
    assert not modules.problems, modules.problems

    def ask(known: Facts, number: int) -> None:
        found = answer(modules, replace(known, about=AboutFact(number, "Another", "alice", "normal", "main")))
        assert found.denied == ("no",), found

    few, lots = facts(resources=1, files=1), facts(resources=many, files=1)
    found = rounds(plan.rounds, {"few": partial(ask, few), "lots": partial(ask, lots)})
    return {
        "a module of Rego, asked anew": (found["few"], REGO_AIM),
        f"the same, with {many:,} resources": (found["lots"], None),
    }


def _cases(few: int, many: int) -> dict[str, tuple[Callable[[int], object], Callable[[int], object]]]:
    def pair(make: Callable[[int], tuple[list[Rule], Facts]], small: int) -> Any:
        return tuple(_judging(*make(size)) for size in (small, small * 10))

    resources, files = few * 5, few * 5
    return {
        f"{many:,} rules": pair(lambda size: (rules(size), facts(resources=many * 5, files=100)), few),
        f"{many * 5:,} resources": pair(lambda size: (rules(many), facts(resources=size, files=100)), resources),
        f"{many * 5:,} files": pair(lambda size: (rules(many), facts(resources=100, files=size)), files),
        f"{many * 5:,} files with owners": pair(lambda size: (OWNED, facts(resources=0, files=size)), files),
        f"{PEOPLE // 2} approvals": pair(
            lambda size: (rules(few), facts(resources=100, files=100, approvals=size)), PEOPLE // 20
        ),
    }


def _judging(asked: list[Rule], known: Facts) -> Callable[[int], object]:
    return partial(_judge, asked, known)


def _judge(asked: list[Rule], known: Facts, _round: int) -> object:
    verdict = evaluate(asked, known)
    assert verdict.requirements
    assert all(row.code != "evaluation" for row in verdict.requirements), "a benchmark of a failure"
    return verdict


def rules(count: int) -> list[Rule]:
    """By path, by resource and by environment, in turn; a third of them apply."""
    found = []
    for number in range(count):
        team = f"team/t{number % TEAMS}"
        kind = number % 3
        if kind == 0:
            when = When(paths=(f"clusters/c{number % 200}/**", f"/modules/m{number}/*.tf"))
        elif kind == 1:
            names = (f"app-{number}-*",) if number % 2 else ()
            clause = ResourceClause(kinds=(KINDS[number % 5],), actions=("delete", "replace"), names=names, risks=())
            when = When(resources=clause, environments=("production",))
        else:
            when = When(environments=("production",), paths=(f"apps/service-{number}/**",))
        found.append(Rule(f"rule {number}", when=when, needs=Needs(1 + number % 2, (team,)), line=number + 1))
    return found


OWNED = [Rule("owners", needs=Needs(1, ("code-owners",)), line=1)]
OWNERS = parse("".join(f"/clusters/c{number}/ @g/t{number % TEAMS}\n" for number in range(100)) + "*.tf @g/t1\n")


def facts(*, resources: int, files: int, approvals: int = 20) -> Facts:
    """A change of so many files and resources in 50 targets, with approvals of different people."""
    paths = tuple(f"clusters/c{number % 100}/app-{number}.yaml" for number in range(files))
    changed = tuple(
        ResourceFact(KINDS[number % 4], ACTIONS[number % 2], f"app-{number}-web", f"space-{number % 9}")
        for number in range(resources)
    )
    each = max(1, -(-resources // 50))
    people = tuple(Person(number, f"person-{number:03}") for number in range(1, PEOPLE + 1))
    teams = {number: tuple(range(1 + number, PEOPLE + 1, TEAMS)) for number in range(TEAMS)}
    base = Facts(
        stage="merge",
        status="in_review",
        requester=PEOPLE,
        revision=3,
        changed_paths=paths,
        environments=(EnvironmentFact("staging"), EnvironmentFact("production", protected=True)),
        owners=tuple(PathOwners(path, OWNERS.owners_of(path)) for path in paths),
        principals={
            "role/reviewer": tuple(range(1, PEOPLE + 1)),
            **{f"team/t{number}": members for number, members in teams.items()},
            **{f"@g/t{number}": members for number, members in teams.items()},
        },
        people=people,
        reviews=tuple(Review(person, "approve", 3, id=person) for person in range(1, approvals + 1)),
        contributors=(Contributor(PEOPLE, "author", 2),),
    )
    targets = tuple(
        RenderingFact("production", f"target-{at}", "rendered", resources=changed[at * each : (at + 1) * each])
        for at in range(50 if resources else 0)
    )
    return replace(base, renderings=targets or None)
