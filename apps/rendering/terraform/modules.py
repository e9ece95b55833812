"""What a root module reads and needs, told from its files without running anything: wide where it cannot be told."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from apps.rendering.model import Failure, RenderError
from apps.rendering.paths import joined
from apps.rendering.protocol import FILES, Tree

BUILT_IN = frozenset({"terraform_data"})
MAX_MODULES = 200
_BLOCK = re.compile(r'(?:^|[{}])\s*(resource|data|module|provider|backend|cloud)\b\s*(?:"([^"]*)")?', re.MULTILINE)
_SOURCE = re.compile(r'\bsource\s*=\s*"([^"]*)"', re.MULTILINE)
_COMMENT = re.compile(r"^\s*(?:#|//).*$|/\*.*?\*/", re.MULTILINE | re.DOTALL)
_HAND_IN = "Plan it in the environment's own pipeline, and hand the plan in over the API."


@dataclass
class Need:
    """Something that only the environment's own runner has; ``words`` say what."""

    words: str
    path: str
    line: int

    def refusal(self) -> RenderError:
        return RenderError(Failure.UNSUPPORTED, f"{self.words} {_HAND_IN}", path=self.path, line=self.line)


@dataclass
class Module:
    """A root module with the modules of the repository that it calls."""

    folders: list[str] = field(default_factory=list)
    needs: list[Need] = field(default_factory=list)


def read_module(tree: Tree, root: str) -> Module:
    """Follow ``source = "../x"`` from ``root``. A folder that is not there is left to Terraform to complain about."""
    found, left = Module(), [root]
    while left:
        folder = left.pop()
        if folder in found.folders:
            continue
        if len(found.folders) >= MAX_MODULES:
            raise RenderError(Failure.TOO_LARGE, f"It calls more than {MAX_MODULES} modules.", path=root)
        found.folders.append(folder)
        for entry in tree.entries(folder):
            name = entry.path.rpartition("/")
            if name[0] == folder and entry.mode in FILES and entry.path.endswith((".tf", ".tf.json")):
                left += _read_file(found, folder, entry.path, tree.read(entry.path).decode("utf-8", "replace"))
    return found


def _read_file(found: Module, folder: str, path: str, text: str) -> list[str]:
    if path.endswith(".json"):
        found.needs.append(Need("Modules in JSON are not read here.", path, 0))
        return []
    plain = _COMMENT.sub(lambda match: "\n" * match.group().count("\n"), text)
    for match in _BLOCK.finditer(plain):
        words = _what_it_needs(match.group(1), match.group(2) or "")
        if words:
            found.needs.append(Need(words, path, plain.count("\n", 0, match.start(1)) + 1))
    return [place for match in _SOURCE.finditer(plain) for place in _module(found, folder, path, plain, match)]


def _what_it_needs(block: str, name: str) -> str:
    if block in {"resource", "data"} and name not in BUILT_IN:
        return f"{name} needs a provider, which is not there in the sandbox."
    if block == "provider":
        return f"The provider {name} is not there in the sandbox."
    if block == "cloud" or (block == "backend" and name != "local"):
        return f"Its state is kept elsewhere ({name or 'cloud'})."
    return ""


def _module(found: Module, folder: str, path: str, plain: str, match: re.Match[str]) -> list[str]:
    source = match.group(1)
    if not source.startswith(("./", "../")):
        line = plain.count("\n", 0, match.start(1)) + 1
        found.needs.append(Need(f"{source[:200]} is not in the repository.", path, line))
        return []
    place = joined(folder, source)
    if place is None:
        line = plain.count("\n", 0, match.start(1)) + 1
        raise RenderError(Failure.REFUSED, f"The module {source[:200]} leaves the repository.", path=path, line=line)
    return [place]
