"""Which programs are used, and how they may be run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from apps.rendering.limits import DEFAULT_INPUT_LIMITS, DEFAULT_LIMITS, InputLimits, Limits
from apps.rendering.model import Failure, RenderError


class Method(StrEnum):
    """Ways to shut a tool in."""

    NAMESPACES = "namespaces"
    """Our own: namespaces of Linux, as root or as an ordinary user."""

    BUBBLEWRAP = "bubblewrap"
    """The program ``bwrap``: it may make namespaces on machines that let no other program of an ordinary user do so."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a tool can learn of where it runs. Equal for all runs, so that equal commits give equal results."""

    time_zone: str = "UTC"
    host: str = "sandbox"
    user: str = "nobody"
    home: str = "home"


ELSEWHERE = Surroundings("Pacific/Kiritimati", "elsewhere", "somebody", "elsewhere")
"""Other surroundings, to find what depends on them."""


@dataclass(frozen=True)
class Toolbox:
    """``programs`` (name → path) wins over ``folders``, which win over PATH.

    ``methods`` are tried in order; where none works, a run is refused unless ``allow_unisolated`` says otherwise.
    ``workspaces`` is the folder in which private directories are made (default: that of the system). ``chart_cache``
    holds packed charts named ``NAME-VERSION.tgz``, ``checks`` the packages of checkers.
    """

    programs: Mapping[str, Path] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()
    search_path: str | None = None
    limits: Limits = DEFAULT_LIMITS
    input_limits: InputLimits = DEFAULT_INPUT_LIMITS
    methods: tuple[Method, ...] = (Method.BUBBLEWRAP, Method.NAMESPACES)
    allow_unisolated: bool = False
    workspaces: Path | None = None
    chart_cache: Path | None = None
    checks: Path | None = None
    surroundings: Surroundings = Surroundings()

    def find(self, name: str) -> Path:
        """The program's real path. Raises ``MISSING_TOOL``: never a silent other program where a path was set."""
        if name in self.programs:
            found = shutil.which(self.programs[name], path=os.devnull)
            where = "The path that is set for it names no program."
        else:
            folders = [str(folder) for folder in self.folders]
            ambient = os.environ.get("PATH", os.defpath) if self.search_path is None else self.search_path
            found = shutil.which(name, path=os.pathsep.join([*folders, *filter(None, [ambient])]) or os.devnull)
            where = "Install it, or set where it is."
        if found is None:
            raise RenderError(Failure.MISSING_TOOL, f"The program {name} was not found on this server. {where}")
        return Path(found).resolve()
