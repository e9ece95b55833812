"""What ``.gitops/portal.yaml`` says, as immutable values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

MERGE = "merge"
DEPLOY = "deploy"
CODE_OWNERS = "code-owners"
REVIEWERS = "role/reviewer"
EXPERTS = "experts"
GROUP = "group"
OPENER, WRITERS = "opener", "writers"
ALLOW, FREEZE = "allow", "freeze"
SHOW, HOLD = "show", "hold"
ACTIONS = ("create", "update", "replace", "delete")
"""What can happen to a rendered resource."""
UNKNOWN_AUTHOR, SERVICE_AUTHOR, GUEST_AUTHOR = "unknown", "service", "guest"
AUTHORS = (UNKNOWN_AUTHOR, SERVICE_AUTHOR, GUEST_AUTHOR)
"""Contributors whom a rule can name: an address without an account, a service account, somebody without the role author."""
SEEN_ALL = "all"
SEEN = ("destroys", "rbac", SEEN_ALL)
"""What an approver can be asked to have viewed: what is destroyed, roles and bindings, every file."""
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TargetConfig:
    """One renderer with its inputs. Paths are relative to the repository, without a closing slash.

    ``optional``: where it cannot be rendered, that is shown and holds nothing.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    line: int = 0
    optional: bool = False


@dataclass(frozen=True, slots=True)
class StepConfig:
    """One command of a pipeline; ``run`` is given to a shell by the worker, ``timeout_seconds`` kills it."""

    name: str
    run: str
    timeout_seconds: int = 600
    line: int = 0


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One question about what was deployed, asked every ``every_seconds``.

    ``kind``: ``http`` (``target`` is a path of the connection; ``status``, and ``contains`` if given), ``prometheus``
    (``target`` is a query whose every value is ``below`` and ``above`` the given bounds), ``resources`` (all that the
    dispatcher tells of are healthy), ``command`` (``target`` is a line for a shell that ends with 0 within ``timeout_seconds``).
    """

    name: str
    kind: str
    target: str = ""
    connection: str = ""
    status: int = 200
    contains: str = ""
    below: float | None = None
    above: float | None = None
    every_seconds: int = 10
    timeout_seconds: int = 30


@dataclass(frozen=True, slots=True)
class HealthConfig:
    """Everything must hold for ``for_seconds`` in one piece, begun and ended ``within_seconds``; else ``otherwise``."""

    checks: tuple[HealthCheck, ...] = ()
    for_seconds: int = 60
    within_seconds: int = 900
    otherwise: str = "report"


@dataclass(frozen=True, slots=True)
class DeployConfig:
    """How an environment is deployed; ``raw`` keeps what only the dispatcher ``via`` understands."""

    via: str = "local"
    steps: tuple[StepConfig, ...] = ()
    start: str = "auto"
    raw: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    line: int = 0
    health: HealthConfig = field(default_factory=HealthConfig)

    @property
    def has_pipeline(self) -> bool:
        """Whether there is anything to run."""
        return bool(self.steps) or self.via != "local"


@dataclass(frozen=True, slots=True)
class DriftConfig:
    """How it is found out whether what runs still is what was deployed.

    ``every_seconds``: how often; 0: only when somebody asks. ``command``: a line for a shell that tells it, in a checkout of what is
    live, within ``timeout_seconds``: it ends with 0 where nothing differs, and with ``differs`` where something does; empty: there is none.
    ``differs`` 0: it was not written; then 2 counts, and only with what the command names.
    """

    every_seconds: int = 0
    command: str = ""
    timeout_seconds: int = 120
    differs: int = 0


@dataclass(frozen=True, slots=True)
class EnvironmentConfig:
    """One environment; ``after`` names those in which the same commit must have succeeded, ``soak_seconds`` ago at least.

    ``queue``: ``all`` (each deployment runs, first in first out) or ``newest`` (a newer one that contains an older
    queued one replaces it).
    """

    name: str
    targets: tuple[TargetConfig, ...] = ()
    after: tuple[str, ...] = ()
    protected: bool = False
    deploy: DeployConfig = field(default_factory=DeployConfig)
    line: int = 0
    soak_seconds: int = 0
    queue: str = "all"
    drift: DriftConfig = field(default_factory=DriftConfig)


@dataclass(frozen=True, slots=True)
class ResourceClause:
    """What one rendered resource has to be: every list that is given must hold for the same resource.

    ``kinds``, ``names`` and ``risks`` are globs (``aws_db_*``); ``names`` are tried on the name and on ``namespace/name``.
    """

    kinds: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SizeClause:
    """At least so many changed files, or so many changed lines; 0: not asked."""

    files: int = 0
    lines: int = 0


@dataclass(frozen=True, slots=True)
class When:
    """When a rule applies: every clause that is given must hold; within a clause one entry is enough.

    ``authors``: kinds of contributors (:data:`AUTHORS`). ``windows``: names of windows of the file, while one of them lasts.

    ``unevaluated`` names clauses that are understood but cannot be judged yet: a rule with one of
    them fails where the other clauses hold, it is never skipped.
    """

    paths: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    unevaluated: tuple[str, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    resources: ResourceClause | None = None
    size: SizeClause | None = None
    authors: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupNeed:
    """So many approvals out of these principals."""

    approvals: int
    from_: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Needs:
    """``approvals`` distinct people out of all the principals in ``from_`` together, each of whom must have viewed
    the parts of the change that ``seen`` names (some of :data:`SEEN`).

    ``groups`` stand in place of these two: every one of them must be met, by different people if ``distinct``. ``checks``:
    names that must have succeeded for exactly the merge result. ``expires_seconds``: how long an approval counts (0: for
    ever). ``reauthenticate``: it counts only from somebody who had just signed in again.

    ``ask``: who is asked, ``experts`` whom the portal chooses, or the ``group``, out of which somebody claims it.
    """

    approvals: int = 1
    from_: tuple[str, ...] = (REVIEWERS,)
    unevaluated: tuple[str, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    ask: str = EXPERTS
    seen: tuple[str, ...] = ()
    groups: tuple[GroupNeed, ...] = ()
    distinct: bool = True
    checks: tuple[str, ...] = ()
    expires_seconds: int = 0
    reauthenticate: bool = False

    @property
    def principals(self) -> tuple[str, ...]:
        """Everybody who is named, each once."""
        named = [name for group in self.groups for name in group.from_] if self.groups else self.from_
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the file (``line`` 0: the portal's own default). ``file``: the module of Rego that asks for it."""

    name: str
    stage: str = MERGE
    when: When = field(default_factory=When)
    needs: Needs = field(default_factory=Needs)
    line: int = 0
    file: str = ""


