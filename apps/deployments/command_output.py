"""What a command that was asked printed and how it ended, in words that hold no secret."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings

from apps.core.terminal import without_sequences
from apps.deployments.dispatchers import StepProgress
from apps.deployments.dispatchers.checking import OUTPUT_LIMIT, Answer
from apps.deployments.masking import SecretMask
from apps.deployments.output import take_lines

TAIL = 16_384
LINES_IN_TEXT, LONGEST_TEXT = 3, 300
"""How much of what a command printed last stands in a sentence: lines, and characters."""


def printed_lines(answer: Answer, mask: SecretMask) -> list[str]:
    """Its lines that are not empty, as in every log. Where more was printed than is kept, the last line is none that may be shown."""
    raw, is_whole = answer.output, len(answer.output) < OUTPUT_LIMIT
    return _worded(take_lines(raw, mask, final=is_whole).lines, mask)


def tail_lines(output: bytes, mask: SecretMask) -> list[str]:
    """The last lines of what was printed whole, for a sentence. Masked as a whole first: a cut may go through a secret."""
    masked = mask.apply(output)
    tail = masked[-TAIL:]
    if len(tail) < len(masked):
        tail = tail.partition(b"\n")[2]
    return _worded(take_lines(tail, mask, final=True).lines, mask)


def _worded(lines: Iterable[str], mask: SecretMask) -> list[str]:
    return [_masked(line, mask) for line in lines if without_sequences(line).strip()]


def _masked(line: str, mask: SecretMask) -> str:
    """As it is where its words alone hold no secret either: what a sequence, or something that nobody sees, had kept apart."""
    words = without_sequences(line)
    text = hidden(words, mask)
    return line if text == words else text


def hidden(text: str, mask: SecretMask) -> str:
    """Without the secrets of ``mask``."""
    return mask.apply(text.encode(errors="replace")).decode(errors="replace")


def last_words(lines: Iterable[str], mask: SecretMask) -> str:
    """What was printed last, on one line."""
    last = list(lines)[-LINES_IN_TEXT:]
    said = " / ".join(" ".join(without_sequences(line).split()) for line in last)
    said = hidden(said, mask)  # what was apart before stands together now
    return f"\N{HORIZONTAL ELLIPSIS}{said[-LONGEST_TEXT:]}" if len(said) > LONGEST_TEXT else said


def how_it_ended(ended: StepProgress, seconds: float) -> str:
    """Why it did not end with 0; ``seconds``: what it was given."""
    reasons = {
        "timeout": f"took longer than {seconds:g} s",
        "cancelled": "was stopped",
        "output_limit": f"printed more than {OUTPUT_LIMIT >> 20} MB",
        "memory_limit": f"held more than {settings.PORTAL_STEP_MEMORY_MB:g} MB of memory",
        "process_limit": f"had more than {settings.PORTAL_STEP_PROCESSES:g} processes",
        "not_started": f"could not be started: {ended.problem}",
    }
    killed = f"was killed by signal {ended.signal}" if ended.signal else f"exited with {ended.exit_code}"
    return reasons.get(ended.reason, killed)
