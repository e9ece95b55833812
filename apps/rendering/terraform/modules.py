"""Which folders a Terraform root module is made of, and whether it can be planned here; found by reading, never by running.

What asks for a provider to be downloaded, for a state that is elsewhere or for a module from elsewhere can only be planned
where those are: the pipeline of its owners hands that plan in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from apps.rendering.export import read_file, real_path
from apps.rendering.model import Failure, RenderError, Source
from apps.rendering.paths import as_folder, joined
from apps.rendering.protocol import FILES, SYMLINK, Tree
from apps.rendering.sandbox.messages import clean_message
from apps.rendering.terraform import hcl

MOST_MODULES = 500
MOST_BYTES = 4 << 20
BUILT_IN = "terraform.io/builtin/terraform"
_ELSEWHERE = re.compile(r"(?:^|[/\\}])\.\.(?:[/\\$]|$)")
_UPWARDS = re.compile(r"\b(?:dirname|pathexpand)\b")
_INDEX = re.compile(r"""\[(?:\d+|"(?:[^"\\]|\\.)*")\]""")
HINT = "Plan it in the environment's own pipeline, and hand the plan in over the API."


@dataclass(slots=True)
class Reading:
    """``folders``: the files of each module. ``calls``: the folder of each module by the one that calls it, and its name there.

    ``problem`` is the first reason why no plan can be made here.
    """

    folders: dict[str, list[hcl.Block]] = field(default_factory=dict)
    calls: dict[tuple[str, str], str] = field(default_factory=dict)
    reads_elsewhere: bool = False
    problem: RenderError | None = None

    @property
    def inputs(self) -> set[str]:
        """Folders that a plan may read; the whole repository where a module reads files beside itself."""
        return {"./"} if self.reads_elsewhere else {as_folder(folder) for folder in self.folders}

    def blocks(self, *names: str) -> Iterator[hcl.Block]:
        """The blocks of these kinds in all modules."""
        return (found for files in self.folders.values() for file in files for found in file.named(*names))


def exists(tree: Tree, root: str) -> bool:
    """Whether there is a module: at least one file of Terraform directly in the folder."""
    return bool(_files(tree, root))


def follow(tree: Tree, root: str) -> Reading:
    """The root module with all that it calls by relative paths. Problems are noted, the first one wins."""
    reading = Reading()
    left = [root]
    while left:
        folder = left.pop()
        if folder in reading.folders:
            continue
        if len(reading.folders) >= MOST_MODULES:
            reading.problem = RenderError(Failure.TOO_LARGE, f"There are more than {MOST_MODULES} modules.")
            reading.reads_elsewhere = True
            break
        reading.folders[folder] = []
        _module(tree, folder, reading)
        left += [place for (caller, _), place in reading.calls.items() if caller == folder]
    return reading


def source_of(reading: Reading, root: str, address: str) -> Source | None:
    """The place of the block that makes the resource at an address, where it is in one of the files that were read."""
    found = block_of(reading, root, address)
    return Source(found[0].name, found[1].line) if found else None


def block_of(reading: Reading, root: str, address: str) -> tuple[hcl.Block, hcl.Block] | None:
    """The file and the block that makes the resource at an address."""
    parts = _INDEX.sub("", address.partition(" ")[0]).split(".")
    folder = root
    while len(parts) > 2 and parts[0] == "module":
        place = reading.calls.get((folder, parts[1]))
        if place is None:
            return None
        folder, parts = place, parts[2:]
    found = (
        (file, block)
        for file in reading.folders.get(folder, [])
        for block in file.named("resource")
        if list(block.labels) == parts
    )
    return next(found, None)


def _module(tree: Tree, folder: str, reading: Reading) -> None:
    for path in _files(tree, folder):
        try:
            file = _read(tree, path)
        except RenderError as error:
            reading.problem = reading.problem or error
            reading.reads_elsewhere = True
            continue
        reading.folders[folder].append(file)
        reading.reads_elsewhere |= _reads_elsewhere(file)
        for call in file.named("module"):
            try:
                reading.calls[folder, "".join(call.labels[:1])] = _source(tree, folder, call, path)
            except RenderError as error:
                reading.problem = reading.problem or error
        reading.problem = reading.problem or next(_problems(file, path), None)


