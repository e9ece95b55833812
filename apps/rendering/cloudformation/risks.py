"""What reviewers of a stack must not overlook; only what the change brings. The codes are those of all renderings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from apps.rendering.cloudformation.exposure import EXPOSING, exposure_facts, exposure_guards
from apps.rendering.cloudformation.permissions import ALLOWING, permission_risks
from apps.rendering.comparing.paths import words
from apps.rendering.comparing.risks.hidden import hidden_risks
from apps.rendering.comparing.risks.reading import at, mappings_at, shown, text_at
from apps.rendering.model import Action, Json, ResourceChange, Risk, Weight

_Body = Mapping[str, Json]
_DATA = "Its data may be lost."
_HEAVY: Mapping[str, str] = {
    "RDS::DBInstance": _DATA,
    "RDS::DBCluster": _DATA,
    "RDS::GlobalCluster": _DATA,
    "DocDB::DBCluster": _DATA,
    "DocDB::DBInstance": _DATA,
    "Neptune::DBCluster": _DATA,
    "Neptune::DBInstance": _DATA,
    "DynamoDB::Table": _DATA,
    "DynamoDB::GlobalTable": _DATA,
    "S3::Bucket": "Its objects may be lost; while it holds some, the deletion fails.",
    "EFS::FileSystem": _DATA,
    "FSx::FileSystem": _DATA,
    "EC2::Volume": _DATA,
    "EC2::Instance": "What is on its root volume may be lost.",
    "ElastiCache::CacheCluster": _DATA,
    "ElastiCache::ReplicationGroup": _DATA,
    "ElastiCache::ServerlessCache": _DATA,
    "MemoryDB::Cluster": _DATA,
    "OpenSearchService::Domain": _DATA,
    "OpenSearchServerless::Collection": _DATA,
    "Elasticsearch::Domain": _DATA,
    "Redshift::Cluster": _DATA,
    "Timestream::Table": _DATA,
    "Timestream::Database": _DATA,
    "MSK::Cluster": _DATA,
    "AmazonMQ::Broker": _DATA,
    "Kinesis::Stream": "What it holds and nobody has read yet is lost.",
    "SQS::Queue": "The messages in it are lost.",
    "Logs::LogGroup": "The logs in it are lost.",
    "ECR::Repository": "The images in it may be lost.",
    "Backup::BackupVault": "The backups in it may be lost.",
    "KMS::Key": "What was encrypted with it cannot be read any more.",
    "KMS::ReplicaKey": "What was encrypted with it cannot be read in its region any more.",
    "Route53::HostedZone": "Its names are no longer answered; a new zone has other name servers.",
    "Cognito::UserPool": "Its users are lost.",
    "Cognito::IdentityPool": "Its identities are lost.",
    "SecretsManager::Secret": "Whatever reads it fails.",
    "EKS::Cluster": "Everything that runs in it is lost.",
    "CloudFormation::Stack": "Everything in it is deleted, too.",
}
_SNAPSHOT_BY_DEFAULT = frozenset({"AWS::RDS::DBCluster", "AWS::RDS::DBInstance"})
_STRENGTH = {"Delete": 0, "Snapshot": 1, "RetainExceptOnCreate": 2, "Retain": 2}
_PROTECTIONS: Mapping[str, frozenset[Json]] = {
    "DeletionProtection": frozenset({"true", "active"}),
    "DeletionProtectionEnabled": frozenset({"true"}),
    "DisableApiTermination": frozenset({"true"}),
}

_PLACES = {**EXPOSING, **ALLOWING, **dict.fromkeys((*_PROTECTIONS, "LoadBalancerAttributes"), "destroy")}


def risks_of(change: ResourceChange) -> tuple[Risk, ...]:
    """The risks that ``change`` brings, in no order of weight."""
    found = dict.fromkeys(action_risks(change))
    found.update(dict.fromkeys(permission_risks(change)))
    found.update(dict.fromkeys(hidden_risks(change.before, change.after, _PLACES)))
    if change.after is not None:
        known = set(exposure_facts(change.before)) if change.before is not None else set()
        found.update(dict.fromkeys(risk for risk in exposure_facts(change.after) if risk not in known))
    if change.before is not None and change.after is not None:
        found.update(dict.fromkeys(exposure_guards(change.before, change.after)))
        found.update(dict.fromkeys(_unprotected(change.before, change.after)))
    return tuple(found)


def loss_of(kind: str) -> str:
    """What may be lost with a resource of this type; empty where nothing stays in it."""
    return _HEAVY.get(kind.removeprefix("AWS::"), "")


def action_risks(change: ResourceChange) -> Iterator[Risk]:
    """What is lost when something is deleted, or deleted and created again. ``before`` must name its type."""
    before = change.before or {}
    kind = text_at(before, "Type")
    if change.action is Action.DELETE:
        yield _gone(f"{shown(change.id)} is deleted.", kind, _policy(before, "DeletionPolicy"), "DeletionPolicy")
    elif change.action is Action.REPLACE:
        loss = loss_of(kind)
        fields = ", ".join(shown(words(path)) for path in change.replace_paths[:5])
        why = f" because {fields} cannot be changed in place" if fields else ""
        text = f"{shown(change.id)} must be deleted and created again{why}."
        yield Risk("replace", text, Weight.HIGH if loss else Weight.MEDIUM)
        if loss:
            sides = [side for side in (change.before, change.after) if side is not None]
            policy = min(
                (_policy(side, "UpdateReplacePolicy") for side in sides), key=lambda one: _STRENGTH.get(one, 0)
            )
            yield _gone(f"{shown(change.id)} is deleted on the way.", kind, policy, "UpdateReplacePolicy")


def _policy(body: _Body, name: str) -> str:
    if name in body:
        return text_at(body, name)
    by_default = name == "DeletionPolicy" and body.get("Type") in _SNAPSHOT_BY_DEFAULT
    return "Snapshot" if by_default and at(body, "Properties", "DBClusterIdentifier") is None else "Delete"


def _gone(what: str, kind: str, policy: str, name: str) -> Risk:
    loss = loss_of(kind)
    weight = Weight.HIGH if loss else Weight.MEDIUM
    match _STRENGTH.get(policy, 0):
        case 2:
            text = what.replace(" is deleted", " leaves the stack", 1)
            return Risk("destroy", f"{text} It is kept in the account ({name}: {shown(policy)}).")
        case 1:
            return Risk("destroy", f"{what} A snapshot of it is kept ({name}: {shown(policy)}).", weight)
    return Risk("destroy", f"{what} {loss}".strip(), weight)


def _unprotected(before: _Body, after: _Body) -> Iterator[Risk]:
    for name, on in _PROTECTIONS.items():
        was, now = (str(at(side, "Properties", name)).lower() for side in (before, after))
        if was in on and now not in on:
            yield Risk("destroy", f"It is no longer protected from being deleted ({name}).", Weight.HIGH)
    key = "deletion_protection.enabled"
    if _attribute(before, key) == "true" and _attribute(after, key) != "true":
        yield Risk("destroy", f"It is no longer protected from being deleted ({key}).", Weight.HIGH)
    for name in ("DeletionPolicy", "UpdateReplacePolicy"):
        old, new = _policy(before, name), _policy(after, name)
        if _STRENGTH.get(old, 0) > _STRENGTH.get(new, 0):
            weight = Weight.HIGH if loss_of(text_at(after, "Type")) else Weight.MEDIUM
            when = "it leaves the stack" if name == "DeletionPolicy" else "it is replaced"
            yield Risk(
                "destroy", f"Less of it is kept when {when} ({name}: {shown(old)} becomes {shown(new)}).", weight
            )


def _attribute(body: _Body, key: str) -> str:
    """Of a load balancer."""
    found = [one for one in mappings_at(body, "Properties", "LoadBalancerAttributes") if one.get("Key") == key]
    return str(found[-1].get("Value")).lower() if found else ""