@dataclass(frozen=True, slots=True)
class StandardConfig:
    """A standard change: what fits this template entirely was approved with the policy, and goes without its rules' approvals.

    Every changed path matches one of ``paths``; every changed resource is as ``resources`` says (none of its lists given:
    no resource is deleted or replaced), has no risk but those named there, and changes only ``fields`` (globs in which only
    ``*`` is special; empty: any). ``size`` is the most that may change. Every contributor is among ``by`` (empty: everybody
    with the role author). ``covers``: the stages whose rules it replaces. ``runbook``: where the procedure is written.
    """

    name: str
    paths: tuple[str, ...]
    fields: tuple[str, ...] = ()
    resources: ResourceClause | None = None
    size: SizeClause | None = None
    by: tuple[str, ...] = ()
    covers: tuple[str, ...] = (MERGE,)
    runbook: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class RollbackConfig:
    """Approvals for going back to a state that was approved and live before.

    ``preauthorised_seconds``: for how long after a merge a roll-back goes by what its approvers said with their approval; 0: never.
    """

    protected: int = 1
    others: int = 0
    preauthorised_seconds: int = 0

    def approvals_for(self, protected: Iterable[bool]) -> int:
        """As many as the strictest of the environments that are reached asks for, given whether each is protected.

        Reaching none is not a known case, so the stricter figure holds.
        """
        counts = [self.protected if one else self.others for one in protected]
        return max(counts, default=max(self.protected, self.others))


@dataclass(frozen=True, slots=True)
class ThreadsConfig:
    """Who settles threads: ``opener``, ``writers``; empty: blocking ones their opener, others everybody who writes."""

    resolve: str = ""


@dataclass(frozen=True, slots=True)
class EmergencyConfig:
    from_: tuple[str, ...]
    approvals: int
    review_within_seconds: int
    line: int = 0


@dataclass(frozen=True, slots=True)
class WindowConfig:
    """An ``allow`` window or a ``freeze``: one-off (``start``/``end``) or recurring (``cron``/``duration_seconds``).

    ``holds``: which stages it holds. ``override``: principals one of whom may let a change through, with a reason.
    """

    name: str
    kind: str
    environments: tuple[str, ...]
    start: datetime | None = None
    end: datetime | None = None
    cron: str = ""
    duration_seconds: int = 0
    timezone: str = "UTC"
    line: int = 0
    holds: tuple[str, ...] = ("deploy",)
    override: tuple[str, ...] = ("role/maintainer",)


@dataclass(frozen=True, slots=True)
class SecretConfig:
    """What the repository calls secret: globs on names of fields, and on words of texts, in which only ``*`` is special."""

    name: str
    keys: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    line: int = 0


@dataclass(frozen=True, slots=True)
class RegoConfig:
    """Rules in Rego: every ``*.rego`` below ``directory``, as it stands on the target branch. Empty: there are none."""

    directory: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class PortalConfig:
    """The whole file. No environments in it means one named ``default`` without a pipeline."""

    environments: tuple[EnvironmentConfig, ...] = (EnvironmentConfig("default"),)
    rules: tuple[Rule, ...] = ()
    rollback: RollbackConfig = field(default_factory=RollbackConfig)
    emergency: EmergencyConfig | None = None
    windows: tuple[WindowConfig, ...] = ()
    runbooks: str = ""
    threads: ThreadsConfig = field(default_factory=ThreadsConfig)
    secrets: tuple[SecretConfig, ...] = ()
    standards: tuple[StandardConfig, ...] = ()
    outside_changes: str = SHOW
    """Whether a push past the portal holds what contains it (``hold``) until it is adopted or reverted."""
    rego: RegoConfig = field(default_factory=RegoConfig)

    def environment(self, name: str) -> EnvironmentConfig | None:
        """The environment of that name."""
        return next((found for found in self.environments if found.name == name), None)


DEFAULT_CONFIG = PortalConfig()
