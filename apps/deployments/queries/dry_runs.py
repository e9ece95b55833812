"""What a policy would have said of the changes that were merged: from their records, nothing is asked of Git hosts or people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from apps.deployments.models import MergeIntent
from apps.deployments.queries.tried_modules import try_modules
from apps.policies.codeowners import CodeOwners
from apps.policies.config import PortalConfig, affected_environments
from apps.policies.evaluation import (
    REGO_NAME,
    ROLLBACK,
    CannotEvaluate,
    EnvironmentFact,
    Facts,
    PathOwners,
    Person,
    PolicyFact,
    Requirement,
    evaluate,
    from_record,
    is_untold,
    required_rules,
)
from apps.policies.reading import PolicyFiles
from apps.repositories.models import Repository
from apps.repositories.roles import REVIEW
from apps.reviews.people import People, people_of, principals

MOST = 500
PASSES, BLOCKED, UNKNOWN = "passes", "blocked", "unknown"


@dataclass(frozen=True, slots=True)
class Tried:
    """One merged change: ``blocked``, or ``unknown`` where its record does not hold what a rule asks for."""

    number: int
    title: str
    outcome: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DryRun:
    """``tried`` changes, the newest first; those that pass are only counted."""

    tried: int
    passes: int
    blocked: tuple[Tried, ...]
    unknown: tuple[Tried, ...]


def dry_run(repository: Repository, branch: str, tried: PolicyFiles, *, most: int = MOST) -> DryRun:
    """Judge the last ``most`` merges into ``branch`` by the files that are ``tried``, on the facts that were recorded when they were merged.

    Who is in which team is what it is now; windows and freezes are not tried. As many queries, whatever the number.
    """
    rows = MergeIntent.objects.filter(
        change__repository=repository, revision__target_branch=branch, state=MergeIntent.State.LANDED
    )
    wanted = rows.select_related("change__repository", "change__requester", "revision").order_by("-pk")[:most]
    records = [(row, _recorded(row)) for row in wanted]
    readable = [(row, facts) for row, facts in records if isinstance(facts, Facts)]
    outcomes = dict(_outcomes(repository, tried, readable))
    found = [
        Tried(row.change.number, row.change.title, *(outcomes.get(row.pk) or (UNKNOWN, (str(facts),))))
        for row, facts in records
    ]
    return DryRun(
        tried=len(found),
        passes=sum(one.outcome == PASSES for one in found),
        blocked=tuple(one for one in found if one.outcome == BLOCKED),
        unknown=tuple(one for one in found if one.outcome == UNKNOWN),
    )


@dataclass(frozen=True, slots=True)
class _Trial:
    """The policy that is tried, and who is who for it."""

    config: PortalConfig
    owners: CodeOwners
    people: People
    principals: Mapping[str, tuple[int, ...]]
    modules: str


def _outcomes(
    repository: Repository, tried: PolicyFiles, some: Sequence[tuple[MergeIntent, Facts]]
) -> Iterator[tuple[int, tuple[str, tuple[str, ...]]]]:
    """Intent id → outcome with reasons."""
    trial = _trial(repository, tried, [facts for _row, facts in some])
    rows = [(row, _facts(facts, trial)) for row, facts in some]
    told = try_modules(tried.modules, rows) if tried.modules is not None else [(facts, True) for _row, facts in rows]
    names = {name for facts, _ in told for rule in required_rules(facts) for name in rule.needs.principals}
    more = principals(names, trial.people) if names else {}
    for (row, _), (facts, is_told) in zip(rows, told, strict=True):
        known = replace(facts, principals={**facts.principals, **more}) if more else facts
        yield row.pk, _judged(known, trial, is_told=is_told)


def _trial(repository: Repository, tried: PolicyFiles, facts: Sequence[Facts]) -> _Trial:
    config, owners = tried.config, tried.owners
    people = people_of(repository)
    names = {name for rule in config.rules for name in rule.needs.principals} | {"role/reviewer", "role/maintainer"}
    for path in {path for one in facts for path in one.changed_paths}:
        names.update(name for match in owners.owners_of(path) for name in match.owners)
    modules = tried.modules.digest if tried.modules is not None else ""
    return _Trial(config, owners, people, principals(names, people), modules)


def _recorded(row: MergeIntent) -> Facts | str:
    """The facts of that merge, or why they cannot be read."""
    try:
        return from_record(row.verdict.get("inputs", {}))[1]
    except CannotEvaluate as problem:
        return str(problem)


def _judged(facts: Facts, trial: _Trial, *, is_told: bool) -> tuple[str, tuple[str, ...]]:
    """``is_told``: what the modules say is what they would have said, also where it is that they fail."""
    verdict = evaluate((*trial.config.rules, *required_rules(facts)), facts)
    unmet = [found for found in verdict.requirements if not found.is_satisfied]
    untold = [found for found in unmet if is_untold(found) and not (is_told and found.name == REGO_NAME)]
    definite = [found for found in unmet if found not in untold]
    if definite:
        return BLOCKED, tuple(map(_words, definite))
    return (UNKNOWN, tuple(map(_words, untold))) if untold else (PASSES, ())


def _words(found: Requirement) -> str:
    return f"{found.name}: {found.text}"


def _facts(facts: Facts, trial: _Trial) -> Facts:
    """What was recorded, with the environments, owners and groups of the policy that is tried."""
    paths, config = facts.changed_paths, trial.config
    reached = affected_environments(config, paths)
    if facts.kind == ROLLBACK:  # it goes back where the change was, whatever its paths would reach
        reached = tuple(one.name for one in facts.environments if one.affected)
    recorded = {person.id for person in facts.people}
    more = tuple(
        Person(user.pk, user.username, user.is_active, user.is_human, trial.people.can(user.pk, REVIEW))
        for user in trial.people.by_id.values()
        if user.pk not in recorded
    )
    return replace(
        facts,
        status="in_review",
        environments=tuple(
            EnvironmentFact(one.name, one.protected, one.name in reached) for one in config.environments
        ),
        owners=tuple(PathOwners(path, trial.owners.owners_of(path)) for path in dict.fromkeys(paths)),
        principals={**facts.principals, **trial.principals},
        people=(*facts.people, *more),
        policy=PolicyFact(rego=config.rego.directory),
        rego=facts.rego if facts.rego is not None and facts.rego.modules == trial.modules else None,
        rollback=config.rollback,
        holds=(),
    )
