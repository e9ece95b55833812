"""What Flux leaves out of a repository before its controllers see it: :func:`view` gives what is left.

Its own list comes first, then ``.sourceignore`` of every folder, then ``spec.ignore`` of the source; the last rule that
matches a path decides. Unlike Git, Flux looks at every file: one can be taken back in from a folder that is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from apps.core.patterns import Pattern, PatternError, compile_pattern
from apps.rendering.paths import below, parent
from apps.rendering.protocol import FILES, Entry, Tree

FILE = ".sourceignore"
_OWN_LIST = re.compile(
    r"(?:^|/)\.(?:git|github|circleci)/|(?:^|/)\.git(?:ignore|modules|attributes)(?:/|$)|"
    r"\.(?:jpe?g|gif|png|wmv|flv|tar\.gz|zip)(?:/|$)|"
    r"(?:^|/)(?:\.travis\.yml|\.gitlab-ci\.yml|appveyor\.yml|\.drone\.yml|cloudbuild\.yaml|codeship-(?:services|steps)\.yml|"
    r"\.goreleaser\.yml|\.sops\.yaml|\.flux\.yaml)(?:/|$)"
)
_INSIDE = "\0"
"""A name below a folder that no rule means more than another."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """A line of a list that stands in ``folder``; ``keeps``: it begins with ``!``."""

    folder: str
    pattern: Pattern
    keeps: bool

    def matches(self, path: str) -> bool:
        """Whether it means the file, or a folder that it is in."""
        if not below(path, self.folder):
            return False
        parts = path[len(self.folder) :].lstrip("/").split("/")
        if self.pattern.text.endswith("/*"):
            return any(self.pattern.matches_segments(parts[:count]) for count in range(1, len(parts) + 1))
        return self.pattern.matches_segments(parts)

    def matches_folder(self, path: str) -> bool:
        return self.matches(f"{path}/{_INSIDE}" if self.pattern.text.endswith("/") else path)


class Remaining:
    """A tree without what some rules leave out. ``left_out`` are the paths that somebody asked for in vain."""

    def __init__(self, tree: Tree, rules: tuple[_Rule, ...]) -> None:
        self.tree, self.left_out = tree, set[str]()
        self._rules = rules[::-1]
        self._known: dict[str, bool] = {}

    def entries(self, under: str = "") -> Iterator[Entry]:
        for entry in self.tree.entries(under):
            if self._is_there(entry.path):
                yield entry
            else:
                self.left_out.add(entry.path)

    def read(self, path: str) -> bytes:
        if not self._is_there(path):
            raise KeyError(path)
        return self.tree.read(path)

    def _is_there(self, path: str) -> bool:
        if path not in self._known:
            rule = next((each for each in self._rules if each.matches(path)), None)
            self._known[path] = rule.keeps if rule else _OWN_LIST.search(path) is None
        return self._known[path]


class Ignoring:
    """The views of one repository; the same rules give the same view. ``warnings`` are of lines that are not understood."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._views: dict[str, Remaining] = {}
        self.warnings: list[str] = []
        self._rules: tuple[_Rule, ...] = ()
        for path in files(tree):
            folder = parent(path)
            if not any(_leaves_out(self._rules, each) for each in _folders(folder)):
                self._rules += tuple(self._read(tree.read(path).decode("utf-8", "replace"), folder, path))

    def view(self, ignore: str = "") -> Remaining:
        """What is left for a source with this ``spec.ignore``."""
        if ignore not in self._views:
            self._views[ignore] = Remaining(self._tree, (*self._rules, *self._read(ignore, "", "spec.ignore")))
        return self._views[ignore]

    @property
    def hint(self) -> str:
        """A sentence for what was looked for and is not there, where that may be the reason; else empty."""
        names = sorted({path for view in self._views.values() for path in view.left_out})
        if not names:
            return ""
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return f" Flux leaves out {', '.join(names[:3])}{more} ({FILE}, spec.ignore or its own list)."

    def _read(self, text: str, folder: str, where: str) -> Iterator[_Rule]:
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            plain = line if line.endswith("\\ ") else line.rstrip(" ")
            try:
                yield _Rule(folder, compile_pattern(plain.removeprefix("!")), plain.startswith("!"))
            except PatternError as error:
                self.warnings.append(f"Line {number} of {where} is not followed: {error}.")


def files(tree: Tree) -> list[str]:
    """The lists of a repository, those of outer folders first."""
    found = [entry.path for entry in tree.entries("") if entry.path.rpartition("/")[2] == FILE and entry.mode in FILES]
    return sorted(found, key=lambda path: (path.count("/"), path))


def _folders(folder: str) -> list[str]:
    parts = folder.split("/") if folder else []
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _leaves_out(rules: Iterable[_Rule], folder: str) -> bool:
    rule = next((each for each in reversed(tuple(rules)) if each.matches_folder(folder)), None)
    return not rule.keeps if rule else _OWN_LIST.search(f"{folder}/") is not None
