"""The log of a job of GitLab as it was printed: without the marks of sections, and without those of time.

Runners since 18.7 write before each line when it was printed, by whom, and whether it goes on with the line before:
``2026-11-28T12:00:00.123456Z 01O text``, ``2026-11-28T12:00:01.123456Z 01O+and its rest``. As in GitLab, a log has such marks
if its first line has one, and a line goes on with the one before it, whoever printed that.
"""

from __future__ import annotations

import re

_MARK = rb"\d{4}-\d\d-\d\dT[\d:.\x00]{9,20}Z [0-9a-f]{2}[EO]"
LONGEST_MARK = 44
_MARKED = re.compile(_MARK + rb"[+ ]")
_GOES_ON = re.compile(rb"\n" + _MARK + rb"\+")
_BEGINS = re.compile(rb"^" + _MARK + rb"[+ ]", re.MULTILINE)
_SECTION = re.compile(rb"section_(?:start|end):\d+:[^\r\n]*\r\x1b\[0K")


def as_printed(raw: bytes) -> bytes:
    """The text of the log up to now; of a log that grows later, what was said of it before is the beginning.

    So the end of its last line waits for the next one, which may go on with it.
    """
    if _MARKED.match(raw):
        last = raw.rfind(b"\n") + 1
        if last and len(raw) - last < LONGEST_MARK and not _MARKED.match(raw, last):
            raw = raw[: last - 1]
        raw = _BEGINS.sub(b"", _GOES_ON.sub(b"", raw))
    return _SECTION.sub(b"", raw)
