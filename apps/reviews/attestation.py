"""What a review attests beside its verdict: what had been displayed when it was given, and what was marked as viewed.

Stored as ``Review.shown``, so that it can be read years later without this code. Version 1::

    {"version": 1, "via": "page", "view": "unified", "reported": true, "files": 12,
     "compared": {"from": "r1", "to": "r3"},                        # only if the form was reached from this comparison
     "viewed": ["<digest>", …],                                     # marked as viewed with exactly this content
     "resources": ["<key>", …],                                     # what happens to rendered resources, marked as seen
     "not_displayed": [{"file": "ab12…", "path": "a.lock", "reason": "Lock file: 900 changed lines"}, …],
     "partly": [{"file": "cd34…", "path": "b.yaml", "reason": "only its first rows were loaded"}, …],
     "notes": [{"file": "ef56…", "path": "c.yaml", "reason": "2 hidden characters are shown as tokens: …"}, …],
     "more": 0}                                                     # entries beyond NAMED, of all three lists together

``viewed`` is what the server knows of the person, and the only part that a rule is judged by (``needs.seen``). The rest is what
the page says it did, with the help of the browser where ``reported`` is true: worth reading, no proof. Over the API
nothing is displayed, so every file that is not viewed is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from apps.diffs.files import FileChange
from apps.reviews.content import digest_of
from apps.reviews.marks import Marks
from apps.vcs.paths import display as plain_path

SHOWN_VERSION = 1
NAMED = 200
OVER_THE_API = "read over the API, where nothing is displayed"
State = Literal["open", "partly", "closed"]


@dataclass(frozen=True, slots=True)
class FileDisplay:
    """What the page did with one file; ``reason`` for what is not (wholly) open, ``note`` for what a reader could miss."""

    state: State
    reason: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Displayed:
    """A page as it was when the review was sent: ``files`` by id; ``reported``: the browser said what it had loaded.

    ``compared``: the labels of the two revisions whose comparison led to the form.
    """

    files: Mapping[str, FileDisplay]
    view: str = "unified"
    reported: bool = False
    compared: tuple[str, str] | None = None


def attest(
    files: Sequence[FileChange],
    marks: Marks,
    displayed: Displayed | None,
    *,
    via: str,
    resources: Iterable[str] = (),
) -> dict[str, Any]:
    """The document to be stored with a review of a revision with these ``files``; ``resources`` were marked as seen."""
    lists: dict[str, list[dict[str, str]]] = {"not_displayed": [], "partly": [], "notes": []}
    for file in files:
        found = displayed.files.get(file.id) if displayed else None
        state = found or FileDisplay("closed", OVER_THE_API if displayed is None else "not loaded")
        entry = {"file": file.id, "path": plain_path(file.path)}
        if state.state != "open" and file.id not in marks.viewed:
            lists["partly" if state.state == "partly" else "not_displayed"].append({**entry, "reason": state.reason})
        if state.note:
            lists["notes"].append({**entry, "reason": state.note})
    compared = displayed.compared if displayed else None
    more = sum(max(0, len(entries) - NAMED) for entries in lists.values())
    return {
        "version": SHOWN_VERSION,
        "via": via,
        "view": displayed.view if displayed else "",
        "reported": bool(displayed and displayed.reported),
        "files": len(files),
        **({"compared": dict(zip(("from", "to"), compared, strict=True))} if compared else {}),
        "viewed": sorted(digest_of(file) for file in files if file.id in marks.viewed),
        "resources": sorted(resources),
        **{name: entries[:NAMED] for name, entries in lists.items()},
        "more": more,
    }


def seen_keys(shown: object) -> tuple[str, ...]:
    """The keys of the parts that a stored review attests as viewed; none for what cannot be read."""
    if not isinstance(shown, dict) or shown.get("version") != SHOWN_VERSION:
        return ()
    return (*_keys(shown, "viewed", "file"), *_keys(shown, "resources", "resource"))


def _keys(shown: Mapping[str, Any], name: str, prefix: str) -> tuple[str, ...]:
    found = shown.get(name)
    return tuple(f"{prefix}:{key}" for key in found if isinstance(key, str)) if isinstance(found, list) else ()
