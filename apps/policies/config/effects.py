"""Which environments a change reaches (DESIGN §4)."""

from __future__ import annotations

from collections.abc import Sequence

from apps.policies.config.model import EnvironmentConfig, PortalConfig

POLICY_FOLDER = ".gitops/"
MODULE_SUFFIX = ".rego"
_OWNER_FILES = (".github/CODEOWNERS", ".gitlab/CODEOWNERS", "CODEOWNERS")
_TEXT_SUFFIXES = (".md", ".rst", ".adoc")


def affected_environments(config: PortalConfig, changed_paths: Sequence[str]) -> tuple[str, ...]:
    """Names in promotion order; a rename counts with its old and its new path (both given by the caller).

    Reached is an environment with a target whose inputs lie at or above a changed path, and every
    environment without targets. A path that no target of any environment names, and that is neither
    policy nor documentation, may be shared input (a base, a module, a script): it reaches all of them,
    because leaving one out would switch off the rules that guard it.
    """
    claimed = {path: _claims(config, path) for path in dict.fromkeys(changed_paths)}
    prose = {path for path in claimed if is_documentation(path) or is_module(path, config.rego.directory)}
    shared = any(not names and path not in prose for path, names in claimed.items())
    reached = {name for names in claimed.values() for name in names}
    return tuple(found.name for found in config.environments if shared or not found.targets or found.name in reached)


def targets_reading(config: PortalConfig, changed_paths: Sequence[str]) -> tuple[str, ...]:
    """``environment/target`` of every target with an input at or above one of the paths, in the order of the file."""
    return tuple(
        f"{environment.name}/{target.name}"
        for environment in config.environments
        for target in environment.targets
        if any(_is_input(target.inputs, path) for path in changed_paths)
    )


def is_policy(path: str, rego: str = "") -> bool:
    """Whether a path holds the rules themselves: the folder of the policy, a file of owners, a module below ``rego``."""
    return path.startswith(POLICY_FOLDER) or path in (*_OWNER_FILES, "docs/CODEOWNERS") or is_module(path, rego)


def is_module(path: str, rego: str) -> bool:
    """Whether a path is a module of Rego below the folder that the policy names (empty: none)."""
    return bool(rego) and path.startswith(f"{rego}/") and path.endswith(MODULE_SUFFIX)


def is_documentation(path: str) -> bool:
    """Whether a path holds policy or prose, which no target reads unless it says so."""
    folder = path.startswith((POLICY_FOLDER, "docs/"))
    return folder or path in _OWNER_FILES or path.lower().endswith(_TEXT_SUFFIXES)


def _claims(config: PortalConfig, path: str) -> tuple[str, ...]:
    return tuple(environment.name for environment in config.environments if _reads(environment, path))


def _reads(environment: EnvironmentConfig, path: str) -> bool:
    return any(_is_input(target.inputs, path) for target in environment.targets)


def _is_input(inputs: Sequence[str], path: str) -> bool:
    return any(entry in (".", path) or path.startswith(f"{entry}/") for entry in inputs)
