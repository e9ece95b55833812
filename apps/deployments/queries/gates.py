"""The gate of a deployment, judged once: what is unmet holds it, and what was judged is kept with the attempt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from apps.changes.models import ChangeRequest
from apps.deployments.models import Deployment, Environment
from apps.policies.config import DEPLOY, PortalConfig
from apps.policies.evaluation import Requirement, skipped_by_emergency
from apps.policies.queries import Policy, policy_at
from apps.reviews.holds import is_held_now, windows_for
from apps.reviews.queries import Judgement, judge
from apps.vcs import refs

WINDOW_CODES = ("freeze", "window")
RULE_CODES = frozenset({"rule", "code_owners", "check", "change_requests", "rollback", "emergency"})
"""What only holds where an environment has rules of its own. Everything else that is not met always holds, also what is new here."""


@dataclass(frozen=True, slots=True)
class Gate:
    """``has_rules``: rules of the stage hold this environment; otherwise only what is not among :data:`RULE_CODES`."""

    judged: Judgement
    has_rules: bool

    @property
    def unmet(self) -> list[Requirement]:
        """What holds the deployment."""
        return [row for row in self.judged.verdict.requirements if not row.is_satisfied and self._holds(row)]

    @property
    def is_by_emergency(self) -> bool:
        """Whether something that would hold it was set aside by a confirmed emergency."""
        return any(self._holds(row) for row in skipped_by_emergency(self.judged.verdict))

    def _holds(self, row: Requirement) -> bool:
        return self.has_rules or row.code not in RULE_CODES


def present_policy(deployment: Deployment) -> Policy:
    """The policy at the tip of the target branch now: what governs is judged at use."""
    repository = deployment.environment.repository
    branch = deployment.change.target_branch
    tip = refs.branch_tip(repository.mirror_path, branch)
    return policy_at(repository, branch, tip or deployment.commit)


def config_then(change: ChangeRequest) -> PortalConfig:
    """What portal.yaml says at the merged commit, by which a change is deployed; ``ObjectMissing`` where the mirror lost that."""
    return policy_at(change.repository, change.target_branch, change.merge_commit).config


def gate_of(deployment: Deployment, config: PortalConfig) -> Gate | None:
    """Judged now, by the present ``config``; ``None`` where nothing is asked: there are neither rules nor windows."""
    return gate_for(deployment.change, deployment.environment, config)


def gate_for(change: ChangeRequest, environment: Environment, config: PortalConfig) -> Gate | None:
    """The same for ``change``, whatever brings it to ``environment``."""
    if not is_asked(environment, config):
        return None
    return Gate(judge(change, stage=DEPLOY, environment=environment.name), _has_rules(environment, config))


def is_asked(environment: Environment, config: PortalConfig) -> bool:
    """Whether rules or windows are asked before anything starts in ``environment``."""
    return _has_rules(environment, config) or bool(windows_for(config.windows, environment.name, DEPLOY))


def holds_some(environment: Environment, config: PortalConfig) -> bool:
    """Whether anything could be held in ``environment`` now: there are rules, or a window holds it at this moment."""
    return _has_rules(environment, config) or is_held_now(config.windows, environment.name, DEPLOY)


def words_by_code(unmet: Iterable[Requirement]) -> list[tuple[str, str]]:
    """What holds, as code and words: one text of everything but the windows, and then each of those."""
    rows = list(unmet)
    windows = [(row.code, row.text) for row in rows if row.code in WINDOW_CODES]
    others = " ".join(row.text for row in rows if row.code not in WINDOW_CODES)
    return [("gate", others), *windows] if others else windows


def _has_rules(environment: Environment, config: PortalConfig) -> bool:
    """Rules of the stage hold protected environments only."""
    return environment.protected and (bool(config.rego.directory) or any(rule.stage == DEPLOY for rule in config.rules))