def _files(tree: Tree, folder: str) -> list[str]:
    try:
        folder = real_path(tree, folder) if folder else folder
    except RenderError:
        return []
    prefix = f"{folder}/" if folder else ""
    return sorted(
        entry.path
        for entry in tree.entries(folder)
        if (entry.mode in FILES or entry.mode == SYMLINK)
        and entry.path.startswith(prefix)
        and "/" not in (name := entry.path[len(prefix) :])
        and name.endswith((".tf", ".tf.json"))
        and not name.startswith((".", "#"))
    )


def _read(tree: Tree, path: str) -> hcl.Block:
    data = read_file(tree, path)
    if len(data) > MOST_BYTES:
        raise RenderError(Failure.TOO_LARGE, f"{clean_message(path)} is too large to be read.", path=path)
    return hcl.read(data, path)


def _source(tree: Tree, folder: str, call: hcl.Block, path: str) -> str:
    """The folder of a module that is called by a relative path. Raises ``UNSUPPORTED`` for any other."""
    name = clean_message("".join(call.labels[:1]))[:100]
    line = next((token.line for token in call.attributes.get("source", [])), call.line)
    source = call.text("source") or ""
    if not source.startswith(("./", "../")) or "${" in source or "%{" in source:
        shown = f"from {clean_message(source)[:200]}, which" if source else "from a place that is computed, and"
        raise _unsupported(f"The module {name} comes {shown} is not in the repository", path, line)
    place = joined(folder, source)
    if place is None:
        text = f"The module {name} leaves the repository."
        raise RenderError(Failure.REFUSED, text, path=path, line=line)
    if not exists(tree, place):
        text = f"The module {name} is not at {clean_message(place) or './'}."
        raise RenderError(Failure.MISSING_INPUT, text, path=path, line=line)
    return place


def _problems(file: hcl.Block, path: str) -> Iterator[RenderError]:
    for block in file.blocks:
        check = _CHECKS.get(block.name)
        for text, line in check(block) if check else ():
            yield _unsupported(text, path, line)


def _settings(block: hcl.Block) -> Iterator[tuple[str, int]]:
    """``terraform { … }``: where the state is, and which providers there are."""
    for backend in block.named("backend", "cloud"):
        label = "".join(backend.labels[:1]) or backend.name
        if label != "local":
            yield f"Its state is kept elsewhere ({clean_message(label)[:60]})", backend.line
    for required in block.named("required_providers"):
        for name, tokens in required.attributes.items():
            texts = [token.text for token in tokens if token.kind == "text"]
            if BUILT_IN not in texts:
                source = clean_message(next(iter(texts), name))[:200]
                yield f"The provider {source} is not in the sandbox", tokens[0].line if tokens else required.line


def _provider(block: hcl.Block) -> Iterator[tuple[str, int]]:
    name = "".join(block.labels[:1])
    if name != "terraform":
        yield f"The provider {clean_message(name)[:60]} is not in the sandbox", block.line


def _resource(block: hcl.Block) -> Iterator[tuple[str, int]]:
    """Without a word about it, the name of a provider is the beginning of its types."""
    kind = "".join(block.labels[:1])
    if kind == "terraform_remote_state":
        yield "The state of another module is read", block.line
    elif kind.partition("_")[0] != "terraform":
        yield f"{clean_message(kind)[:100]} needs a provider, which is not in the sandbox", block.line


_CHECKS: dict[str, Callable[[hcl.Block], Iterator[tuple[str, int]]]] = {
    "terraform": _settings,
    "provider": _provider,
    "resource": _resource,
    "data": _resource,
    "ephemeral": _resource,
}


def _unsupported(text: str, path: str, line: int) -> RenderError:
    where = f"{clean_message(path)}:{line}" if line else clean_message(path)
    return RenderError(Failure.UNSUPPORTED, f"{text} ({where}). {HINT}", path=path, line=line)


def _reads_elsewhere(file: hcl.Block) -> bool:
    """Whether an expression names what lies above the module: then any file of the repository may be read."""
    sources = {id(token) for call in file.named("module") for token in call.attributes.get("source", [])}
    return any(
        _UPWARDS.search(token.text) or (token.kind == "text" and _ELSEWHERE.search(token.text))
        for token in file.everything()
        if id(token) not in sources
    )
