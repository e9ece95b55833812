"""The ``rules`` of the file. What would silently weaken a rule is an error, never a default."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Any

from apps.policies.config.model import (
    ACTIONS,
    CODE_OWNERS,
    DEPLOY,
    EXPERTS,
    GROUP,
    MERGE,
    OPENER,
    REVIEWERS,
    SEEN,
    SEEN_ALL,
    WRITERS,
    EmergencyConfig,
    Needs,
    ResourceClause,
    RollbackConfig,
    Rule,
    ThreadsConfig,
    When,
)
from apps.policies.config.nodes import Mapping, Node, Scalar
from apps.policies.config.reader import Reader, nearest, plain
from apps.policies.patterns import PatternError, compile_pattern

RULE_KEYS = ("name", "stage", "when", "needs")
WHEN_KEYS = ("paths", "environments", "resources")
RESOURCE_KEYS = ("kinds", "actions", "names", "risk")
NEEDS_KEYS = ("approvals", "from", "reauthenticate", "expires", "ask", "seen")
# Understood, kept, and judged as "could not be evaluated" until they can be judged.
NEEDS_UNEVALUATED = ("reauthenticate", "expires")
ROLES = ("viewer", "author", "reviewer", "deployer", "maintainer", "auditor")
EXAMPLE = "- {name: an owner, needs: {approvals: 1, from: [code-owners]}}"
_PRINCIPAL = re.compile(r"(team|user)/[^\s/,]{1,150}")


def read_rules(reader: Reader, node: Node | None, environments: tuple[str, ...]) -> tuple[Rule, ...]:
    """All rules in the order of the file."""
    found: list[Rule] = []
    for item, path in reader.entries(node, "rules", EXAMPLE):
        mapping = reader.mapping(item, path, EXAMPLE)
        if mapping is None:
            continue
        rule = _rule(reader, mapping, path, environments)
        if rule.name and any(other.name == rule.name for other in found):
            reader.error(mapping, f"{path}.name", f"Two rules are named `{rule.name}`.", "Rename one of the two.")
        found.append(rule)
    return tuple(found)


def _rule(reader: Reader, mapping: Mapping, path: str, environments: tuple[str, ...]) -> Rule:
    fields = reader.fields(mapping, path, RULE_KEYS, ("name", "needs"))
    stage_node = fields.get("stage")
    return Rule(
        reader.text(fields.get("name"), f"{path}.name", "name: production experts", limit=100),
        reader.named(stage_node, f"{path}.stage", (MERGE, DEPLOY), MERGE) if stage_node else MERGE,
        _when(reader, fields.get("when"), f"{path}.when", environments),
        _needs(reader, fields.get("needs"), f"{path}.needs"),
        mapping.line,
    )


def _when(reader: Reader, node: Node | None, path: str, environments: tuple[str, ...]) -> When:
    mapping = reader.mapping(node, path, "when: {environments: [production]}")
    if mapping is None:
        return When()
    fields = reader.fields(mapping, path, WHEN_KEYS)
    if not mapping.pairs:
        reader.error(mapping, path, f"`{path}` is empty.", "Remove it: a rule without `when` always applies.")
    return When(
        _paths(reader, fields.get("paths"), f"{path}.paths"),
        known_environments(reader, fields.get("environments"), f"{path}.environments", environments),
        resources=_resources(reader, fields.get("resources"), f"{path}.resources"),
    )


def _resources(reader: Reader, node: Node | None, path: str) -> ResourceClause | None:
    example = "resources: {kinds: [PersistentVolumeClaim, aws_db_*], actions: [delete, replace]}"
    mapping = reader.mapping(node, path, example)
    if mapping is None:
        return None
    fields = reader.fields(mapping, path, RESOURCE_KEYS)
    if not mapping.pairs:
        reader.error(mapping, path, f"`{path}` is empty.", f"Write `{example}`, or remove the key.")
    actions = reader.texts(fields.get("actions"), f"{path}.actions", "actions: [delete, replace]")
    for item, place in reader.entries(fields.get("actions"), f"{path}.actions", "") if actions else ():
        text = item.text if isinstance(item, Scalar) else ""
        if text and text not in ACTIONS:
            reader.error(item, place, f"`{text[:40]}` is nothing that happens to a resource.", nearest(text, ACTIONS))
    return ResourceClause(
        reader.texts(fields.get("kinds"), f"{path}.kinds", "kinds: [PersistentVolumeClaim]"),
        actions,
        reader.texts(fields.get("names"), f"{path}.names", 'names: ["prod/*"]'),
        reader.texts(fields.get("risk"), f"{path}.risk", "risk: [rbac]"),
    )


def _tell_unevaluated(reader: Reader, fields: dict[str, Node], path: str, clauses: tuple[str, ...]) -> None:
    for key in clauses:
        message = (
            f"`{path}.{key}` is kept, but cannot be evaluated yet: where the rest of the rule applies, the rule fails."
        )
        reader.notice(fields[key], f"{path}.{key}", message, "Remove the clause if the rule should hold without it.")


def _kept(fields: dict[str, Node], keys: tuple[str, ...]) -> MappingProxyType[str, Any]:
    return MappingProxyType({key: plain(fields[key]) for key in keys if key in fields})


def _paths(reader: Reader, node: Node | None, path: str) -> tuple[str, ...]:
    found = reader.texts(node, path, "paths: [infra/**]")
    for item, place in reader.entries(node, path, "") if found else ():
        text = item.text if isinstance(item, Scalar) else ""
        try:
            compile_pattern(text)
        except PatternError as error:
            reader.error(
                item,
                place,
                f"`{text}` is no path pattern: {error}.",
                "Write a pattern as in .gitignore, such as `infra/**`.",
            )
        if text.startswith("!"):
            reader.error(
                item,
                place,
                "Exclusions are not possible here: they could weaken the rule.",
                "Name the paths that are meant.",
            )
    return found


def known_environments(reader: Reader, node: Node | None, path: str, environments: tuple[str, ...]) -> tuple[str, ...]:
    """Names of environments that stand in the file; others are errors."""
    found = reader.texts(node, path, "environments: [production]")
    for name in found:
        if name not in environments and node is not None:
            reader.error(node, path, f"`{name}` is not an environment of this file.", nearest(name, environments))
    return found


def _needs(reader: Reader, node: Node | None, path: str) -> Needs:
    mapping = reader.mapping(node, path, "needs: {approvals: 1, from: [code-owners]}")
    if mapping is None:
        return Needs()
    fields = reader.fields(mapping, path, NEEDS_KEYS, ("approvals",))
    approvals = reader.count(fields.get("approvals"), f"{path}.approvals", default=1, low=1)
    from_ = read_principals(reader, fields.get("from"), f"{path}.from") if "from" in fields else (REVIEWERS,)
    if "reauthenticate" in fields:
        reader.boolean(fields["reauthenticate"], f"{path}.reauthenticate", default=True)
    if "expires" in fields:
        reader.duration(fields["expires"], f"{path}.expires", default=1, example="7d")
    unevaluated = tuple(key for key in NEEDS_UNEVALUATED if key in fields and plain(fields[key]) is not False)
    _tell_unevaluated(reader, fields, path, unevaluated)
    ask = reader.named(fields["ask"], f"{path}.ask", (EXPERTS, GROUP), EXPERTS) if "ask" in fields else EXPERTS
    seen = _seen(reader, fields.get("seen"), f"{path}.seen")
    return Needs(approvals, from_, unevaluated, _kept(fields, NEEDS_UNEVALUATED), ask, seen)


def _seen(reader: Reader, node: Node | None, path: str) -> tuple[str, ...]:
    """``all``, or a list of what has to be seen."""
    if isinstance(node, Scalar):
        return (SEEN_ALL,) if reader.named(node, path, (SEEN_ALL,), SEEN_ALL) else ()
    found = reader.texts(node, path, "seen: [destroys, rbac]")
    for item, place in reader.entries(node, path, "") if found else ():
        text = item.text if isinstance(item, Scalar) else ""
        if text and text not in SEEN:
            reader.error(item, place, f"`{text[:40]}` is nothing that can be seen.", nearest(text, SEEN))
    return found


def read_principals(reader: Reader, node: Node | None, path: str) -> tuple[str, ...]:
    """``team/x``, ``user/x``, ``role/x`` and ``code-owners``."""
    found = reader.texts(node, path, "from: [team/sre, code-owners]")
    for name in found:
        kind, _, rest = name.partition("/")
        known = name == CODE_OWNERS or _PRINCIPAL.fullmatch(name) or (kind == "role" and rest in ROLES)
        if not known and node is not None:
            reader.error(node, path, f"`{name}` names nobody who could approve.", _principal_fix(name))
    return found


def _principal_fix(name: str) -> str:
    if name.startswith("role/"):
        return nearest(name, [f"role/{role}" for role in ROLES])
    if name.startswith("@"):
        return f"Write `{'team' if '/' in name else 'user'}/{name.rpartition('/')[2].lstrip('@') or 'bob'}`."
    return "Write `team/name`, `user/name`, `role/reviewer` or `code-owners`."


def read_rollback(reader: Reader, node: Node | None) -> RollbackConfig:
    """Approvals that going back needs; the defaults of :class:`RollbackConfig` for what is not said."""
    mapping = reader.mapping(node, "rollback", "rollback: {protected: 1, others: 0}")
    if mapping is None:
        return RollbackConfig()
    fields = reader.fields(mapping, "rollback", ("protected", "others"))
    return RollbackConfig(
        reader.count(fields.get("protected"), "rollback.protected", default=1, low=0),
        reader.count(fields.get("others"), "rollback.others", default=0, low=0),
    )


def read_threads(reader: Reader, node: Node | None) -> ThreadsConfig:
    """Who settles threads."""
    mapping = reader.mapping(node, "threads", "threads: {resolve: opener}")
    if mapping is None:
        return ThreadsConfig()
    fields = reader.fields(mapping, "threads", ("resolve",), ("resolve",))
    node = fields.get("resolve")
    return ThreadsConfig(reader.named(node, "threads.resolve", (OPENER, WRITERS), OPENER) if node else "")


def read_emergency(reader: Reader, node: Node | None) -> EmergencyConfig | None:
    """Who may break the glass; kept, evaluated by a later version."""
    mapping = reader.mapping(node, "emergency", "emergency: {from: [team/incident], approvals: 1, reviewWithin: 24h}")
    if mapping is None:
        return None
    fields = reader.fields(mapping, "emergency", ("from", "approvals", "reviewWithin"), ("from",))
    reader.notice(mapping, "emergency", "`emergency` is kept, but not offered yet: the normal rules hold.")
    return EmergencyConfig(
        read_principals(reader, fields.get("from"), "emergency.from"),
        reader.count(fields.get("approvals"), "emergency.approvals", default=1, low=1),
        reader.duration(fields.get("reviewWithin"), "emergency.reviewWithin", default=86_400, example="24h"),
        mapping.line,
    )
