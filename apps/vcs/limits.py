"""The limits of one installation. Callers pass their own ``Limits``; the defaults suit two cores."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds, sizes in bytes.

    ``fetch_seconds`` is the wall time of one transfer, ``probe_seconds`` of one question to a host
    (``ls-remote``): a host that accepts and says nothing costs no more than that.
    """

    command_seconds: float = 60.0
    probe_seconds: float = 20.0
    fetch_seconds: float = 900.0
    push_seconds: float = 120.0
    lock_seconds: float = 60.0
    output_bytes: int = 256 * MIB
    memory_bytes: int = 8 * GIB
    blob_bytes: int = 64 * MIB
    repository_bytes: int = 4 * GIB
    branches: int = 20_000
    export_bytes: int = 2 * GIB
    export_entries: int = 200_000
    pool_processes: int = 24
    pool_repositories: int = 12
    pool_requests: int = 1_000
    pool_idle_seconds: float = 120.0


DEFAULT_LIMITS = Limits()
