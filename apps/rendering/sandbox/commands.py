"""What is run, and the world that it sees."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from apps.rendering.limits import Limits
from apps.rendering.sandbox.bubblewrap import TEMPORARY
from apps.rendering.toolbox import Surroundings
from apps.rendering.workspace import Workspace

INPUT = "/input"
_SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
_OF_NETWORK = (
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/ssl/certs",
    "/etc/pki/tls",
    "/etc/pki/ca-trust",
)
"""What programs read to find other machines and to know who they are."""


@dataclass(frozen=True, slots=True)
class Command:
    """One program with its arguments.

    ``directory`` is a folder of the input, in which it starts. ``environment`` is all that it gets beside HOME, PATH,
    TMPDIR, LANG and TZ. ``folders`` (name → folder or file of this machine) are seen, read-only, as ``{folders}/NAME``; where
    the portal runs as root, every user must be able to read them, because a tool is none that owns anything.
    ``network``: it may reach the network as the portal can; names and certificates of the machine are then seen, too.
    In arguments and values ``{home}``, ``{input}`` and ``{folders}`` stand for the places in the tool's own world.
    """

    program: Path
    arguments: tuple[str, ...] = ()
    directory: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)
    network: bool = False


def for_go(limits: Limits) -> dict[str, str]:
    """Variables with which a short run of a program in Go collects garbage less often, a third of its work otherwise.

    It then holds up to five times what it uses, but as soon as that is half of its memory only what it must.
    """
    return {"GOGC": "400", "GOMEMLIMIT": str(limits.memory // 2)}


@dataclass(frozen=True, slots=True)
class World:
    """A command with every place filled in. ``binds`` and ``links`` are empty for one that is not shut in."""

    command: list[str]
    environment: dict[str, str]
    directory: str
    binds: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    network: bool = False


def system() -> tuple[dict[str, str], dict[str, str]]:
    """The programs of the system: folders (place → folder here) and links (place → target)."""
    binds, links = {}, {}
    for name in _SYSTEM:
        here = Path("/", name)
        if here.is_symlink():
            links[f"/{name}"] = str(here.readlink())
        elif here.is_dir():
            binds[f"/{name}"] = str(here)
    return binds, links


def shut_in(command: Command, workspace: Workspace, around: Surroundings) -> World:
    """The world of an enclosure: the system's programs, the tool, the input."""
    places = {"home": f"{TEMPORARY}/{around.home}", "input": INPUT, "folders": "/folders"}
    binds, links = system()
    binds[f"/tools/{command.program.name}"] = str(command.program)
    binds[INPUT] = str(workspace.input)
    binds |= {f"/folders/{name}": str(folder) for name, folder in command.folders.items()}
    line = [f"/tools/{command.program.name}", *_filled(command.arguments, places)]
    directory = os.path.join(INPUT, command.directory) if command.directory else INPUT  # noqa: PTH118 - text
    if command.network:
        binds |= {place: str(Path(place).resolve()) for place in _OF_NETWORK if Path(place).exists()}
    return World(line, _environment(command, places, around), directory, binds, links, command.network)


def in_the_open(command: Command, workspace: Workspace, around: Surroundings) -> World:
    """The same places on this machine itself."""
    for name, folder in command.folders.items():
        place = workspace.scratch / "folders" / name
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(folder)
    home = workspace.scratch / around.home
    home.mkdir(exist_ok=True)
    places = {"home": str(home), "input": str(workspace.input), "folders": str(workspace.scratch / "folders")}
    line = [str(command.program), *_filled(command.arguments, places)]
    environment = {**_environment(command, places, around), "TMPDIR": str(workspace.scratch)}
    return World(line, environment, str(workspace.input / command.directory))


def _filled(texts: tuple[str, ...], places: Mapping[str, str]) -> list[str]:
    filled = []
    for text in texts:
        for name, place in places.items():
            text = text.replace(f"{{{name}}}", place)  # noqa: PLW2901
        filled.append(text)
    return filled


def _environment(command: Command, places: Mapping[str, str], around: Surroundings) -> dict[str, str]:
    """Built from nothing: no variable of the portal reaches a tool."""
    own = {
        "HOME": "{home}",
        "PATH": "/usr/bin:/bin",
        "TMPDIR": TEMPORARY,
        "LANG": "C.UTF-8",
        "TZ": around.time_zone,
        "USER": around.user,
    }
    named = {**own, **command.environment}
    return dict(zip(named, _filled(tuple(named.values()), places), strict=True))
