"""From raw step output to numbered log lines: cut at safe places, masked, normalised. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from apps.deployments.masking import SecretMask

WINDOW = 256 * 1024
"""Bytes read at once."""

WINDOWS_OF_A_LINE = 16
"""How many are read to find the end of one line; only what is longer still is taken in parts."""

LONGEST_LINE = 8192
"""Characters of a line that are kept, of its beginning and its end: what went wrong often stands last. A note between them
says how many are not shown."""
_KEPT_END = 2048
_NOTE = " … [{:,} more characters are not shown] … "
LONGEST_STORED = LONGEST_LINE + len(_NOTE.format(10**9))
"""Characters of a stored line with its note: whoever reads that far has read every line to its end."""

BATCH_LINES = 500
BATCH_CHARACTERS = 64 * 1024


@dataclass(frozen=True, slots=True)
class Taken:
    """``lines`` ready to be stored; ``consumed`` raw bytes they came from."""

    lines: tuple[str, ...]
    consumed: int


def next_lines(read: Callable[[int], bytes], mask: SecretMask, *, due: int | None) -> Taken:
    """The whole lines that come next. ``read(offset)``: up to :data:`WINDOW` bytes from there on, counted from where a line starts.

    ``due``: how many bytes there are at least, of output that has ended; ``None``: more may follow.
    """
    raw = piece = read(0)
    while len(piece) == WINDOW and not _end_of_a_line(raw, len(raw)) and not _is_full(raw):
        piece = read(len(raw))
        raw += piece
    return take_lines(raw, mask, final=due is not None and len(piece) < WINDOW and len(raw) >= due)


def _is_full(raw: bytes) -> bool:
    return len(raw) >= WINDOWS_OF_A_LINE * WINDOW


def take_lines(raw: bytes, mask: SecretMask, *, final: bool) -> Taken:
    """The whole lines at the beginning of ``raw``, which starts where a line starts.

    ``final``: nothing will follow, so the rest is taken too. What could be the beginning of a secret that goes on behind
    ``raw`` is left for the next call, unless there are as many bytes as one line may have.
    """
    end = _cut(raw, mask, final=final)
    if not end:
        return Taken((), 0)
    text = mask.apply(raw[:end]).decode("utf-8", errors="replace").replace("\x00", "\N{SYMBOL FOR NULL}")
    printed = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    lines = [state for line in printed for state in _states(line)]
    if not raw[:end].endswith(b"\n") and lines and not lines[-1]:
        lines.pop()  # of a line that goes on nothing can be seen yet
    return Taken(tuple(_shortened(line) for line in lines), end)


def _cut(raw: bytes, mask: SecretMask, *, final: bool) -> int:
    if final:
        return len(raw)
    end = _end_of_a_line(raw, len(raw))
    while end:
        safe = mask.safe_end(raw, end)
        if safe == end:
            return end
        end = _end_of_a_line(raw, safe)  # back to the line in which the secret may begin
    if not _is_full(raw):
        return 0
    # One line fills all of it. A secret that does so too cannot be waited for.
    return mask.safe_end(raw, len(raw)) or len(raw)


def _end_of_a_line(raw: bytes, upto: int) -> int:
    """The last place up to ``upto`` behind a newline, or behind carriage returns that something else follows; 0: there is none.

    A program that shows progress in one line for minutes writes carriage returns alone, and nothing of it could be seen until it ends.
    """
    newline = raw.rfind(b"\n", 0, upto) + 1
    at = raw.rfind(b"\r", newline, upto)
    while at >= 0 and raw[at + 1 : at + 2] in _MAY_BELONG:
        at = raw.rfind(b"\r", newline, at)
    return at + 1 or newline


_MAY_BELONG = frozenset({b"", b"\n", b"\r"})
"""Behind a carriage return: what makes one end of a line with it, and the end of what is there, which may be followed by that."""

_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_NO_WORDS = re.compile(r"[\W\d_]+")


def _states(line: str) -> list[str]:
    """What ``line`` showed one after the other, each written over the one before, as lines of the log.

    Of states that differ in nothing but numbers and signs, as those of a progress bar, the last one is kept. What is said in
    other words stays: a log in which one text hides another would be none. At least one line.
    """
    if "\r" not in line:
        return [line]
    kept: list[str] = []
    words = ""
    for state in line.split("\r"):
        plain = _SEQUENCE.sub("", state)
        if not plain.strip():
            continue
        before, words = words, _NO_WORDS.sub("", plain)
        if kept and words == before:
            kept.pop()
        kept.append(state)
    return kept or [""]


def _shortened(line: str) -> str:
    if len(line) <= LONGEST_LINE:
        return line
    return line[: LONGEST_LINE - _KEPT_END] + _NOTE.format(len(line) - LONGEST_LINE) + line[-_KEPT_END:]


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
