"""What a plan that is made here without the state cannot know, in words; each sentence only where the code has such a thing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from apps.rendering.comparing.risks.reading import shown
from apps.rendering.model import Action, Difference
from apps.rendering.sandbox.messages import clean_message
from apps.rendering.terraform import hcl, modules

UNKNOWN_STATE = (
    "The state of the environment is not known here: what the code says before and after the change is compared. What was "
    "changed elsewhere, and what follows from values known only after it is applied, is not shown."
)
_NOT_FOLLOWED = {
    "moved": "moved blocks need the state: what moves is shown as deleted and created.",
    "removed": "removed blocks need the state: what is only forgotten is shown as deleted.",
    "import": "import blocks need the state: what is imported is shown as created.",
}
_REPLACED = "Replacements by replace_triggered_by need the state and are not shown."
_IGNORED = (
    "{} ignores changes (ignore_changes of its lifecycle): what it leaves as it is may be shown as a change here."
)
_PREVENTED = (
    "{} must not be destroyed (prevent_destroy of its lifecycle): Terraform refuses this plan in the environment."
)
_EVERY_TIME = {
    "plantimestamp": "plantimestamp() is the time of the plan: what follows from it is shown as a change here, and will be another one.",
    "timestamp": "timestamp() is the time of applying: what follows from it changes every time, and is not shown here.",
    "uuid": "uuid() gives another value every time: what follows from it changes whenever it is applied, and is not shown here.",
    "bcrypt": "bcrypt() gives another value every time: what follows from it may be shown as a change here.",
}
_CALLED_IN_TEXT = re.compile(rf"[$%]\{{[^\"]*?\b({'|'.join(_EVERY_TIME)})\s*\(")
_MOST_NAMED = 5


def notes(reading: modules.Reading | None, root: str, difference: Difference) -> Iterator[str]:
    """``reading``: the code after the change; ``None``: there is none any more."""
    yield UNKNOWN_STATE
    if reading is None:
        return
    found = {block.name for block in reading.blocks(*_NOT_FOLLOWED)}
    yield from (text for name, text in _NOT_FOLLOWED.items() if name in found)
    if any(_setting(block, "replace_triggered_by") for block in reading.blocks("resource")):
        yield _REPLACED
    yield from _of_lifecycle(reading, root, difference)
    called = set(_called(reading))
    yield from (text for name, text in _EVERY_TIME.items() if name in called)


def _of_lifecycle(reading: modules.Reading, root: str, difference: Difference) -> Iterator[str]:
    """Of the resources that are shown as changed alone."""
    ignoring, kept = [], []
    for change in difference.changes:
        place = modules.block_of(reading, root, change.id.name)
        if place is None:
            continue
        is_destroyed = change.action in {Action.DELETE, Action.REPLACE}
        if change.action in {Action.UPDATE, Action.REPLACE} and _setting(place[1], "ignore_changes"):
            ignoring.append(change.id.name)
        if is_destroyed and [token.text for token in _setting(place[1], "prevent_destroy")] == ["true"]:
            kept.append(change.id.name)
    for names, text in ((ignoring, _IGNORED), (kept, _PREVENTED)):
        yield from (text.format(shown(clean_message(name))) for name in names[:_MOST_NAMED])
        if len(names) > _MOST_NAMED:
            yield text.format(f"{len(names) - _MOST_NAMED} more: each")


def _setting(resource: hcl.Block, name: str) -> list[hcl.Token]:
    return [
        token
        for block in resource.named("lifecycle")
        for token in block.attributes.get(name, [])
        if token.kind != "line" and token.text not in {"[", "]"}
    ]


def _called(reading: modules.Reading) -> Iterator[str]:
    """Functions whose value is another one in every plan."""
    for files in reading.folders.values():
        for file in files:
            before = ""
            for token in file.everything():
                if token.kind == "text":
                    yield from _CALLED_IN_TEXT.findall(token.text)
                elif token.text == "(" and before in _EVERY_TIME:
                    yield before
                before = token.text if token.kind == "word" else ""
