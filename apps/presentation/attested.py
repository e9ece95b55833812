"""What a difference page displayed of each file when a review was sent from it: half known here, half told by the browser.

The server knows its own first response, byte by byte. Whatever was loaded after it is told by the page in one hidden field:
``ab12 cd34+``: all rows of ``ab12`` were loaded, of ``cd34`` only some. Ids that the change does not have are dropped. Without
scripts nothing is told, so a file that was opened as a page of its own counts as displayed only if it is marked as viewed.
"""

from __future__ import annotations

import re

from apps.changes.models import ChangeRequest, Revision
from apps.core.errors import NotVisible
from apps.diffs.files import FileChange, FileFacts
from apps.diffs.fragments import hidden_words
from apps.presentation import diff_pages as pages
from apps.presentation.diff_pages import Listing
from apps.presentation.diff_sides import Sides, sides_of
from apps.reviews.attestation import Displayed, FileDisplay

MAX_REPORT = 400_000
"""Characters of the report that are read."""
MOST_READ = 200
"""Files that the browser loaded and that are looked at again for lines that were cut."""
_TOLD = re.compile(r"([0-9a-f]{8,64})(\+?)(?:\s|$)")
_SECTION = re.compile(rb'<section class="df" id="f-([0-9a-f]+)" data-file="[0-9a-f]+" data-state="open"')
_LABEL = re.compile(r"r([1-9]\d{0,5})", re.ASCII)
_CUT = re.compile(rb'<p class="dn">(\d+) long lines? (?:is|are) cut')
SOME_ROWS = "only its first rows were loaded"


def displayed_by(change: ChangeRequest, number: int, *, view: str, report: str, compared: str = "") -> Displayed | None:
    """What the page of the whole change at revision ``number`` displayed; ``None`` when there is no such page.

    ``compared`` names the earlier revision from whose comparison the form was reached; one that there is not is dropped.
    """
    try:
        sides = sides_of(change, "", f"r{number}")
    except NotVisible:
        return None
    if sides is None or view not in {"unified", "split"}:
        return None
    found = pages.counted_listing(sides)
    told = {file_id: "partly" if plus else "open" for file_id, plus in _TOLD.findall(report[:MAX_REPORT])}
    sent = _sent(sides, view)
    reasons = {item.change.id: item.reason for item in pages.plan_of(sides, found).files}
    notes = _cut_lines(sides, found, view, [file_id for file_id in told if file_id not in sent])
    files = {}
    for file in found.files:
        state = told.get(file.id) or sent.get(file.id, ("", ""))[0]
        cut = sent.get(file.id, ("", ""))[1] or notes.get(file.id, "")
        files[file.id] = _display(file, state, reasons[file.id], found.facts.get(file.id), cut)
    return Displayed(files, view=view, reported=bool(told), compared=compared_with(change, sides.revision, compared))


def compared_with(change: ChangeRequest, revision: Revision, name: str) -> tuple[str, str] | None:
    """The labels of a comparison of ``revision`` with the earlier one that ``name`` (``r1``) names; ``None`` for none."""
    found = _LABEL.fullmatch(name)
    earlier = change.revisions.filter(number=int(found[1]), number__lt=revision.number).first() if found else None
    return (earlier.label, revision.label) if earlier else None


def _display(file: FileChange, state: str, reason: str, facts: FileFacts | None, cut: str) -> FileDisplay:
    note = "; ".join(word for word in (hidden_words(facts) if facts else "", cut) if word)
    if facts is not None and facts.kind == "binary":
        return FileDisplay("closed", "Binary file: its content is never displayed", note)
    if state == "partly":
        return FileDisplay("partly", SOME_ROWS, note)
    if state == "open":
        return FileDisplay("open", note=note)
    return FileDisplay("closed", reason or "not loaded", note)


def _sent(sides: Sides, view: str) -> dict[str, tuple[str, str]]:
    """By file id, ``(open or partly, what was cut)`` of the files whose rows are in the first response."""
    html = pages.first_sections(sides, pages.listing(sides), pages.options_of(sides, view))
    starts = [*_SECTION.finditer(html)]
    ends = [*(found.start() for found in starts[1:]), len(html)]
    result = {}
    for found, end in zip(starts, ends, strict=True):
        body = html[found.end() : end]
        state = "partly" if b'<tbody class="mr"' in body else "open"
        result[found[1].decode()] = (state, _cut_words(body))
    return result


def _cut_words(body: bytes) -> str:
    cut = _CUT.search(body)
    return f"{int(cut[1]):,} long {'line' if int(cut[1]) == 1 else 'lines'} cut" if cut else ""


def _cut_lines(sides: Sides, found: Listing, view: str, loaded: list[str]) -> dict[str, str]:
    """What was cut in files that the browser loaded; of the first :data:`MOST_READ`, which the cache mostly has."""
    known = {file.id: file for file in found.files}
    options = pages.options_of(sides, view)
    bodies = {
        file_id: pages.file_body(sides, known[file_id], options) for file_id in loaded[:MOST_READ] if file_id in known
    }
    return {file_id: words for file_id, body in bodies.items() if (words := _cut_words(body))}
