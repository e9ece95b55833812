"""``.gitops/portal.yaml``: schema, loader and what it says. Pure: neither Django nor Git."""

from apps.policies.config.document import Parsed, parse_portal_yaml
from apps.policies.config.effects import affected_environments, is_documentation, targets_reading
from apps.policies.config.model import (
    CODE_OWNERS,
    DEFAULT_CONFIG,
    DEPLOY,
    GROUP,
    MERGE,
    OPENER,
    REVIEWERS,
    WRITERS,
    DeployConfig,
    EmergencyConfig,
    EnvironmentConfig,
    Needs,
    PortalConfig,
    RollbackConfig,
    Rule,
    StepConfig,
    TargetConfig,
    ThreadsConfig,
    When,
    WindowConfig,
)
from apps.policies.config.nodes import MAX_BYTES
from apps.policies.config.reader import parse_duration
from apps.policies.problems import Problem, has_errors

__all__ = [
    "CODE_OWNERS",
    "DEFAULT_CONFIG",
    "DEPLOY",
    "GROUP",
    "MAX_BYTES",
    "MERGE",
    "OPENER",
    "REVIEWERS",
    "WRITERS",
    "DeployConfig",
    "EmergencyConfig",
    "EnvironmentConfig",
    "Needs",
    "Parsed",
    "PortalConfig",
    "Problem",
    "RollbackConfig",
    "Rule",
    "StepConfig",
    "TargetConfig",
    "ThreadsConfig",
    "When",
    "WindowConfig",
    "affected_environments",
    "has_errors",
    "is_documentation",
    "parse_duration",
    "parse_portal_yaml",
    "targets_reading",
]
