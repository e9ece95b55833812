"""The ``rules`` of the file. What would silently weaken a rule is an error, never a default."""

from __future__ import annotations

from apps.core.patterns import PatternError, compile_pattern
from apps.policies.config.model import (
    ACTIONS,
    AUTHORS,
    DEPLOY,
    MERGE,
    OPENER,
    WRITERS,
    EmergencyConfig,
    EnvironmentConfig,
    ResourceClause,
    RollbackConfig,
    Rule,
    SizeClause,
    ThreadsConfig,
    When,
)
from apps.policies.config.needs import read_needs, read_people
from apps.policies.config.nodes import Mapping, Node, Scalar, Sequence
from apps.policies.config.reader import Reader

RULE_KEYS = ("name", "stage", "when", "needs")
WHEN_KEYS = ("paths", "environments", "resources", "size", "authors", "windows")
SIZE_KEYS = ("files", "lines")
RESOURCE_KEYS = ("kinds", "actions", "names", "risk")
MAX_SIZE = 1_000_000
MAX_RULES = 300
EXAMPLE = "- {name: an owner, needs: {approvals: 1, from: [code-owners]}}"


def read_rules(
    reader: Reader, node: Node | None, environments: tuple[str, ...], windows: tuple[str, ...] = ()
) -> tuple[Rule, ...]:
    """All rules in the order of the file; ``environments`` and ``windows`` are the names that it defines."""
    found: list[Rule] = []
    for item, path in reader.at_most(node, "rules", reader.entries(node, "rules", EXAMPLE), MAX_RULES):
        mapping = reader.mapping(item, path, EXAMPLE)
        if mapping is None:
            continue
        rule = _rule(reader, mapping, path, environments, windows)
        if rule.name and any(other.name == rule.name for other in found):
            reader.error(mapping, f"{path}.name", f"Two rules are named `{rule.name}`.", "Rename one of the two.")
        found.append(rule)
    return tuple(found)


def _rule(reader: Reader, mapping: Mapping, path: str, environments: tuple[str, ...], windows: tuple[str, ...]) -> Rule:
    fields = reader.fields(mapping, path, RULE_KEYS, ("name", "needs"))
    stage_node = fields.get("stage")
    return Rule(
        reader.text(fields.get("name"), f"{path}.name", "name: production experts", limit=100),
        reader.named(stage_node, f"{path}.stage", (MERGE, DEPLOY), MERGE) if stage_node else MERGE,
        _when(reader, fields.get("when"), f"{path}.when", environments, windows),
        read_needs(reader, fields.get("needs"), f"{path}.needs"),
        mapping.line,
    )


def check_protected(
    reader: Reader, node: Node | None, rules: tuple[Rule, ...], environments: tuple[EnvironmentConfig, ...]
) -> None:
    """Tell of rules of the stage deploy that name an environment which is not protected, or have none that is: they hold nothing there.

    Only a notice, or a file that governed until now would be refused.
    """
    unprotected = [environment.name for environment in environments if not environment.protected]
    every = unprotected if len(unprotected) == len(environments) else []
    for rule in rules:
        names = [name for name in rule.when.environments if name in unprotected] if rule.when.environments else every
        if rule.stage != DEPLOY or not names or node is None:
            continue
        what = " and ".join(f"`{name}`" for name in names)
        reader.notice(
            next((item for item in (node.items if isinstance(node, Sequence) else ()) if item.line == rule.line), node),
            "rules",
            f"The rule `{rule.name}` never holds a deployment to {what}: rules of the stage `deploy` hold protected environments only.",
            f"Write `protected: true` in {' and '.join(f'`environments.{name}`' for name in names)}.",
        )


