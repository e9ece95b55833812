"""Findings of drift as edits of the files of a repository: only where one place of one file proves to be the one.

A value is looked for in the files that its target is rendered from. A place is the right one where the target, rendered
with what was found written there, differs in exactly that field, from what was deployed to what was found, and in nothing
else. Everything that is not proven like that is left to a person, with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.changes.effects.targets import inputs_in, target_of, touches
from apps.deployments.dispatchers.drift import FIELD, path_words
from apps.deployments.jobs.adopted_effects import Effects
from apps.policies.config import PortalConfig
from apps.rendering.cloudformation.templates import DIALECT
from apps.rendering.model import Json, Kind, RenderError
from apps.rendering.paths import inside
from apps.rendering.protocol import FILES, Target, Tree
from apps.rendering.redaction import MARK, Fingerprint
from apps.rendering.yaml_places import Place, places, rewritten
from apps.rendering.yaml_reader import KUBERNETES

MOST_TRIED = 20
"""Findings that are tried, and"""
MOST_PLACES = 5
"""places of the value of one: each is a rendering."""
MOST_BYTES = 1 << 20
WRITABLE = frozenset({Kind.MANIFESTS, Kind.KUSTOMIZE, Kind.HELM, Kind.CLOUDFORMATION})
SUFFIXES = (".yaml", ".yml", ".json", ".template")
Finding = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Left:
    """A finding that a person has to write, and why."""

    finding: Finding
    why: str


@dataclass(slots=True)
class Edits:
    """``files``: the new content of each file. ``written``: findings with their ``file:line``."""

    files: dict[str, bytes] = field(default_factory=dict)
    written: list[tuple[Finding, str]] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Ground:
    """What is edited: the tip of a branch, by the ``portal.yaml`` that stands there."""

    tree: Tree
    config: PortalConfig
    environment: str
    hide: Fingerprint


class CannotWrite(Exception):
    """Why one finding is left to a person."""


def edits_of(ground: Ground, findings: Mapping[str, Sequence[Finding]], go_on: Callable[[], None]) -> Edits:
    """What can be written of ``findings``, by target. ``go_on`` is called before each rendering, and raises to stop."""
    edits = Edits()
    writer = _Writer(ground, edits, go_on)
    for name, rows in findings.items():
        for finding in rows:
            try:
                edits.written.append((finding, writer.written(name, finding)))
            except CannotWrite as problem:
                edits.left.append(Left(finding, str(problem)))
            except RenderError as problem:
                edits.left.append(Left(finding, f"{name} cannot be rendered: {problem.message}"))
    return edits


class _Writer:
    def __init__(self, ground: Ground, edits: Edits, go_on: Callable[[], None]) -> None:
        self.ground, self.edits, self.go_on = ground, edits, go_on
        self.tried = 0

    def written(self, name: str, finding: Finding) -> str:
        """The place that was edited."""
        wanted, found = _values(finding)
        effects = Effects(self._target(name), self.ground.tree, self.ground.hide, self.edits.files)
        self.tried += 1
        if self.tried > MOST_TRIED:
            raise CannotWrite(f"only {MOST_TRIED} findings are tried at once")
        there = list(_places(effects, finding, wanted))
        if len(there) > MOST_PLACES:
            raise CannotWrite(f"its value stands in {len(there)} places of {name}, too many to try")
        proven = [
            (path, place, made) for path, place in there if (made := self._proof(effects, finding, path, place, found))
        ]
        if len(proven) != 1:
            raise CannotWrite(_not_one(name, len(there), len(proven)))
        path, place, made = proven[0]
        self._require_alone(name, path)
        effects.keep(path, made)
        return f"{path}:{place.line}"

    def _target(self, name: str) -> Target:
        found = self.ground.config.environment(self.ground.environment)
        one = next((one for one in found.targets if one.name == name), None) if found else None
        if found is None or one is None:
            raise CannotWrite("portal.yaml names no target of that name now")
        target = target_of(found, one)
        if target.kind not in WRITABLE:
            raise CannotWrite(f"the portal writes no files of the kind {target.kind.value}")
        return target

    def _proof(self, effects: Effects, finding: Finding, path: str, place: Place, found: Json) -> bytes | None:
        """The file with what was found in that place, if the target then is as it was found."""
        made = rewritten(effects.read(path), place, found) if place.is_own else None
        self.go_on()
        return made if made is not None and effects.is_as_found(finding, path, made) else None

    def _require_alone(self, name: str, path: str) -> None:
        """A file of several targets is for a person: what was found was found in one of them."""
        for environment in self.ground.config.environments:
            for one in environment.targets:
                target = target_of(environment, one)
                inputs = {*one.inputs, *(f"{given}/" for given in one.inputs), *inputs_in(target, self.ground.tree)}
                if (environment.name, one.name) != (self.ground.environment, name) and touches(inputs, {path}):
                    raise CannotWrite(f"{path} is also what {one.name} of {environment.name} is made from")


def _values(finding: Finding) -> tuple[Json, Json]:
    """What was deployed and what was found, where both are single values that nobody has to hide."""
    if finding["resource"].startswith("Secret ") or MARK in finding["wanted"] + finding["found"]:
        raise CannotWrite("secrets are never written")
    if finding["kind"] != FIELD:
        raise CannotWrite("what was found is no value of a field")
    if not finding.get("is_exact"):
        raise CannotWrite("the value is not known whole, so no rendering can prove its place")
    wanted, found = (json.loads(finding[side]) for side in ("wanted", "found"))
    if not all(isinstance(value, str | int | float) for value in (wanted, found)):
        raise CannotWrite("it is no single value")
    return wanted, found


def _not_one(name: str, there: int, proven: int) -> str:
    if not there:
        return f"its value stands in no file of {name}"
    if proven > 1:
        return f"{proven} places of {name} would each do it"
    where = "the place" if there == 1 else f"none of the {there} places"
    return f"{where} of its value {'does not make' if there == 1 else 'makes'} {name} what was found, and nothing else"


def _places(effects: Effects, finding: Finding, wanted: Json) -> Iterator[tuple[str, Place]]:
    """Where the value stands that was deployed, in files that can be read, and in a field that may be that of the finding."""
    is_stack = effects.target.kind is Kind.CLOUDFORMATION
    for path in _files(effects):
        try:
            found = places(effects.read(path), DIALECT if is_stack else KUBERNETES)
        except RenderError:
            continue  # such as the templates of a chart
        known = {(one.document, one.path): one.value for one in found}
        may_be = _may_be_in_stack if is_stack else _may_be_in_object
        for one in found:
            if type(one.value) is type(wanted) and one.value == wanted and may_be(one, finding, known):
                yield path, one


def _files(effects: Effects) -> Iterator[str]:
    names = {inside(path) for path in inputs_in(effects.target, effects.tree)}
    entries = {entry.path: entry for name in sorted(names) for entry in effects.tree.entries(name)}
    for path, entry in entries.items():
        if entry.mode in FILES and entry.size <= MOST_BYTES and path.endswith(SUFFIXES):
            yield path


Known = Mapping[tuple[int, tuple[str | int, ...]], Json]


def _may_be_in_object(place: Place, finding: Finding, known: Known) -> bool:
    """An object of Kubernetes says whether it is another one; what is none, such as the values of a chart, may be it."""
    kind, name = (known.get((place.document, path)) for path in (("kind",), ("metadata", "name")))
    if kind is None or name is None:
        return True
    its_kind, _, its_name = finding["resource"].partition(" ")
    is_its = kind == its_kind and str(name) in its_name.rpartition("/")[2]  # a prefix or a suffix may be added to it
    return is_its and bool(finding["path"].endswith(path_words(place.path[-1:])))


def _may_be_in_stack(place: Place, finding: Finding, known: Known) -> bool:
    kind, _, name = finding["resource"].partition(" ")
    its = ("Resources", name, "Properties")
    is_its = place.path[:3] == its and known.get((place.document, ("Resources", name, "Type"))) == kind
    return is_its and path_words(place.path[3:]) == finding["path"]
