"""The ``windows`` of the file: freezes and times at which something may happen."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

from apps.policies.config.model import ALLOW, DEPLOY, FREEZE, MERGE, WindowConfig
from apps.policies.config.needs import read_people
from apps.policies.config.nodes import Mapping, Node, Scalar
from apps.policies.config.reader import Reader
from apps.policies.config.rules import known_environments

WINDOW_KEYS = ("name", "kind", "environments", "from", "to", "cron", "duration", "timezone", "holds", "override")
OVERRIDE = ("role/maintainer",)
CRON_FIELDS = 5
MAX_WINDOWS = 200
FIRST_YEAR, LAST_YEAR = 2000, 2200
_PART = r"(\*|[0-9]{1,2}|[A-Za-z]{3})(-([0-9]{1,2}|[A-Za-z]{3}))?(/[0-9]{1,2})?"
_FIELD = re.compile(rf"{_PART}(,{_PART})*")
EXAMPLE = "- {name: year end, kind: freeze, from: 2026-12-24T18:00+01:00, to: 2027-01-02T08:00+01:00}"


def read_windows(reader: Reader, node: Node | None, environments: tuple[str, ...]) -> tuple[WindowConfig, ...]:
    """All windows in the order of the file."""
    found: list[WindowConfig] = []
    for item, path in reader.at_most(node, "windows", reader.entries(node, "windows", EXAMPLE), MAX_WINDOWS):
        mapping = reader.mapping(item, path, EXAMPLE)
        if mapping is not None:
            window = _window(reader, mapping, path, environments)
            if window.name and any(other.name == window.name for other in found):
                message = f"Two windows are named `{window.name}`."
                reader.error(mapping, f"{path}.name", message, "Rename one of the two.")
            found.append(window)
    return tuple(found)


def _window(reader: Reader, mapping: Mapping, path: str, environments: tuple[str, ...]) -> WindowConfig:
    fields = reader.fields(mapping, path, WINDOW_KEYS, ("name", "kind"))
    recurring = "cron" in fields
    pair = ("cron", "duration") if recurring else ("from", "to")
    other = ("from", "to") if recurring else ("duration",)
    if any(key not in fields for key in pair) or any(key in fields for key in other):
        message = f"`{path}` needs either `from` and `to`, or `cron` and `duration`."
        reader.error(mapping, path, message, f"Write `{EXAMPLE[2:]}`.")
    start, end = _moment(reader, fields.get("from"), f"{path}.from"), _moment(reader, fields.get("to"), f"{path}.to")
    if start and end and start >= end:
        reader.error(fields["to"], f"{path}.to", f"`{path}` ends before it starts.", "Exchange `from` and `to`.")
    kind = fields.get("kind")
    return WindowConfig(
        reader.text(fields.get("name"), f"{path}.name", "name: year end", limit=100),
        reader.named(kind, f"{path}.kind", (FREEZE, ALLOW), FREEZE) if kind else FREEZE,
        known_environments(reader, fields.get("environments"), f"{path}.environments", environments),
        start,
        end,
        _cron(reader, fields.get("cron"), f"{path}.cron"),
        reader.duration(fields.get("duration"), f"{path}.duration", default=0, example="8h"),
        _timezone(reader, fields.get("timezone"), f"{path}.timezone"),
        mapping.line,
        _holds(reader, fields.get("holds"), f"{path}.holds"),
        read_people(reader, fields["override"], f"{path}.override") if "override" in fields else OVERRIDE,
    )


def _holds(reader: Reader, node: Node | None, path: str) -> tuple[str, ...]:
    """Stages; deployments where nothing is said."""
    if node is None:
        return (DEPLOY,)
    return reader.listed(node, path, (MERGE, DEPLOY), "nothing that a window holds", "holds: [merge, deploy]")


def _moment(reader: Reader, node: Node | None, path: str) -> datetime | None:
    if node is None:
        return None
    try:
        moment = datetime.fromisoformat(node.text if isinstance(node, Scalar) else "")
    except ValueError:
        moment = None
    if moment is not None and not FIRST_YEAR <= moment.year <= LAST_YEAR:
        message = f"`{path}` lies in the year {moment.year}; calendars here know {FIRST_YEAR} to {LAST_YEAR}."
        reader.error(
            node, path, message, f"Write a moment in these years; for one without end {LAST_YEAR}-01-01T00:00Z."
        )
        return None
    if moment is None or moment.tzinfo is None:
        message = f"`{path}` must be a moment with its offset from UTC."
        reader.error(node, path, message, "Write it as `2026-12-24T18:00+01:00`.")
        return None
    return moment


def _cron(reader: Reader, node: Node | None, path: str) -> str:
    text = reader.text(node, path, 'cron: "0 9 * * 1-4"', limit=100)
    if text and node is not None and (not _is_schedule(text)):
        message = f"`{text}` is no schedule of five fields (minute, hour, day, month, weekday)."
        reader.error(node, path, message, 'Write `"0 9 * * 1-4"` for 9:00 from Monday to Thursday.')
        return ""
    if text and node is not None and not _comes_ever(text):
        reader.error(
            node, path, f"`{text}` names a day that never comes.", 'Write a day that exists, as `"0 9 1 * *"`.'
        )
    return text


def _is_schedule(text: str) -> bool:
    """Five plain fields: croniter also knows random and hashed ones, which are another moment at every look."""
    fields = text.split()
    return len(fields) == CRON_FIELDS and all(map(_FIELD.fullmatch, fields)) and bool(croniter.is_valid(text))


def _comes_ever(schedule: str) -> bool:
    try:
        croniter(schedule, datetime(2024, 1, 1)).get_next(datetime)  # noqa: DTZ001 - wall time
    except CroniterBadDateError:
        return False
    return True


def _timezone(reader: Reader, node: Node | None, path: str) -> str:
    text = reader.text(node, path, "timezone: Europe/Berlin", limit=100)
    try:
        return str(ZoneInfo(text).key) if text else "UTC"
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError; a folder's name is an OSError
        if node is not None:
            reader.error(node, path, f"`{text}` is no time zone.", "Write a name such as `Europe/Berlin` or `UTC`.")
        return "UTC"
