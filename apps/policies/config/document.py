"""The whole file: :func:`parse_portal_yaml`."""

from __future__ import annotations

from dataclasses import dataclass

from apps.policies.config.environments import check_after, is_plain_path, read_environments
from apps.policies.config.model import HOLD, SHOW, PortalConfig, RegoConfig
from apps.policies.config.nodes import Mapping, Node, Refused, read_nodes
from apps.policies.config.reader import MAX_PROBLEMS, Reader
from apps.policies.config.rules import check_protected, read_emergency, read_rollback, read_rules, read_threads
from apps.policies.config.secrets import read_secrets
from apps.policies.config.standard import read_standards
from apps.policies.config.windows import read_windows
from apps.policies.problems import Problem, has_errors

KEYS = (
    "apiVersion", "environments", "rules", "windows", "emergency", "rollback", "runbooks", "threads", "secrets",
    "outsideChanges", "standard", "rego",
)  # fmt: skip
API_VERSION = "portal/v1"
_EXAMPLE = "Start the file with `apiVersion: portal/v1`; docs/portal-yaml.md has a whole example."


@dataclass(frozen=True, slots=True)
class Parsed:
    """``config`` is ``None`` when there is an error among ``problems``; notices do not count."""

    config: PortalConfig | None
    problems: tuple[Problem, ...] = ()

    @property
    def is_valid(self) -> bool:
        return self.config is not None


def parse_portal_yaml(data: bytes) -> Parsed:
    """Read ``.gitops/portal.yaml``.

    Never raises for any input: what is wrong comes back as problems in the order of the lines, each
    with place and remedy. A file is taken whole or not at all, so no rule is lost on the way.
    """
    try:
        root = read_nodes(data)
    except Refused as refused:
        return Parsed(None, (refused.problem,))
    if root is None:
        message = "The file is empty. An empty file is not the same as no file: it says nothing, so it cannot govern."
        return Parsed(None, (Problem(1, 1, "", message, f"{_EXAMPLE} Or delete the file to use the defaults."),))
    reader = Reader()
    config = _document(reader, root)
    problems = tuple(sorted(reader.problems, key=lambda problem: (problem.line, problem.column))[:MAX_PROBLEMS])
    return Parsed(None if has_errors(reader.problems) else config, problems)


def _document(reader: Reader, root: Node) -> PortalConfig | None:
    if not isinstance(root, Mapping):
        reader.error(root, "", "The file must be a mapping of keys to values.", _EXAMPLE)
        return None
    fields = reader.fields(root, "", KEYS)
    _api_version(reader, root, fields.get("apiVersion"))
    environments = read_environments(reader, fields.get("environments"))
    check_after(reader, environments, fields.get("environments") or root)
    names = tuple(environment.name for environment in environments)
    windows = read_windows(reader, fields.get("windows"), names)
    rules = read_rules(reader, fields.get("rules"), names, tuple(window.name for window in windows))
    check_protected(reader, fields.get("rules"), rules, environments)
    return PortalConfig(
        environments,
        rules,
        read_rollback(reader, fields.get("rollback")),
        read_emergency(reader, fields.get("emergency")),
        windows,
        _folder(reader, fields.get("runbooks"), "runbooks", "runbooks: docs/runbooks"),
        read_threads(reader, fields.get("threads")),
        read_secrets(reader, fields.get("secrets")),
        read_standards(reader, fields.get("standard")),
        _outside_changes(reader, fields.get("outsideChanges")),
        _rego(reader, fields.get("rego")),
    )


def _api_version(reader: Reader, root: Mapping, node: Node | None) -> None:
    if node is None:
        reader.error(
            root, "apiVersion", "The file lacks the key `apiVersion`.", f"Add the line `apiVersion: {API_VERSION}`."
        )
    else:
        reader.named(node, "apiVersion", (API_VERSION,), API_VERSION)


def _outside_changes(reader: Reader, node: Node | None) -> str:
    return SHOW if node is None else reader.named(node, "outsideChanges", (SHOW, HOLD), HOLD)


def _rego(reader: Reader, node: Node | None) -> RegoConfig:
    value = _folder(reader, node, "rego", "rego: policies")
    directory = "/".join(part for part in value.split("/") if part not in ("", "."))
    if value and not directory and node is not None:
        reader.error(
            node, "rego", "`rego` must be a folder of its own, not the whole repository.", "Write `rego: policies`."
        )
    return RegoConfig(directory, node.line if node is not None else 0) if directory else RegoConfig()


def _folder(reader: Reader, node: Node | None, path: str, example: str) -> str:
    value = reader.text(node, path, example)
    if value and not is_plain_path(value) and node is not None:
        reader.error(node, path, f"`{path}` must be a folder inside the repository.", f"Write `{example}`.")
    return value.strip("/")
