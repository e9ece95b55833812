"""What a kustomization reads, found without running it; what it may not do is refused here, with file and line.

The files are read as data only. Whatever this misses, the sandbox still holds: no network, no plugins, nothing to read
but the repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from apps.rendering.export import read_file, real_path
from apps.rendering.model import Failure, Json, RenderError
from apps.rendering.paths import as_folder, joined, parent
from apps.rendering.protocol import Tree
from apps.rendering.sandbox.messages import clean_message
from apps.rendering.yaml_reader import documents

FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_REMOTE = re.compile(
    r"[a-zA-Z][\w+.-]*::?//|^[\w.-]+@[\w.-]+:|^git::|^(?:www\.)?(?:github|gitlab)\.com[/:]|[?&]ref=|\.git(?:/|\?|$)"
)
_FOLDERS = ("resources", "bases", "components")
_CONFIGURED = ("generators", "transformers", "validators")
_FILES = ("crds", "configurations", "patchesStrategicMerge", *_CONFIGURED)
_WITH_PATH = ("patches", "patchesJson6902", "replacements")
_GENERATORS = ("configMapGenerator", "secretGenerator")
_CHARTS = ("helmCharts", "helmChartInflationGenerator")
_MOST = 2_000


@dataclass
class Reading:
    """``folders``: roots of kustomizations, the first one first; ``files``: what they name outside of these."""

    folders: list[str] = field(default_factory=list)
    files: set[str] = field(default_factory=set)

    @property
    def inputs(self) -> set[str]:
        return {as_folder(folder) for folder in self.folders} | self.files


def file_of(tree: Tree, folder: str) -> str | None:
    """The kustomization of this very folder."""
    names = [f"{folder}/{name}" if folder else name for name in FILE_NAMES]
    return next((name for name in names if any(entry.path == name for entry in tree.entries(name))), None)


def content(tree: Tree, path: str) -> dict[str, Json]:
    """One kustomization as data. Raises ``TEMPLATE`` for anything else."""
    found = [document.value for document in documents(read_file(tree, path), path)]
    if len(found) > 1 or not all(isinstance(each, dict) for each in found):
        raise RenderError(Failure.TEMPLATE, f"{path}: a kustomization is one mapping.", path=path)
    return found[0] if found else {}


def follow(tree: Tree, root: str, *, strict: bool = True) -> Reading:
    """Everything from the kustomization in ``root`` on.

    Raises ``REFUSED`` (remote), ``UNSUPPORTED`` (charts) or ``MISSING_INPUT`` — when not ``strict`` it raises nothing
    and names what is known.
    """
    reading, left = Reading(), [root]
    while left and len(reading.folders) < _MOST:
        folder = left.pop(0)
        if folder in reading.folders:
            continue
        reading.folders.append(folder)
        try:
            for place, is_folder in _named_by(tree, folder, strict=strict):
                if is_folder:
                    left.append(place)
                else:
                    reading.files.add(place)
        except RenderError:
            if strict:
                raise
    return reading


def _named_by(tree: Tree, folder: str, *, strict: bool) -> Iterator[tuple[str, bool]]:
    path = file_of(tree, folder)
    if path is None:
        raise RenderError(Failure.MISSING_INPUT, f"{as_folder(folder)} has no kustomization.yaml.", path=folder)
    for name, kind in _references(tree, path, strict=strict):
        found = _resolve(tree, path, name, kind, strict=strict)
        if found is not None:
            yield found


def _references(tree: Tree, path: str, *, strict: bool) -> Iterator[tuple[str, str]]:
    """Names of folders and files, each with the field that names it."""
    value = content(tree, path)
    for chart in _CHARTS if strict else ():
        if value.get(chart):
            line = _line(tree, path, chart)
            what = "charts inside of a kustomization are not rendered; make the chart a target of kind helm"
            raise RenderError(Failure.UNSUPPORTED, f"{path}, line {line}: {what}.", path=path, line=line)
    for key in (*_FOLDERS, *_FILES):
        yield from ((name, key) for name in _texts(value.get(key)) if "\n" not in name)
    for key in _WITH_PATH:
        yield from ((each["path"], key) for each in _mappings(value.get(key)) if isinstance(each.get("path"), str))
    for key in _GENERATORS:
        for each in _mappings(value.get(key)):
            names = [*_texts(each.get("files")), *_texts(each.get("envs")), *_texts([each.get("env")])]
            yield from ((name.partition("=")[2] if "=" in name else name, key) for name in names)
    opened = value.get("openapi")
    if isinstance(opened, dict) and isinstance(opened.get("path"), str):
        yield opened["path"], "openapi"


def _texts(value: Json) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _mappings(value: Json) -> list[dict[str, Json]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _resolve(tree: Tree, path: str, name: str, kind: str, *, strict: bool) -> tuple[str, bool] | None:
    """The place in the repository, and whether it is a folder."""
    place = joined(parent(path), name)
    if place is not None:
        place = real_path(tree, place)
    first = None if place is None else next(iter(tree.entries(place)), None)
    if place is not None and first is not None and not _REMOTE.search(name):
        return place, first.path != place and kind in (*_FOLDERS, *_CONFIGURED)
    if not strict:
        return (place, False) if place else None
    line, shown = _line(tree, path, name), clean_message(name)[:200]
    at = f"{path}, line {line}" if line else path
    if _REMOTE.search(name):
        what = (
            f"“{shown}” is on another server; only what is in the repository is rendered. Copy it into the repository"
        )
        raise RenderError(Failure.REFUSED, f"{at}: {what}.", path=path, line=line)
    if place is None:
        raise RenderError(Failure.REFUSED, f"{at}: “{shown}” leads out of the repository.", path=path, line=line)
    raise RenderError(Failure.MISSING_INPUT, f"{at}: “{shown}” is not in the repository.", path=path, line=line)


def _line(tree: Tree, path: str, word: str) -> int:
    """The first line that holds it; 0: none does."""
    lines = read_file(tree, path).decode("utf-8", "replace").split("\n")
    return next(
        (number for number, line in enumerate(lines, 1) if word in line and not line.lstrip().startswith("#")), 0
    )
