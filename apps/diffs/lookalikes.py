"""Characters that look like ASCII and are not: ``pаypal`` with a Cyrillic ``а``, a Greek omicron in a key, ``／``.

Shown are (1) full-width, mathematical and other forms of an ASCII character, wherever they stand; (2) letters of
another alphabet that look like ASCII, in a word that has ASCII letters too; (3) a word made of nothing but such letters,
unless the word beside it, with only spaces between, is plainly written in a foreign alphabet; (4) dashes, slashes, dots
and colons that look like ASCII, beside an ASCII letter or digit. Text in Russian or Greek stays as it is.

The table is the part of Unicode's confusables.txt (UTS #39, "Unicode Security Mechanisms") whose sources are letters of
eight alphabets and whose target is one ASCII letter or digit, without the pairs that hardly look alike; forms of (1)
come from the decompositions of ``unicodedata``. ASCII text costs one ``isascii``.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_LETTERS = {
    "a": "251 3b1 430", "b": "184 42c 13cf", "c": "3f2 441 1d04 2ca5 abaf", "d": "501 13e7 a4d2", "e": "435 4bd ab32",
    "f": "584 1e9d a799 ab35", "g": "18d 261 581 1d83", "h": "4bb 570 13c2", "i": "131 269 26a 3b9 456 4cf 13a5 a647 ab75",
    "j": "3f3 458", "l": "196 1c0 399 406 4c0 2c92 a4f2", "n": "578 57c", "o": "3bf 3c3 43e 585 10ff 1d0f 1d11 2c9f ab3d",
    "p": "3c1 3f1 440 2ca3", "q": "51b 563 566", "r": "ab47 ab48 ab81", "s": "455 a731 abaa",
    "u": "28b 3c5 57d 1d1c a79f ab4e ab52", "v": "3bd 475 1d20 aba9", "w": "26f 461 51d 561 1d21 ab83", "x": "445",
    "y": "28f 3b3 443 4af 10e7 1d8c 1eff ab5a", "z": "1d22 ab93", "A": "391 410 13aa a4ee",
    "B": "392 412 13f4 a4d0 a7b4", "C": "3f9 421 13df 2ca4 a4da", "D": "13a0 a4d3", "E": "395 415 13ac a4f0",
    "F": "3dc a4dd a798", "G": "50c 13c0 13f3 a4d6", "H": "397 41d 13bb 2c8e a4e7", "J": "37f 408 13ab a4d9 a7b2",
    "K": "39a 41a 13e6 2c94 a4d7", "L": "13de 2cd0 a4e1", "M": "39c 3fa 41c 13b7 2c98 a4df", "N": "39d 2c9a a4e0",
    "O": "39f 41e 555 2c9e a4f3", "P": "3a1 420 13e2 2ca2 a4d1", "R": "1a6 13a1 13d2 a4e3", "S": "405 54f 13d5 13da a4e2",
    "T": "3a4 422 13a2 2ca6 a4d4", "U": "54d a4f4", "V": "474 13d9 a4e6", "W": "51c 13b3 13d4 a4ea",
    "X": "3a7 425 2cac a4eb a7b3", "Y": "3a5 423 4ae 13a9 13bd 2ca8 a4ec", "Z": "396 13c3 a4dc",
    "2": "1a7 3e8 a644 a75a", "3": "1b7 21c 417 4e0 2ccc a76a a7ab", "4": "13ce", "5": "1bc", "8": "222 223",
}  # fmt: skip
_SIGNS = {
    "/": "2044 2215 29f8", ":": "2d0 2f8 589 205a 2236 a789", ".": "2024", "-": "2d7 2010 2011 2012 2043 2212",
    "_": "fe4d fe4e fe4f",
}  # fmt: skip


def _by_char(table: dict[str, str]) -> dict[str, str]:
    return {chr(int(code, 16)): ascii_char for ascii_char, codes in table.items() for code in codes.split()}


LETTERS = _by_char(_LETTERS)
SIGNS = _by_char(_SIGNS)
_FORMS = "\u037e\u1fef\u2102-\u2149\ufe50-\ufe6b\ufb29\uff01-\uff5e\U0001d400-\U0001d7ff\U0001fbf0-\U0001fbf9"
_CANDIDATE = re.compile(f"[{''.join(LETTERS)}{''.join(SIGNS)}{_FORMS}]")
_WORD = re.compile(r"\w+")
_ASCII_LETTER = re.compile("[A-Za-z]")
MAX_COUNTED = 10_000
_MAX_LINE = 100_000
_FORM_TAGS = ("<wide>", "<font>", "<small>")


@lru_cache(maxsize=2_048)
def form_of(char: str) -> str:
    """The ASCII character of which ``char`` is another form by Unicode's own tables; empty for none."""
    tag, *codes = unicodedata.decomposition(char).split() or [""]
    plain = unicodedata.normalize("NFKC", char)
    is_form = tag in _FORM_TAGS or (tag and not codes)
    return plain if is_form and len(plain) == 1 and "!" <= plain <= "~" else ""


