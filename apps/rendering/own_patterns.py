"""What a repository itself calls secret: globs on names and on words, matched in a time that grows with the text alone.

``*`` stands for any characters, everything else for itself. No pattern of a repository becomes a regular expression.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

STAR = "*"
_ENDS = r"\s\"'`,;:@&?#()\[\]{}<>|\\"
_WORD = re.compile(rf"(?:\\[nrt])?(?P<word>[^{_ENDS}=]+(?:=+(?=[{_ENDS}]|\Z))?)")
"""A word: up to white space, quotes, brackets and what stands between the parts of an address; ``=`` at its end is its own
(as base64 has it). Of ``\\n`` in a text that was escaped, the letter is no part of the word."""


@dataclass(frozen=True, slots=True)
class Glob:
    """One pattern, as its texts between the stars; without a star there is one."""

    pieces: tuple[str, ...]

    @property
    def literal(self) -> str:
        """The longest text that stands in everything that is meant."""
        return max(self.pieces, key=len)

    def matches(self, text: str) -> bool:
        """Whether the whole text is meant."""
        return self._between(text, 0, len(text))

    def span(self, word: str) -> tuple[int, int] | None:
        """The widest part of a word that is meant, beginning with it or behind a ``/``, ending with it or before a ``/``.

        Whatever is meant lies between the outermost places where it can begin and end, so these are all that is tried.
        """
        if len(self.pieces) == 1:
            padded, wanted = f"/{word}/", f"/{self.pieces[0]}/"
            first = padded.find(wanted)
            return (first, padded.rfind(wanted) + len(self.pieces[0])) if first >= 0 else None
        start, end = self._start(word), self._end(word)
        return (start, end) if start is not None and end is not None and self._between(word, start, end) else None

    def _start(self, word: str) -> int | None:
        return 0 if word.startswith(self.pieces[0]) else word.find(f"/{self.pieces[0]}") + 1 or None

    def _end(self, word: str) -> int | None:
        last = self.pieces[-1]
        if word.endswith(last):
            return len(word)
        found = word.rfind(f"{last}/")
        return found + len(last) if found >= 0 else None

    def _between(self, text: str, start: int, end: int) -> bool:
        first, *more = self.pieces
        if not more:
            return text[start:end] == first
        *middle, last = more
        at, stop = start + len(first), end - len(last)
        if at > stop or not text.startswith(first, start) or not text.endswith(last, start, end):
            return False
        for piece in middle:
            found = text.find(piece, at, stop)
            if found < 0:
                return False
            at = found + len(piece)
        return True


def glob(pattern: str) -> Glob:
    """The pattern as it is matched; several stars in a row are one."""
    pieces = pattern.split(STAR)
    return Glob(
        (pieces[0], *(piece for piece in pieces[1:-1] if piece), *pieces[-1:]) if len(pieces) > 1 else (pattern,)
    )


class OwnPatterns:
    """``keys`` are tried on whole names, whatever the case of their letters, ``values`` on the words of texts."""

    def __init__(self, keys: Iterable[str] = (), values: Iterable[str] = ()) -> None:
        self.keys, self.values = tuple(sorted(set(keys))), tuple(sorted(set(values)))
        self._keys = tuple(glob(pattern.lower()) for pattern in self.keys)
        self._values = tuple(glob(pattern) for pattern in self.values)

    @property
    def identity(self) -> list[list[str]]:
        """What has to be equal for two sides to have lost the same secrets; JSON-ready."""
        return [list(self.keys), list(self.values)]

    def names(self, name: str) -> bool:
        """Whether a value under this name is secret."""
        lowered = name.lower()
        return any(pattern.matches(lowered) for pattern in self._keys)

    def replaced(self, text: str, hide: Callable[[str], str]) -> str:
        """The text with ``hide(part)`` in the place of what the patterns mean."""
        wanted = [pattern for pattern in self._values if pattern.literal in text]
        return _WORD.sub(lambda found: _replaced(found, wanted, hide), text) if wanted else text


NO_PATTERNS = OwnPatterns()


def _replaced(found: re.Match[str], wanted: list[Glob], hide: Callable[[str], str]) -> str:
    word = found["word"]
    spans = [span for pattern in wanted if (span := pattern.span(word))]
    if not spans:
        return found.group()
    start, end = min(span[0] for span in spans), max(span[1] for span in spans)
    before = found.group()[: -len(word)]
    return f"{before}{word[:start]}{hide(word[start:end])}{word[end:]}"
