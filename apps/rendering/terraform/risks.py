"""What a planned change of a cloud resource brings that reviewers must not overlook: by type, and by attributes that open or unlock."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from apps.rendering.model import Action, ResourceChange, Risk, Weight

HOLDS_DATA = re.compile(
    r"(?:aws_(?:db_instance|rds_cluster\w*|dynamodb_table|s3_bucket|efs_file_system|ebs_volume|elasticache_\w+|"
    r"opensearch_domain|elasticsearch_domain|redshift_cluster|docdb_cluster\w*|neptune_cluster|kinesis_stream|msk_cluster|"
    r"fsx_\w+|backup_vault|secretsmanager_secret|kms_key|cognito_user_pool|route53_zone|ecr_repository|sqs_queue)"
    r"|google_(?:sql_database\w*|storage_bucket|bigquery_(?:dataset|table)|bigtable_\w+|spanner_\w+|firestore_database|"
    r"compute_(?:disk|region_disk)|filestore_instance|redis_instance|pubsub_topic|kms_\w+|dns_managed_zone|secret_manager_secret)"
    r"|azurerm_(?:\w*sql_(?:database|server)|mysql_\w+|postgresql_\w+|mssql_\w+|cosmosdb_\w+|storage_(?:account|container|share)|"
    r"managed_disk|redis_cache|key_vault\w*|dns_zone|private_dns_zone|eventhub\w*|servicebus_\w+)"
    r"|kubernetes_(?:persistent_volume\w*|namespace\w*|secret\w*)|random_password|tls_private_key)"
)
RIGHTS = re.compile(
    r"aws_(?:iam_|organizations_policy|s3_bucket_policy|kms_grant|lambda_permission|ecr_repository_policy)\w*"
    r"|google_\w*iam_\w+|google_service_account\w*|azurerm_(?:role_|user_assigned_identity|pim_)\w*|azuread_\w+"
    r"|kubernetes_(?:cluster_)?role\w*|vault_policy"
)
_EVERYBODY = frozenset({"0.0.0.0/0", "::/0", "*", "Internet", "allUsers", "allAuthenticatedUsers"})
_PEERS = re.compile("cidr|source|member|principal|prefix|address|ranges")
_OPENED = {
    "publicly_accessible": "It becomes reachable from the internet (publicly_accessible).",
    "associate_public_ip_address": "It gets a public address.",
    "map_public_ip_on_launch": "What starts in this subnet gets a public address.",
    "public_network_access_enabled": "It becomes reachable from the internet (public_network_access_enabled).",
    "endpoint_public_access": "Its endpoint becomes reachable from the internet.",
    "force_destroy": "Its content goes with it when it is destroyed (force_destroy).",
    "skip_final_snapshot": "No last snapshot is taken when it is destroyed (skip_final_snapshot).",
}
_UNLOCKED = {
    "deletion_protection": "It can be destroyed from now on (deletion_protection is off).",
    "enable_deletion_protection": "It can be destroyed from now on (deletion protection is off).",
    "termination_protection": "It can be destroyed from now on (termination_protection is off).",
    "prevent_destroy": "It can be destroyed from now on (prevent_destroy is off).",
    "block_public_acls": "Public access is no longer blocked (block_public_acls).",
    "block_public_policy": "Public access is no longer blocked (block_public_policy).",
    "restrict_public_buckets": "Public access is no longer blocked (restrict_public_buckets).",
    "storage_encrypted": "What it holds is no longer encrypted (storage_encrypted).",
    "encrypted": "What it holds is no longer encrypted (encrypted).",
}


def risks_of(change: ResourceChange) -> tuple[Risk, ...]:
    """Only what the change brings: what was open before is no news."""
    found = dict.fromkeys((*_losses(change), *_rights(change), *_attributes(change)))
    return tuple(sorted(found, key=lambda risk: risk.weight is not Weight.HIGH))


def _losses(change: ResourceChange) -> Iterator[Risk]:
    if change.action not in {Action.DELETE, Action.REPLACE}:
        return
    holds = HOLDS_DATA.fullmatch(change.id.kind) is not None
    if change.action is Action.DELETE:
        text = "It is destroyed, with the data that it holds." if holds else "It is destroyed."
        yield Risk("destroy", text, Weight.HIGH if holds else Weight.MEDIUM)
        return
    yield Risk("replace", "It is destroyed and made anew.", Weight.HIGH if holds else Weight.MEDIUM)
    if holds:
        yield Risk("destroy", "The data that it holds goes with it.", Weight.HIGH)


def _rights(change: ResourceChange) -> Iterator[Risk]:
    if not RIGHTS.match(change.id.kind):
        return
    verb = {Action.CREATE: "gives", Action.DELETE: "takes away"}.get(change.action, "changes")
    yield Risk("iam", f"It {verb} access rights ({change.id.kind}).", Weight.MEDIUM)
    if _has_wildcard(change.after) and not _has_wildcard(change.before):
        yield Risk("iam", "It allows every action, or is valid for every resource (*).", Weight.HIGH)


def _has_wildcard(body: Mapping[str, Any] | None) -> bool:
    texts = [text for _, text in _leaves(body or {}) if isinstance(text, str)]
    return any(
        re.search(r'"(?:Action|Resource|Principal|AWS)"\s*:\s*\[?\s*"\*"', text) or text == "*" for text in texts
    )


def _attributes(change: ResourceChange) -> Iterator[Risk]:
    if change.after is None:
        return
    before = dict(_leaves(change.before or {}))
    for path, value in _leaves(change.after):
        name = next((str(step) for step in reversed(path) if isinstance(step, str)), "")
        old = before.get(path)
        if value is True and old is not True and name in _OPENED:
            yield Risk("exposure" if "public" in name else "destroy", _OPENED[name], Weight.HIGH)
        if value is False and old is True and name in _UNLOCKED:
            yield Risk(
                "destroy" if "protect" in name or "prevent" in name else "exposure", _UNLOCKED[name], Weight.HIGH
            )
    opened = _everybody(change.after) - _everybody(change.before or {})
    for place in sorted(opened):
        yield Risk("exposure", f"Everybody is let in ({place}).", Weight.HIGH)
    if (change.before or {}).get("internal") is True and change.after.get("internal") is False:
        yield Risk("exposure", "The load balancer becomes reachable from the internet.", Weight.HIGH)


def _everybody(body: Mapping[str, Any]) -> set[str]:
    """Names of attributes below which everybody is named; where rules go out, nobody is let in."""
    if body.get("type") == "egress" or body.get("direction") in {"EGRESS", "Outbound"}:
        return set()
    found = set()
    for path, value in _leaves(body):
        names = [step for step in path if isinstance(step, str)]
        lets_out = any("egress" in name or name == "destination" for name in names)
        if value in _EVERYBODY and names and not lets_out and _PEERS.search(names[-1]):
            found.add(names[-1])
    return found


def _leaves(body: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    left: list[tuple[tuple[str | int, ...], Any]] = [((), body)]
    while left:
        path, value = left.pop()
        if isinstance(value, Mapping):
            left += [((*path, str(key)), item) for key, item in value.items()]
        elif isinstance(value, list):
            left += [((*path, at), item) for at, item in enumerate(value)]
        else:
            yield path, value
