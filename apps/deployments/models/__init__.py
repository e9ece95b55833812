"""Merging, environments, deployments with their attempts, steps and numbered events."""

from apps.deployments.models.comparisons import TargetComparison
from apps.deployments.models.connections import Connection, ConnectionGrant, Report
from apps.deployments.models.deployments import (
    LOCK_HOLDERS,
    Attempt,
    Deployment,
    DeploymentEvent,
    DeploymentNumber,
    GateAlong,
    Step,
    waits_for_start_only,
)
from apps.deployments.models.drift import DriftAcceptance, DriftAdoption, DriftCheck, DriftWatch
from apps.deployments.models.environments import DefinedEnvironments, Environment, EnvironmentLock, EnvironmentSecret
from apps.deployments.models.freezes import TargetFreeze
from apps.deployments.models.identity import PortalIdentity
from apps.deployments.models.merging import MergeIntent, MergeSchedule
from apps.deployments.models.status_pages import StatusPage

__all__ = [
    "LOCK_HOLDERS",
    "Attempt",
    "Connection",
    "ConnectionGrant",
    "DefinedEnvironments",
    "Deployment",
    "DeploymentEvent",
    "DeploymentNumber",
    "DriftAcceptance",
    "DriftAdoption",
    "DriftCheck",
    "DriftWatch",
    "Environment",
    "EnvironmentLock",
    "EnvironmentSecret",
    "GateAlong",
    "MergeIntent",
    "MergeSchedule",
    "PortalIdentity",
    "Report",
    "StatusPage",
    "Step",
    "TargetComparison",
    "TargetFreeze",
    "waits_for_start_only",
]
