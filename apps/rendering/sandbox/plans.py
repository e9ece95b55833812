"""What the keeper of a run is told."""

from __future__ import annotations

from typing import TypedDict


class Plan(TypedDict):
    """``command`` is what runs in the end; ``binds`` and ``links`` make up its file system (namespaces only)."""

    method: str
    command: list[str]
    environment: dict[str, str]
    directory: str
    root: str
    binds: dict[str, str]
    links: dict[str, str]
    network: bool
    limits: dict[str, int]
    scratch: int
    scratch_files: int
    host: str
    home: str
    user: int
    status: int
    parent: int
