"""The ``environments`` of the file: targets, promotion order, pipelines."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Any

from apps.policies.config.deploying import check_target, read_deploy
from apps.policies.config.drift import read_drift
from apps.policies.config.model import EnvironmentConfig, TargetConfig
from apps.policies.config.nodes import Node, Scalar
from apps.policies.config.reader import Reader, plain

ENVIRONMENT_KEYS = ("targets", "after", "soak", "protected", "queue", "deploy", "drift")
MAX_ENVIRONMENTS, MAX_TARGETS = 300, 1_000
"""Of a file, and of each environment."""
LONGEST_NAME = 63
"""Characters of the name of an environment: as many must fit wherever it is kept or asked for."""
ALL, NEWEST = "all", "newest"
# kind: (required inputs, other inputs, options)
TARGET_KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "helm": (("chart",), ("values",), ("release", "namespace", "kubeVersion")),
    "kustomize": (("path",), (), ("namespace", "kubeVersion")),
    "flux": (("path",), (), ("kubeVersion",)),
    "manifests": (("path",), (), ("namespace", "kubeVersion")),
    "terraform": (("path",), ("state", "variables"), ("workspace",)),
    "cloudformation": (("template",), ("parameters",), ("stack", "region")),
}
OPTIONAL = "optional"
CHECKS, SHOWN, REQUIRED = "checks", "shown", "required"
"""What the checks of the rendered result do: they are shown, or an error of theirs holds the merge."""
CHECKED = ("helm", "kustomize", "flux", "manifests", "cloudformation")
# Options of a kind that are one of a few words; the first is the default. Who makes the plan: the portal without the state,
# a pipeline that hands it in, or the runner of the environment with its read-only credentials.
PLANNED = ("here", "pipeline", "runner")
WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "terraform": {"plan": PLANNED},
    "cloudformation": {"plan": ("here", "runner")},
}
# Options of a kind that are not text: lists of text, and truth values.
LISTS: dict[str, tuple[str, ...]] = {"helm": ("apiVersions", "unstable"), "flux": ("unstable",)}
FLAGS: dict[str, tuple[str, ...]] = {"helm": ("includeCrds",)}
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_NAME - 1}}}")


def read_environments(reader: Reader, node: Node | None) -> tuple[EnvironmentConfig, ...]:
    """All environments in promotion order; without the key one named ``default``."""
    if node is None:
        return (EnvironmentConfig("default"),)

    def read(name: str, key: Scalar, value: Node, path: str) -> EnvironmentConfig | None:
        return _environment(reader, name, key, value, path)

    found = reader.members(node, "environments", "production: {protected: true}", read, most=MAX_ENVIRONMENTS)
    _check_names(reader, node, found)
    return found


def _check_names(reader: Reader, node: Node, found: tuple[EnvironmentConfig, ...]) -> None:
    seen: dict[str, str] = {}
    for environment in found:
        other = seen.setdefault(environment.name.lower(), environment.name)
        if other != environment.name:
            message = f"The environments `{other}` and `{environment.name}` differ only in upper and lower case."
            reader.error(node, "environments", message, "Rename one of the two.")


def _environment(reader: Reader, name: str, key: Scalar, node: Node, path: str) -> EnvironmentConfig | None:
    if not _NAME.fullmatch(name):
        message = f"`{name[:40]}` cannot name an environment: 1 to 63 letters, digits, `.`, `_` and `-` are allowed."
        reader.error(key, path, message, "Write a name such as `production`.")
        return None
    if isinstance(node, Scalar) and node.kind == "null":
        return EnvironmentConfig(name, line=key.line)
    mapping = reader.mapping(node, path, "protected: true")
    if mapping is None:
        return None
    fields = reader.fields(mapping, path, ENVIRONMENT_KEYS)

    def read(target: str, target_key: Scalar, value: Node, place: str) -> TargetConfig | None:
        return _target(reader, target, target_key, value, place)

    example = "web: {kind: helm, chart: charts/web}"
    targets = reader.members(fields.get("targets"), f"{path}.targets", example, read, most=MAX_TARGETS)
    deploy = read_deploy(reader, fields.get("deploy"), f"{path}.deploy")
    check_target(reader, fields.get("deploy") or mapping, f"{path}.deploy", deploy, targets)
    return EnvironmentConfig(
        name,
        targets,
        reader.texts(fields.get("after"), f"{path}.after", "after: [staging]"),
        reader.boolean(fields.get("protected"), f"{path}.protected", default=False),
        deploy,
        key.line,
        _soak(reader, mapping, fields, path),
        reader.named(fields["queue"], f"{path}.queue", (ALL, NEWEST), ALL) if "queue" in fields else ALL,
        read_drift(reader, fields.get("drift"), f"{path}.drift"),
    )


def _soak(reader: Reader, node: Node, fields: dict[str, Node], path: str) -> int:
    """Seconds; it says how long ago the environments of ``after`` must have succeeded, so it needs them."""
    if "soak" not in fields:
        return 0
    if "after" not in fields:
        message = f"`{path}.soak` waits after the environments of `after`, but there are none."
        reader.error(node, f"{path}.soak", message, "Add `after: [staging]`, or remove `soak`.")
    return reader.duration(fields["soak"], f"{path}.soak", default=0, example="30m")


def check_after(reader: Reader, environments: tuple[EnvironmentConfig, ...], node: Node) -> None:
    """``after`` names environments that stand above: so it can have no circle."""
    above: dict[str, None] = {}
    names = {environment.name for environment in environments}
    for environment in environments:
        for name in environment.after:
            path = f"environments.{environment.name}.after"
            if name in above:
                continue
            known = name in names
            problem = "does not stand above it" if known else "is not an environment of this file"
            fix = (
                "Environments are written in promotion order: move it up."
                if known
                else reader.nearest(name, above or ["(none above)"])
            )
            reader.error(
                _at(node, environment.line), path, f"`{environment.name}` comes after `{name}`, which {problem}.", fix
            )
        above[environment.name] = None


def _at(node: Node, line: int) -> Node:
    return Node(line or node.line, 1)


def target_keys(kind: str) -> tuple[str, ...]:
    """All keys that a target of this kind may have."""
    required, more, options = TARGET_KINDS[kind]
    words = WORDS.get(kind, {})
    lists, flags = LISTS.get(kind, ()), FLAGS.get(kind, ())
    return ("kind", *required, *more, *options, *lists, *flags, *words, *_checks(kind), OPTIONAL)


def _checks(kind: str) -> tuple[str, ...]:
    return (CHECKS,) if kind in CHECKED else ()


def _target(reader: Reader, name: str, key: Scalar, node: Node, path: str) -> TargetConfig | None:
    mapping = reader.mapping(node, path, "{kind: kustomize, path: clusters/staging}")
    if mapping is None:
        return None
    kind_node = mapping.get("kind")
    if kind_node is None:
        reader.error(mapping, path, f"`{path}` lacks the key `kind`.", f"Add `kind:` with {', '.join(TARGET_KINDS)}.")
        return None
    kind = reader.named(kind_node, f"{path}.kind", tuple(TARGET_KINDS), "")
    if not kind:
        return None
    required, more, options = TARGET_KINDS[kind]
    lists, flags = LISTS.get(kind, ()), FLAGS.get(kind, ())
    fields = reader.fields(mapping, path, target_keys(kind), required)
    inputs: list[str] = []
    for field in (*required, *more):
        inputs.extend(_inputs(reader, fields.get(field), f"{path}.{field}"))
    raw: dict[str, Any] = {
        option: reader.text(fields[option], f"{path}.{option}", option) for option in options if option in fields
    }
    raw |= {field: plain(fields[field]) for field in (*required, *more) if field in fields}
    raw |= {field: list(reader.texts(fields[field], f"{path}.{field}", field)) for field in lists if field in fields}
    raw |= {field: reader.boolean(fields[field], f"{path}.{field}", default=True) for field in flags if field in fields}
    if CHECKS in fields:
        raw[CHECKS] = reader.named(fields[CHECKS], f"{path}.{CHECKS}", (REQUIRED, SHOWN), REQUIRED)
    words = WORDS.get(kind, {})
    raw |= {
        field: reader.named(fields[field], f"{path}.{field}", words[field], "") for field in words if field in fields
    }
    optional = reader.boolean(fields.get(OPTIONAL), f"{path}.{OPTIONAL}", default=False)
    return TargetConfig(name, kind, tuple(inputs), MappingProxyType(raw), key.line, optional)


def _inputs(reader: Reader, node: Node | None, path: str) -> list[str]:
    if node is None:
        return []
    pairs = (
        reader.entries(node, path, "[env/staging/web.yaml]")
        if path.endswith((".values", ".variables"))
        else [(node, path)]
    )
    found = []
    for item, place in pairs:
        value = reader.text(item, place, "charts/web")
        if value and is_plain_path(value):
            found.append("/".join(part for part in value.split("/") if part not in ("", ".")) or ".")
        elif value:
            message = f"`{place}` must be a path inside the repository, but is `{value[:80]}`."
            reader.error(
                item, place, message, "Write it from the root of the repository, without `/` in front and without `..`."
            )
    return found


def is_plain_path(value: str) -> bool:
    """Whether it is a relative path that stays inside the repository."""
    return not value.startswith("/") and ".." not in value.split("/") and "\\" not in value and "\n" not in value