def looks_like(char: str) -> str:
    """The ASCII character for which ``char`` can be taken; empty for none."""
    return LETTERS.get(char) or SIGNS.get(char) or form_of(char)


def token(char: str) -> str:
    """How one such character is shown: itself and its code, ``[а U+0430]``."""
    return f"[{char} U+{ord(char):04X}]"


def name(char: str) -> str:
    """For people: ``U+0430 CYRILLIC SMALL LETTER A, looks like "a"``."""
    return f'U+{ord(char):04X} {unicodedata.name(char, "without a name")}, looks like "{looks_like(char)}"'


def find(line: str) -> dict[int, str]:
    """Where in one line such characters stand (offset → character). Linear; empty for ASCII and ordinary text."""
    if line.isascii() or _CANDIDATE.search(line) is None:
        return {}
    found = {
        match.start(): match.group() for match in _CANDIDATE.finditer(line) if _is_form_or_sign(line, match.start())
    }
    words = list(_WORD.finditer(line))
    foreign = [not word.group().isascii() and _is_foreign(word.group()) for word in words]
    for index, word in enumerate(words):
        if foreign[index] or word.group().isascii():
            letters: list[int] = []
        else:
            letters = [at for at in range(*word.span()) if line[at] in LETTERS]
        if letters and not _is_beside_foreign(line, words, foreign, index):
            found |= {at: line[at] for at in letters}
    return found


def _is_form_or_sign(line: str, at: int) -> bool:
    if line[at] not in SIGNS:
        return bool(form_of(line[at]))
    beside = line[max(at - 1, 0) : at] + line[at + 1 : at + 2]
    return any(char.isascii() and char.isalnum() for char in beside)


def _is_foreign(word: str) -> bool:
    """Whether a word has a letter that nobody takes for ASCII and none of ASCII, so that it is seen to be foreign."""
    is_foreign = False
    for char in word:
        if char.isascii() and char.isalpha():
            return False
        is_foreign = is_foreign or (not char.isascii() and char.isalpha() and not looks_like(char))
    return is_foreign


def _is_beside_foreign(line: str, words: list[re.Match[str]], foreign: list[bool], index: int) -> bool:
    """Whether a word without ASCII letters stands beside a foreign one, as a word of that language does."""
    if _ASCII_LETTER.search(words[index].group()):
        return False
    before = index > 0 and foreign[index - 1] and not line[words[index - 1].end() : words[index].start()].strip(" \t,")
    last = index + 1 == len(words)
    return before or (
        not last and foreign[index + 1] and not line[words[index].end() : words[index + 1].start()].strip(" \t,")
    )


def named(text: str) -> str:
    """Text with a token in place of each such character, line ends as they are."""
    if text.isascii() or _CANDIDATE.search(text) is None:
        return text
    found = find(text)
    return "".join(token(char) if at in found else char for at, char in enumerate(text)) if found else text


def count(text: str) -> dict[str, int]:
    """How often each such character stands in a text of many lines; only lines with a candidate are looked at.

    Counting ends at the first line after ``MAX_COUNTED`` of them, and looks at ``_MAX_LINE`` characters of a line.
    """
    counted: dict[str, int] = {}
    total = 0
    match = None if text.isascii() else _CANDIDATE.search(text)
    while match is not None and total < MAX_COUNTED:
        start, end = text.rfind("\n", 0, match.start()) + 1, text.find("\n", match.start())
        end = end if end >= 0 else len(text)
        for char in find(text[start : min(end, start + _MAX_LINE)]).values():
            counted[char] = counted.get(char, 0) + 1
            total += 1
        match = _CANDIDATE.search(text, end)
    return counted
