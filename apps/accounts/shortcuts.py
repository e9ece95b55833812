"""The one table of keyboard shortcuts (pure). Handler, help, hints and settings are all made from it.

Keys are written as the browser names them (``KeyboardEvent.key``): ``n``, ``N`` (with Shift), ``End``; two keys after
each other have a space between them (``g q``); ``Mod`` is Ctrl, or ⌘ on a Mac. In the whole table no two shortcuts have
the same keys, so a key means one thing on every page.
"""

from __future__ import annotations

from dataclasses import dataclass

EVERYWHERE, LISTS, QUEUE, CHANGE, DIFF, LOG = "Everywhere", "Lists", "Queue", "A change", "Differences", "Logs"


@dataclass(frozen=True, slots=True)
class Shortcut:
    """``fixed``: given by the browser or by convention, so it can be neither moved nor switched off.

    ``sends``: the one exception to "a key submits nothing": it may press the button of a form, because what that does
    is a note to oneself that the same key takes back.
    """

    id: str
    keys: str
    text: str
    group: str
    fixed: bool = False
    sends: bool = False


_GO = (("q", "Queue"), ("c", "Changes"), ("d", "Deploys"), ("e", "Environments"), ("t", "Timeline"), ("a", "Audit"))

SHORTCUTS: tuple[Shortcut, ...] = (
    Shortcut("help", "?", "Show the shortcuts of this page", EVERYWHERE),
    Shortcut("search", "/", "Search; find in all files of a change", EVERYWHERE),
    Shortcut("palette", "Mod+k", "Find a page or an action", EVERYWHERE, fixed=True),
    Shortcut("actions", ".", "Show the actions of this page, the next step first", EVERYWHERE),
    Shortcut("close", "Escape", "Close, and return to where you were", EVERYWHERE, fixed=True),
    Shortcut("send", "Mod+Enter", "Send the form that you type in", EVERYWHERE, fixed=True),
    *(Shortcut(f"go-{name.lower()}", f"g {key}", f"Go to {name}", EVERYWHERE) for key, name in _GO),
    Shortcut("next-row", "j", "Next row or line", LISTS),
    Shortcut("previous-row", "k", "Previous row or line", LISTS),
    Shortcut("open-row", "o", "Open the row (as Enter does)", LISTS),
    Shortcut("up", "u", "Up to the list, at the same row", LISTS),
    Shortcut("select", "x", "Select the row", QUEUE),
    Shortcut("snooze", "s", "Snooze", QUEUE),
    Shortcut("hand-over", "h", "Hand over", QUEUE),
    *(Shortcut(f"tab-{number}", str(number), f"Part {number} of this page", CHANGE) for number in range(1, 9)),
    Shortcut("finish-review", "r", "Finish the review", CHANGE),
    Shortcut("next-block", "n", "Next changed block, in the next file too", DIFF),
    Shortcut("previous-block", "p", "Previous changed block", DIFF),
    Shortcut("next-file", "]", "Next file or resource", DIFF),
    Shortcut("previous-file", "[", "Previous file or resource", DIFF),
    Shortcut("next-thread", "N", "Next open thread", DIFF),
    Shortcut("previous-thread", "P", "Previous open thread", DIFF),
    Shortcut("viewed", "v", "Viewed, or not", DIFF, sends=True),
    Shortcut("viewed-next", "V", "Viewed, and on to the next unviewed file", DIFF, sends=True),
    Shortcut("comment", "c", "Comment on the chosen line", DIFF),
    Shortcut("suggest", "C", "Suggest another text for the line", DIFF),
    Shortcut("since-review", "i", "Only what is new since my last review", DIFF),
    Shortcut("view", "m", "Unified or side by side", DIFF),
    Shortcut("whitespace", "w", "Show or leave out changes of whitespace", DIFF),
    Shortcut("expand", "e", "Show more lines around", DIFF),
    Shortcut("fold", "z", "Fold or unfold the file", DIFF),
    Shortcut("filter-files", "t", "Filter the files", DIFF),
    Shortcut("follow", "f", "Follow the end of the log", LOG),
    Shortcut("next-error", "E", "Next error in the log", LOG),
    Shortcut("copy-line", "l", "Copy the link of the line", LOG),
    Shortcut("more-lines", "J", "Choose one more line", LOG),
    Shortcut("fewer-lines", "K", "Choose one line less, or one above", LOG),
    Shortcut("newest", "End", "Newest line of the log", LOG),
    Shortcut("oldest", "Home", "Oldest line of the log", LOG),
)

BY_ID: dict[str, Shortcut] = {one.id: one for one in SHORTCUTS}


def caps(keys: str) -> list[str]:
    """The keys as they stand on a keyboard, in order: ``N`` is Shift+N, ``Mod+k`` is Ctrl+K."""
    return [_cap(key) for key in keys.split()]


def _cap(key: str) -> str:
    if key.startswith("Mod+"):
        return f"Ctrl+{_cap(key[4:]).upper() if len(key) == 5 else _cap(key[4:])}"
    if len(key) == 1 and key.isalpha() and key.isupper():
        return f"Shift+{key}"
    return "Esc" if key == "Escape" else key
