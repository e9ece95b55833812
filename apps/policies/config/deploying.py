"""The ``deploy`` of an environment: who carries it out, and what that dispatcher is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

from apps.policies.config.health import read_health
from apps.policies.config.kube_jobs import why_no_job
from apps.policies.config.model import DeployConfig, StepConfig, TargetConfig
from apps.policies.config.nodes import Mapping, Node
from apps.policies.config.reader import Reader, plain


class Shape(StrEnum):
    """What the value of a key looks like. ``WORDS``: a mapping of names to single values. ``NAMES``: a list of texts."""

    TEXT = "text"
    WORDS = "words"
    NAMES = "names"
    FLAG = "flag"
    DURATION = "duration"
    ANY = "any"


T, W, N, F, D = Shape.TEXT, Shape.WORDS, Shape.NAMES, Shape.FLAG, Shape.DURATION
COMMON = ("via", "start", "health")
STEPS = "steps"
# dispatcher: its keys with their shapes; `*` in front of a key: it must be there
_TOLD: dict[str, dict[str, Shape]] = {
    "local": {},
    "gitlab": {
        "*connection": T,
        "*project": T,
        "ref": T,
        "tag": F,
        "variables": W,
        "inputs": W,
        "jobs": N,
        "timeout": D,
    },
    "github": {
        "*connection": T,
        "*repository": T,
        "*workflow": T,
        "ref": T,
        "tag": F,
        "inputs": W,
        "jobs": N,
        "environment": T,
        "timeout": D,
    },
    "argocd": {"*connection": T, "*application": T, "applicationNamespace": T, "prune": F, "timeout": D},
    "flux": {"*connection": T, "kustomization": T, "helmRelease": T, "namespace": T, "timeout": D},
    "jenkins": {"*connection": T, "*job": T, "parameters": W, "timeout": D},
    "kubernetes": {
        "*connection": T,
        "target": T,
        "namespace": T,
        "prune": F,
        "takeOver": N,
        "job": Shape.ANY,
        "timeout": D,
    },
    "terraform": {"*target": T, "timeout": D},
    "cloudformation": {"*connection": T, "*target": T, "timeout": D},
    "webhook": {"*connection": T, "path": T, "payload": Shape.ANY, "timeout": D},
}
TOLD = MappingProxyType({via: {key.lstrip("*"): shape for key, shape in keys.items()} for via, keys in _TOLD.items()})
REQUIRED = MappingProxyType({via: tuple(k[1:] for k in keys if k.startswith("*")) for via, keys in _TOLD.items()})
EXAMPLES = {
    "connection": "connection: corp",
    "project": "project: platform/infra",
    "repository": "repository: acme/infra",
    "workflow": "workflow: deploy.yml",
    "path": "path: /hooks/deploy",
    "target": "target: web",
    "takeOver": "takeOver: [helm, kubectl-client-side-apply]",
    "jobs": "jobs: [deploy]",
}
# dispatcher: the kinds of targets that it carries out, and who must have planned them, where that matters
CARRIED = MappingProxyType(
    {
        "kubernetes": (("manifests", "kustomize", "helm"), ()),
        "terraform": (("terraform",), ("runner", "pipeline")),
        "cloudformation": (("cloudformation",), ("runner",)),
    }
)
STEP_KEYS = ("name", "run", "timeout")
MAX_STEPS, MAX_NAMES = 50, 20
_STEP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}")
_PATH = re.compile(r"/[A-Za-z0-9._~/%-]{0,300}")


def deploy_keys(via: str) -> tuple[str, ...]:
    """All keys that ``deploy`` may have with this dispatcher."""
    return (*COMMON, *((STEPS,) if via == "local" else ()), *TOLD[via])


def read_deploy(reader: Reader, node: Node | None, path: str) -> DeployConfig:
    """``deploy`` as it is written; without it there is nothing to run."""
    mapping = reader.mapping(node, path, "{via: local, steps: [{name: apply, run: ./scripts/apply}]}")
    if mapping is None:
        return DeployConfig()
    via_node = mapping.get("via")
    via = reader.named(via_node, f"{path}.via", tuple(TOLD), "") if via_node else "local"
    if not via:
        return DeployConfig(line=mapping.line)
    fields = reader.fields(mapping, path, deploy_keys(via), (STEPS,) if via == "local" else REQUIRED[via])
    start_node = fields.get("start")
    start = reader.named(start_node, f"{path}.start", ("auto", "manual"), "manual") if start_node else "auto"
    raw = {key: _read(reader, shape, fields[key], f"{path}.{key}") for key, shape in TOLD[via].items() if key in fields}
    _check_together(reader, mapping, path, via, raw)
    steps = _steps(reader, fields.get(STEPS), f"{path}.{STEPS}")
    health = read_health(reader, fields.get("health"), f"{path}.health")
    return DeployConfig(via, steps, start, MappingProxyType(raw), mapping.line, health)


def _read(reader: Reader, shape: Shape, node: Node, path: str) -> Any:
    key = path.rpartition(".")[2]
    readers: dict[Shape, Callable[[], Any]] = {
        Shape.TEXT: lambda: reader.text(node, path, EXAMPLES.get(key, f"{key}: web")),
        Shape.WORDS: lambda: _words(reader, node, path),
        Shape.NAMES: lambda: reader.at_most(node, path, list(reader.texts(node, path, EXAMPLES[key])), MAX_NAMES),
        Shape.FLAG: lambda: reader.boolean(node, path, default=False),
        Shape.DURATION: lambda: reader.duration(node, path, default=3600, example="30m"),
        Shape.ANY: lambda: plain(node),
    }
    return readers[shape]()


def _words(reader: Reader, node: Node, path: str) -> dict[str, Any]:
    """Names with single values, as a pipeline takes them; a list, a mapping or nothing in one is an error."""
    mapping = reader.mapping(node, path, "{ENVIRONMENT: production}")
    if mapping is None:
        return {}
    found: dict[str, Any] = {}
    for name, there in mapping.pairs:
        key, value = name.text, plain(there)
        if isinstance(value, dict | list):
            message = f"`{path}.{key}` must be a single value: the other system takes no lists or mappings here."
            reader.error(name, f"{path}.{key}", message, f'Write `{key}: "a,b"`.')
        elif value is None:
            message = f"`{path}.{key}` has no value, which is not the same as an empty text."
            reader.error(name, f"{path}.{key}", message, f'Write `{key}: ""`, or leave it out.')
        else:
            found[key] = value
    return found


def _check_together(reader: Reader, node: Mapping, path: str, via: str, raw: dict[str, Any]) -> None:
    """What holds of keys together, and of a path that is appended to an address."""
    if raw.get("tag") and "ref" in raw:
        message = f"`{path}` names a `ref`, and with `tag: true` every run starts at a tag of its own."
        reader.error(node, f"{path}.tag", message, "Leave one of the two out.")
    if via == "flux" and ("kustomization" in raw) == ("helmRelease" in raw):
        message = (
            f"`{path}` names {'both' if 'helmRelease' in raw else 'neither of'} `kustomization` and `helmRelease`."
        )
        reader.error(node, path, message, "Name the one object that deploys this environment.")
    if via == "kubernetes" and ("target" in raw) == ("job" in raw):
        message = f"`{path}` names {'both' if 'job' in raw else 'neither of'} `target` and `job`."
        reader.error(node, path, message, "Name the target whose resources are applied, or a job to run.")
    if via == "kubernetes" and "job" in raw and (problem := why_no_job(raw["job"])):
        reader.error(
            node.get("job") or node, f"{path}.job", f"{problem}.", "Write `job: {image: registry/deployer:1.4}`."
        )
    if (
        via == "webhook"
        and raw.get("path")
        and (not _PATH.fullmatch(raw["path"]) or ".." in unquote(unquote(raw["path"])))
    ):
        message = f"`{path}.path` must be a plain path that begins with `/`."
        reader.error(node, f"{path}.path", message, "Write `path: /hooks/deploy`.")


def check_target(reader: Reader, node: Node, path: str, deploy: DeployConfig, targets: Sequence[TargetConfig]) -> None:
    """``deploy.target`` names a target of the same environment, of a kind that this dispatcher can carry out as approved."""
    name = deploy.raw.get("target")
    if deploy.via not in CARRIED or name is None:
        return
    kinds, planners = CARRIED[deploy.via]
    found = next((one for one in targets if one.name == name), None)
    if found is None:
        message = f"`{path}` deploys the target `{name}`, which this environment does not have."
        reader.error(node, path, message, reader.nearest(name, [one.name for one in targets] or ["(no targets)"]))
    elif found.kind not in kinds:
        message = f"`{path}` deploys `{name}` via {deploy.via}, but it is of the kind {found.kind}."
        reader.error(node, path, message, f"Name a target of the kind {' or '.join(kinds)}.")
    elif planners and found.options.get("plan", "here") not in planners:
        message = f"`{name}` is planned without the state of the environment, so no plan of it can be approved and carried out."
        reader.error(node, path, message, f"Write `plan: {planners[0]}` at the target.")


def _steps(reader: Reader, node: Node | None, path: str) -> tuple[StepConfig, ...]:
    found: list[StepConfig] = []
    entries = reader.entries(node, path, "- {name: apply, run: ./scripts/apply staging, timeout: 10m}")
    if len(entries) > MAX_STEPS and node is not None:
        message = f"`{path}` has {len(entries)} steps; at most {MAX_STEPS} are allowed."
        reader.error(node, path, message, "Join steps in a script.")
    for item, place in entries[:MAX_STEPS]:
        mapping = reader.mapping(item, place, "{name: apply, run: ./scripts/apply staging, timeout: 10m}")
        if mapping is None:
            continue
        fields = reader.fields(mapping, place, STEP_KEYS, ("name", "run"))
        name = reader.text(fields.get("name"), f"{place}.name", "name: apply", limit=63)
        if name and not _STEP_NAME.fullmatch(name):
            message = f"`{name}` cannot name a step: letters, digits, spaces, `.`, `_` and `-` are allowed."
            reader.error(fields["name"], f"{place}.name", message, "Write a name such as `apply`.")
        if name and any(step.name == name for step in found):
            reader.error(fields["name"], f"{place}.name", f"Two steps are named `{name}`.", "Rename one of the two.")
        run = reader.text(fields.get("run"), f"{place}.run", "run: ./scripts/apply staging", limit=8_000)
        seconds = reader.duration(fields.get("timeout"), f"{place}.timeout", default=600, example="10m")
        found.append(StepConfig(name, run, seconds, mapping.line))
    return tuple(found)
