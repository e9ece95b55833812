"""From raw step output to numbered log lines: cut at safe places, masked, normalised. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from apps.deployments.masking import SecretMask

WINDOW = 256 * 1024
"""Bytes read at once; a line that is longer is taken in parts."""

LONGEST_LINE = 8192
"""Characters of a line that are kept; the note behind says how many are not shown."""
_NOTE = " … [{:,} more characters are not shown]"
LONGEST_STORED = LONGEST_LINE + len(_NOTE.format(10**9))
"""Characters of a stored line with its note: whoever reads that far has read every line to its end."""

BATCH_LINES = 500
BATCH_CHARACTERS = 64 * 1024


@dataclass(frozen=True, slots=True)
class Taken:
    """``lines`` ready to be stored; ``consumed`` raw bytes they came from."""

    lines: tuple[str, ...]
    consumed: int


def take_lines(raw: bytes, mask: SecretMask, *, final: bool) -> Taken:
    """The whole lines at the beginning of ``raw`` (a window that starts where a line starts).

    ``final``: nothing will follow, so the rest is taken too. What could be the beginning of a
    secret that goes on behind the window is left for the next call, unless the window is full.
    """
    end = _cut(raw, mask, final=final)
    if not end:
        return Taken((), 0)
    text = mask.apply(raw[:end]).decode("utf-8", errors="replace")
    # A lone carriage return is a new line too: overwriting would hide from the log what was printed.
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "\N{SYMBOL FOR NULL}")
    lines = text.removesuffix("\n").split("\n")
    return Taken(tuple(_shortened(line) for line in lines), end)


def _cut(raw: bytes, mask: SecretMask, *, final: bool) -> int:
    if final and len(raw) < WINDOW:
        return len(raw)
    end = raw.rfind(b"\n") + 1
    while end:
        safe = mask.safe_end(raw, end)
        if safe == end:
            return end
        end = raw.rfind(b"\n", 0, safe) + 1  # back to the line in which the secret may begin
    if len(raw) < WINDOW:
        return 0
    # One line fills the window. A secret that fills it too cannot be waited for.
    return mask.safe_end(raw, len(raw)) or len(raw)


def _shortened(line: str) -> str:
    if len(line) <= LONGEST_LINE:
        return line
    return line[:LONGEST_LINE] + _NOTE.format(len(line) - LONGEST_LINE)


def batches(lines: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """``lines`` in the portions of one event each."""
    batch: list[str] = []
    size = 0
    for line in lines:
        if batch and (len(batch) >= BATCH_LINES or size + len(line) > BATCH_CHARACTERS):
            yield tuple(batch)
            batch, size = [], 0
        batch.append(line)
        size += len(line) + 1
    if batch:
        yield tuple(batch)
