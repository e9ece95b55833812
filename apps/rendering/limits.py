"""What one run of a tool may use. Sizes in bytes, times in seconds."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Every run ends within these, whatever the repository holds.

    ``memory`` is what all processes of the run hold together, with the files they keep in memory; ``address_space`` is of
    each process, and large, because programs in Go reserve much more than they use. ``processes`` counts threads.
    ``scratch`` and ``scratch_files`` bound what is written. ``output`` is of standard output; of the error output
    only the ends are kept, and a tool that writes more than ``output`` there is ended, too.
    """

    wall: float = 60
    cpu: int = 60
    memory: int = 2048 * MIB
    address_space: int = 8192 * MIB
    processes: int = 256
    file_size: int = 64 * MIB
    scratch: int = 256 * MIB
    scratch_files: int = 20_000
    output: int = 64 * MIB


@dataclass(frozen=True, slots=True)
class InputLimits:
    """How much of a commit is written out for a tool, and how much a packed chart may hold when unpacked."""

    files: int = 20_000
    total: int = 512 * MIB
    file_size: int = 64 * MIB
    path_length: int = 1024
    depth: int = 64
    packed_ratio: int = 200
    """Unpacked bytes for each packed byte of a chart."""


DEFAULT_LIMITS = Limits()
DEFAULT_INPUT_LIMITS = InputLimits()
