"""The ``drift`` of an environment: how often it is looked at, and the command that tells where nothing else can."""

from __future__ import annotations

from apps.policies.config.model import DriftConfig
from apps.policies.config.nodes import Node
from apps.policies.config.reader import Reader
from apps.policies.config.words import duration_words

KEYS = ("every", "command", "timeout", "differs")
OF_COMMANDS = ("timeout", "differs")
SHORTEST, LONGEST = 300, 7 * 86_400
"""Seconds: more often than every 5 minutes would be a load on what is asked; rarer than weekly tells nobody in time."""
COMMAND_SECONDS, MOST_COMMAND_SECONDS = 120, 600
"""How long a command may take where that is not said, and at most: a look has a worker's thread for so long."""
MOST_DIFFERS = 124
"""The statuses above tell of signals and of what a shell could not begin."""


def read_drift(reader: Reader, node: Node | None, path: str) -> DriftConfig:
    """``drift`` as it is written; without it one looks only when somebody asks."""
    mapping = reader.mapping(node, path, "{every: 30m}")
    if mapping is None:
        return DriftConfig()
    fields = reader.fields(mapping, path, KEYS)
    if "every" not in fields and "command" not in fields:
        reader.error(mapping, path, f"`{path}` has neither `every` nor `command`.", "Write `drift: {every: 30m}`.")
    for name in OF_COMMANDS:
        if name in fields and "command" not in fields:
            message = f"`{path}.{name}` is about a command, but there is no `{path}.command`."
            reader.error(fields[name], f"{path}.{name}", message, "Add `command: ./scripts/drift`, or remove it.")
    return DriftConfig(
        _within(reader, fields, "every", path, (0, SHORTEST, LONGEST), "30m"),
        reader.text(fields.get("command"), f"{path}.command", "command: ./scripts/drift"),
        _within(reader, fields, "timeout", path, (COMMAND_SECONDS, 1, MOST_COMMAND_SECONDS), "2m"),
        reader.count(fields.get("differs"), f"{path}.differs", default=0, low=1, high=MOST_DIFFERS),
    )


def _within(
    reader: Reader, fields: dict[str, Node], name: str, path: str, bounds: tuple[int, int, int], example: str
) -> int:
    """Seconds of a duration; ``bounds``: where it is not written, the least, the most."""
    default, least, most = bounds
    seconds = reader.duration(fields.get(name), f"{path}.{name}", default=default, example=example)
    if name in fields and seconds != default and not least <= seconds <= most:
        words = f"from {duration_words(least)} to {duration_words(most)}"
        reader.error(fields[name], f"{path}.{name}", f"`{path}.{name}` must be {words}.", f"Write `{name}: {example}`.")
        return default
    return seconds