def _when(
    reader: Reader, node: Node | None, path: str, environments: tuple[str, ...], windows: tuple[str, ...]
) -> When:
    mapping = reader.mapping(node, path, "when: {environments: [production]}")
    if mapping is None:
        return When()
    fields = reader.fields(mapping, path, WHEN_KEYS)
    if not mapping.pairs:
        reader.error(mapping, path, f"`{path}` is empty.", "Remove it: a rule without `when` always applies.")
    return When(
        read_paths(reader, fields.get("paths"), f"{path}.paths"),
        known_environments(reader, fields.get("environments"), f"{path}.environments", environments),
        resources=read_resources(reader, fields.get("resources"), f"{path}.resources"),
        size=read_size(reader, fields.get("size"), f"{path}.size"),
        authors=reader.listed(
            fields.get("authors"), f"{path}.authors", AUTHORS, "no kind of author", "authors: [unknown]"
        ),
        windows=reader.listed(
            fields.get("windows"), f"{path}.windows", windows, "not a window of this file", "windows: [year end]"
        ),
    )


def read_size(reader: Reader, node: Node | None, path: str) -> SizeClause | None:
    """Counts of files and lines; what they mean is up to the key above."""
    mapping = reader.mapping(node, path, "size: {files: 50, lines: 1000}")
    if mapping is None:
        return None
    fields = reader.fields(mapping, path, SIZE_KEYS)
    if not mapping.pairs:
        reader.error(mapping, path, f"`{path}` is empty.", "Write `size: {lines: 1000}`, or remove the key.")
    counts = {
        key: reader.count(fields.get(key), f"{path}.{key}", default=0, low=1, high=MAX_SIZE)
        for key in SIZE_KEYS
        if key in fields
    }
    return SizeClause(**counts)


def read_resources(reader: Reader, node: Node | None, path: str) -> ResourceClause | None:
    """What a rendered resource has to be."""
    example = "resources: {kinds: [PersistentVolumeClaim, aws_db_*], actions: [delete, replace]}"
    mapping = reader.mapping(node, path, example)
    if mapping is None:
        return None
    fields = reader.fields(mapping, path, RESOURCE_KEYS)
    if not mapping.pairs:
        reader.error(mapping, path, f"`{path}` is empty.", f"Write `{example}`, or remove the key.")
    actions = reader.listed(
        fields.get("actions"),
        f"{path}.actions",
        ACTIONS,
        "nothing that happens to a resource",
        "actions: [delete, replace]",
    )
    return ResourceClause(
        reader.texts(fields.get("kinds"), f"{path}.kinds", "kinds: [PersistentVolumeClaim]"),
        actions,
        reader.texts(fields.get("names"), f"{path}.names", 'names: ["prod/*"]'),
        reader.texts(fields.get("risk"), f"{path}.risk", "risk: [rbac]"),
    )


def read_paths(reader: Reader, node: Node | None, path: str) -> tuple[str, ...]:
    """Patterns as in .gitignore; those that cannot be read, and exclusions, are errors."""
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
            reader.error(
                node, path, f"`{name}` is not an environment of this file.", reader.nearest(name, environments)
            )
    return found


def read_rollback(reader: Reader, node: Node | None) -> RollbackConfig:
    """Approvals that going back needs; the defaults of :class:`RollbackConfig` for what is not said."""
    mapping = reader.mapping(node, "rollback", "rollback: {protected: 1, others: 0}")
    if mapping is None:
        return RollbackConfig()
    fields = reader.fields(mapping, "rollback", ("protected", "others", "preauthorised"))
    return RollbackConfig(
        reader.count(fields.get("protected"), "rollback.protected", default=1, low=0),
        reader.count(fields.get("others"), "rollback.others", default=0, low=0),
        reader.duration(fields.get("preauthorised"), "rollback.preauthorised", default=0, example="preauthorised: 24h"),
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
    """Who confirms an emergency, how many, and by when the rules have to be met after all."""
    mapping = reader.mapping(node, "emergency", "emergency: {from: [team/incident], approvals: 1, reviewWithin: 24h}")
    if mapping is None:
        return None
    fields = reader.fields(mapping, "emergency", ("from", "approvals", "reviewWithin"), ("from",))
    return EmergencyConfig(
        read_people(reader, fields.get("from"), "emergency.from"),
        reader.count(fields.get("approvals"), "emergency.approvals", default=1, low=1),
        reader.duration(fields.get("reviewWithin"), "emergency.reviewWithin", default=86_400, example="24h"),
        mapping.line,
    )
