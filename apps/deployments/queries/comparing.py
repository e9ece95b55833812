"""Two environments, or one environment at two times: what was live in each, and what lies between.

A side is an environment at a moment (now, unless one is named), or what Git has for it at the tip of the default branch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Literal

from apps.accounts.models import User
from apps.changes.effects.targets import target_of
from apps.changes.effects.tools import fingerprint
from apps.changes.models import ChangeRequest
from apps.core.errors import InvalidInput
from apps.deployments.models import Deployment, Environment, TargetComparison
from apps.deployments.queries.lacking import Lacking, lacking
from apps.deployments.queries.ledger import live_at
from apps.deployments.queries.reading import find_environment
from apps.diffs.files import FileChange
from apps.diffs.parse import read
from apps.policies.config import PortalConfig
from apps.policies.queries import BROKEN, policy_at
from apps.rendering.own_patterns import OwnPatterns
from apps.rendering.planners import PLANNERS
from apps.rendering.protocol import Target
from apps.rendering.redaction import Fingerprint
from apps.repositories.queries import tip
from apps.vcs import history, trees
from apps.vcs.errors import ObjectMissing

VERSION = 1
"""Grows when a stored comparison changes its meaning."""
GIT = "git"
MOST_COMMITS = 500
Relation = Literal["same_environment", "same_repository", "other_repository"]


@dataclass(frozen=True, slots=True)
class Side:
    """``commit`` is empty where nothing was live. ``moment``: ``None`` for now. ``is_git``: the tip of the default branch."""

    environment: Environment
    moment: datetime | None
    deployment: Deployment | None
    commit: str
    is_git: bool = False

    @property
    def name(self) -> str:
        return f"{self.environment.repository.name}/{self.environment.name}"

    @property
    def is_running(self) -> bool:
        """Whether it is what runs now: neither of another time, nor only in Git."""
        return self.moment is None and not self.is_git and bool(self.commit)


@dataclass(frozen=True, slots=True)
class Compared:
    """Both sides; ``start`` is ``from``."""

    start: Side
    end: Side

    @property
    def relation(self) -> Relation:
        if self.start.environment.pk == self.end.environment.pk:
            return "same_environment"
        same = self.start.environment.repository_id == self.end.environment.repository_id
        return "same_repository" if same else "other_repository"


@dataclass(frozen=True)
class Between:
    """What lies between two commits of one repository: changes that only one side has, newest first, and paths that differ.

    ``sides``: what was compared. ``more``: commits were left out. ``problem``: why it cannot be told.
    """

    only_end: tuple[ChangeRequest, ...] = ()
    only_start: tuple[ChangeRequest, ...] = ()
    sides: Compared | None = None
    paths: tuple[str, ...] = ()
    more: bool = False
    problem: str = ""

    @cached_property
    def start_lacks(self) -> Lacking:
        """Why ``only_end`` is not at the start; asked where it is shown."""
        return _lacks(self.sides.start, self.only_end, self.sides.end) if self.sides else Lacking()

    @cached_property
    def end_lacks(self) -> Lacking:
        """The other way round."""
        return _lacks(self.sides.end, self.only_start, self.sides.start) if self.sides else Lacking()

    @property
    def due(self) -> frozenset[int]:
        """Numbers of changes that were to be deployed to the side that lacks them."""
        return self.start_lacks.due | self.end_lacks.due


def side(user: User, named: str, moment: datetime | None) -> Side:
    """What was live at ``moment`` in ``repository/environment``. ``NotVisible`` for what ``user`` may not see."""
    repository, _, name = named.partition("/")
    if not repository or not name:
        raise InvalidInput(
            "bad_side", "Name an environment as repository/environment, such as infra/production.", field="from"
        )
    row = find_environment(user, repository, name)
    if moment is not None:
        found = live_at(row, moment)
        return Side(row, moment, found, found.commit if found else "")
    live = row.live_deployment
    return Side(row, None, live, row.live_commit)


def in_git(environment: Environment) -> Side:
    """What Git has for ``environment`` at the tip of the default branch."""
    repository = environment.repository
    return Side(environment, None, None, tip(repository, repository.default_branch), is_git=True)


def between(compared: Compared) -> Between:
    """Three questions to Git, and one to the database for each list of changes."""
    start, end = compared.start, compared.end
    if compared.relation == "other_repository":
        return Between(problem="They belong to different repositories, so no changes lie between them.")
    if not start.commit or not end.commit:
        return Between(problem="One of them has nothing live, so there is nothing to compare it with.")
    if start.commit == end.commit:
        return Between()
    git_dir = start.environment.repository.mirror_path
    try:
        ahead = history.commits_between(git_dir, start.commit, end.commit, limit=MOST_COMMITS)
        behind = history.commits_between(git_dir, end.commit, start.commit, limit=MOST_COMMITS)
        changed = trees.diff_trees(git_dir, start.commit, end.commit)
    except ObjectMissing:
        return Between(problem="The mirror does not have one of the commits at the moment.")
    paths = sorted({path for row in changed for path in (row.old_path, row.new_path) if path})
    return Between(
        only_end=_changes(start.environment, [commit.oid for commit in ahead]),
        only_start=_changes(start.environment, [commit.oid for commit in behind]),
        sides=compared,
        paths=tuple(paths),
        more=MOST_COMMITS in (len(ahead), len(behind)),
    )


def _changes(environment: Environment, commits: Sequence[str]) -> tuple[ChangeRequest, ...]:
    if not commits:
        return ()
    rows = ChangeRequest.objects.filter(repository=environment.repository_id, merge_commit__in=commits)
    return tuple(rows.select_related("owner", "requester").order_by("-merged_at", "-number"))


def _lacks(here: Side, changes: Sequence[ChangeRequest], there: Side) -> Lacking:
    """In Git nothing is tried."""
    found = lacking(here.environment, changes, until=here.moment, others=(there.environment,))
    return replace(found, failed={}) if here.is_git else found


def config_of(side_: Side) -> PortalConfig:
    """The policy in the commit of a side: what its targets are there. Raises ``ObjectMissing``."""
    repository = side_.environment.repository
    return policy_at(repository, repository.default_branch, side_.commit).config


def targets_of(side_: Side) -> dict[str, Target]:
    """By name; nothing where nothing is live or the environment is not defined."""
    if not side_.commit:
        return {}
    environment = config_of(side_).environment(side_.environment.name)
    return {one.name: target_of(environment, one) for one in environment.targets} if environment else {}


def hiding(compared: Compared) -> Fingerprint:
    """Fingerprints with what both repositories call secret now, at the tips of their default branches."""
    keys: set[str] = set()
    values: set[str] = set()
    for one in (compared.start, compared.end):
        repository = one.environment.repository
        commit = tip(repository, repository.default_branch) or one.commit
        policy = policy_at(repository, repository.default_branch, commit)
        if policy.governs == BROKEN:
            said = f"The policy of {repository.name} cannot be read, so nobody knows what is secret there. Repair it first."
            raise InvalidInput("policy_broken", said)
        for found in policy.config.secrets:
            keys.update(found.keys)
            values.update(found.values)
    return fingerprint().knowing(OwnPatterns(keys, values))


def key_of(compared: Compared, target: str, hide: Fingerprint) -> str:
    """Names what a comparison of one target depends on."""
    sides = [[one.environment.pk, one.commit] for one in (compared.start, compared.end)]
    facts = {"version": VERSION, "sides": sides, "target": target, "secrets": hide.own.identity}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def planned_targets(compared: Compared) -> frozenset[str]:
    """Names of targets of systems that plan: a plan is made against the state of one environment, so two are not compared."""
    targets = (*targets_of(compared.start).values(), *targets_of(compared.end).values())
    return frozenset(one.name for one in targets if one.kind in PLANNERS)


def keys_of(compared: Compared) -> dict[str, str]:
    """Target → key, for every target that can be rendered on either side; by name. Reads Git, renders nothing.

    Raises ``ObjectMissing``.
    """
    every = {*targets_of(compared.start), *targets_of(compared.end)}
    names = sorted(every - planned_targets(compared))
    hide = hiding(compared) if names else None
    return {name: key_of(compared, name, hide) for name in names} if hide is not None else {}


def stored(keys: dict[str, str]) -> dict[str, TargetComparison]:
    """What was rendered, or waits to be, by name of the target; one query."""
    rows = {row.key: row for row in TargetComparison.objects.filter(key__in=keys.values())}
    return {name: rows[key] for name, key in keys.items() if key in rows}


def source_patch(compared: Compared) -> bytes:
    """The difference of all files from ``from`` to ``to``, as Git prints it. ``InvalidInput`` where there is none to print."""
    found = between(compared)
    if found.problem:
        raise InvalidInput("no_source_difference", found.problem)
    start, end = compared.start, compared.end
    return trees.patch(start.environment.repository.mirror_path, start.commit, end.commit)


def source_files(compared: Compared) -> list[tuple[FileChange, bytes]]:
    """The files that differ, each with its patch, of sides between which :func:`between` has no problem.

    ``GitOutputTooLarge`` where all of it is more than Git may answer.
    """
    start, end = compared.start, compared.end
    changes, patches = read(trees.difference(start.environment.repository.mirror_path, start.commit, end.commit))
    return list(zip(changes, patches, strict=True))
