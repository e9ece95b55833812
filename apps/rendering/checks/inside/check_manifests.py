"""``check_manifests.py PACKAGES RESOURCES VERSION``: every resource of a JSON file against the schemas of one Kubernetes.

Prints ``{"against", "versions", "unknown": [[apiVersion, kind, count]], "findings": [[index, rule, path, text]], "more"}``.
The texts quote names and what the schema asks for, never a value. It imports nothing of the portal.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MOST, SHOWN = 200, 5
NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,100}")
VERSION = re.compile(r"v(\d+)\.(\d+)\.\d+-local-strict")
API = re.compile(r"(?:([a-z0-9.-]{1,253})/)?(v[a-z0-9]{1,30})")


def folders(schemas: Path) -> dict[tuple[int, int], Path]:
    """The strict schemas by version of Kubernetes."""
    found = {}
    for folder in schemas.iterdir():
        name = VERSION.fullmatch(folder.name)
        if name:
            found[int(name[1]), int(name[2])] = folder
    return found


def chosen(known: dict[tuple[int, int], Path], asked: str) -> tuple[int, int] | None:
    """Exactly the version that was asked for; the newest where none was."""
    if not asked:
        return max(known)
    found = re.match(r"v?(\d{1,3})\.(\d{1,4})", asked)
    wanted = (int(found[1]), int(found[2])) if found else None
    return wanted if wanted in known else None


class Schemas:
    """The validators of one version, each made once."""

    def __init__(self, folder: Path) -> None:
        from jsonschema.validators import Draft202012Validator  # type: ignore[import-untyped,unused-ignore]
        from referencing import Registry, Resource

        self.folder, self.made = folder, dict[tuple[str, str], Any]()
        self._validator, self._resource = Draft202012Validator, Resource
        self._registry = Resource.from_contents(self._read("_definitions")) @ Registry()

    def of(self, api: str, kind: str) -> Any:
        """``None`` where no schema is of exactly this group, version and kind."""
        if (api, kind) not in self.made:
            self.made[api, kind] = self._make(api, kind)
        return self.made[api, kind]

    def _read(self, name: str) -> Any:
        return json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))

    def _make(self, api: str, kind: str) -> Any:
        parts = API.fullmatch(api)
        if not parts or not NAME.fullmatch(kind):
            return None
        group, version = parts[1] or "", parts[2]
        prefix = f"{group.partition('.')[0]}-" if group else ""
        try:
            schema = self._read(f"{kind.lower()}-{prefix}{version}")
        except OSError:
            return None
        wanted = {"group": group, "version": version, "kind": kind}
        if wanted not in schema.get("x-kubernetes-group-version-kind", [wanted]):
            return None
        return self._validator(schema, registry=self._resource.from_contents(schema) @ self._registry)


def words(error: Any) -> str:
    """What is wrong, without what stands there."""
    rule, wanted, value = error.validator, error.validator_value, error.instance
    if rule == "type":
        kinds = [wanted] if isinstance(wanted, str) else [kind for kind in wanted if kind != "null"]
        return f"must be {' or '.join(kinds)}, but is {kind_of(value)}"
    if rule == "required":
        missing = [name for name in wanted if name not in value]
        return f"lacks {', '.join(missing)}"
    if rule == "additionalProperties":
        names = [str(name) for name in value if name not in error.schema.get("properties", {})]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        return f"does not know {', '.join(name[:80] for name in names[:SHOWN])}{more}"
    if rule == "enum":
        return f"must be one of {', '.join(map(str, wanted[:20]))}"
    return f"is not what can stand here ({rule})"


def kind_of(value: Any) -> str:
    kinds = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    return kinds.get(type(value), "null")


def found_in(schemas: Schemas, resources: list[Any], unknown: dict[tuple[str, str], int]) -> Iterator[list[Any]]:
    for index, body in enumerate(resources):
        api, kind = str(body.get("apiVersion", "")), str(body.get("kind", ""))
        validator = schemas.of(api, kind)
        if validator is None:
            unknown[api, kind] = unknown.get((api, kind), 0) + 1
            continue
        for error in validator.iter_errors(body):
            path = ".".join(str(step) for step in error.absolute_path)
            yield [index, error.validator, path, words(error)]


def main(packages: str, source: str, asked: str = "") -> None:
    sys.path.insert(0, packages)
    sys.setrecursionlimit(5_000)
    known = folders(Path(packages, "kubernetes_validate", "kubernetes-json-schema"))
    version = chosen(known, asked)
    said = {"against": "", "versions": [".".join(map(str, each)) for each in sorted(known)], "unknown": [], "more": 0}
    findings: list[list[Any]] = []
    if version is not None:
        resources = json.loads(Path(source).read_text(encoding="utf-8"))
        unknown: dict[tuple[str, str], int] = {}
        for finding in found_in(Schemas(known[version]), resources, unknown):
            if len(findings) < MOST:
                findings.append(finding)
            else:
                said["more"] += 1  # type: ignore[operator]
        said["against"] = ".".join(map(str, version))
        said["unknown"] = [[*key, count] for key, count in sorted(unknown.items())]
    json.dump({**said, "findings": findings}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
