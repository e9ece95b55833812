"""Which rights the resources of a Terraform plan give to everybody, or without a limit. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from apps.rendering.comparing.risks.reading import at, mappings_at, shown, text_at, texts_at
from apps.rendering.model import Json, Risk, Weight

_EVERYBODY = frozenset({"allUsers", "allAuthenticatedUsers"})
_ADMINISTRATORS = frozenset({
    "roles/owner", "roles/editor", "roles/iam.securityAdmin", "roles/resourcemanager.organizationAdmin",
    "Owner", "Contributor", "User Access Administrator", "Role Based Access Control Administrator",
})  # fmt: skip
_MANAGED = ("AdministratorAccess", "PowerUserAccess", "IAMFullAccess")
_EVERY_ACTION = frozenset({"*", "*:*"})
_POLICIES = ("policy", "assume_role_policy", "inline_policy", "policy_data", "access_policy")


def rights_facts(kind: str, body: Mapping[str, Json]) -> Iterator[Risk]:
    role = text_at(body, "role") or text_at(body, "role_definition_name")
    if role in _ADMINISTRATORS:
        yield Risk("iam", f"The role {role} allows nearly everything.", Weight.HIGH)
    for member in {text_at(body, "member"), *texts_at(body, "members")} & _EVERYBODY:
        yield Risk("exposure", f"Everybody gets the role {shown(role)} ({member}).", Weight.HIGH)
    arn = text_at(body, "policy_arn")
    if arn.rpartition("/")[2] in _MANAGED and kind.startswith("aws_iam_"):
        yield Risk("iam", f"The policy {arn.rpartition('/')[2]} allows nearly everything.", Weight.HIGH)
    if kind == "aws_lambda_permission" and text_at(body, "principal") == "*":
        yield Risk("exposure", "Everybody may call the function.", Weight.HIGH)
    for name in _POLICIES:
        yield from _policy(body.get(name))
    for each in mappings_at(body, "inline_policy"):
        yield from _policy(each.get("policy"))


def _policy(text: Json) -> Iterator[Risk]:
    """A policy document of AWS or Google; what cannot be read says nothing here."""
    try:
        document = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return
    single = at(document, "Statement") or document
    for statement in [single] if isinstance(single, Mapping) else mappings_at(document, "Statement"):
        yield from _statement(statement)
    for binding in mappings_at(document, "bindings"):
        for member in sorted(_EVERYBODY & set(texts_at(binding, "members"))):
            yield Risk("exposure", f"Everybody gets the role {shown(binding.get('role'))} ({member}).", Weight.HIGH)


def _statement(statement: Mapping[str, Json]) -> Iterator[Risk]:
    if statement.get("Effect") == "Deny":
        return
    if "NotResource" in statement or "*" in _texts(statement.get("Resource", "*")):
        if _EVERY_ACTION & set(_texts(statement.get("Action"))):
            yield Risk("iam", "A policy allows every action.", Weight.HIGH)
        elif "NotAction" in statement:
            yield Risk("iam", "A policy allows every action but those that it names (NotAction).", Weight.HIGH)
    principal = statement.get("Principal")
    everybody = principal.get("AWS") if isinstance(principal, Mapping) else principal
    if statement.get("Condition"):
        return
    if "*" in _texts(everybody):
        yield Risk("exposure", "A policy lets everybody in (Principal: *).", Weight.HIGH)
    elif "NotPrincipal" in statement:
        yield Risk("exposure", "A policy lets everybody in but those that it names (NotPrincipal).", Weight.HIGH)


def _texts(value: Json) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str)]
