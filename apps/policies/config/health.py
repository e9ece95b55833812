"""The ``health`` of a deployment: what must hold after it, for how long, and what happens otherwise."""

from __future__ import annotations

import re
from urllib.parse import unquote

from apps.policies.config.model import HealthCheck, HealthConfig
from apps.policies.config.nodes import Mapping, Node, Scalar
from apps.policies.config.reader import Reader, describe

HEALTH_KEYS = ("checks", "for", "within", "otherwise")
KINDS = ("http", "prometheus", "resources", "command")
# What a check of a kind may have beside its own key, its name and `every`.
_MORE = {
    "http": ("connection", "status", "contains"),
    "prometheus": ("connection", "below", "above"),
    "resources": (),
    "command": ("timeout",),
}
_ASKS_ELSEWHERE = ("http", "prometheus")
COMMAND_SECONDS, MOST_COMMAND_SECONDS = 30, 300
"""How long a command may take where its check does not say it, and how long those of all checks may take together."""
COMMAND_EVERY = 5
"""Seconds that are at least between two runs of a command: each makes folders and a process, and what it prints is kept."""
_EXAMPLES = {"http": "http: /healthz", "prometheus": "prometheus: up", "command": "command: ./smoke.sh"}
MAX_CHECKS = 20
REPORT, ROLL_BACK = "report", "roll-back"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}")
_PATH = re.compile(r"/[!-\"$-~]{0,500}")
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")


def read_health(reader: Reader, node: Node | None, path: str) -> HealthConfig:
    """``health`` as it is written; without it a deployment has succeeded when its run has."""
    mapping = reader.mapping(node, path, "{checks: [{name: answers, http: /healthz, connection: shop}], for: 5m}")
    if mapping is None:
        return HealthConfig()
    fields = reader.fields(mapping, path, HEALTH_KEYS, ("checks",))
    entries = reader.entries(
        fields.get("checks"), f"{path}.checks", "- {name: answers, http: /healthz, connection: shop}"
    )
    if len(entries) > MAX_CHECKS:
        message = f"`{path}.checks` has {len(entries)} checks; at most {MAX_CHECKS} are allowed."
        reader.error(mapping, f"{path}.checks", message, "Join some of them.")
    found: list[HealthCheck] = []
    for item, place in entries[:MAX_CHECKS]:
        check = _check(reader, item, place, {one.name for one in found})
        if check is not None:
            found.append(check)
    holds = reader.duration(fields.get("for"), f"{path}.for", default=60, example="5m")
    within = reader.duration(fields.get("within"), f"{path}.within", default=max(900, 2 * holds), example="15m")
    if within <= holds:
        message = f"`{path}.within` must be longer than `{path}.for`, or nothing could ever pass."
        reader.error(mapping, f"{path}.within", message, "Write a longer `within`.")
    _check_times(reader, mapping, path, found, holds, within)
    otherwise = fields.get("otherwise")
    word = reader.named(otherwise, f"{path}.otherwise", (REPORT, ROLL_BACK), REPORT) if otherwise else REPORT
    return HealthConfig(tuple(found), holds, within, word)


def _check_times(reader: Reader, node: Mapping, path: str, checks: list[HealthCheck], holds: int, within: int) -> None:
    """What could never pass, or would say nothing."""
    for check in checks:
        if check.every_seconds > holds:
            message = (
                f"`{path}`: {check.name} is asked more rarely than `for` lasts, so one answer would count as holding."
            )
            reader.error(node, f"{path}.checks", message, "Write a shorter `every`, or a longer `for`.")
    longest = sum(check.timeout_seconds for check in checks if check.kind == "command")
    if longest > MOST_COMMAND_SECONDS:
        message = (
            f"The commands of `{path}.checks` may take {longest} s together, but a worker waits for them at most "
            f"{MOST_COMMAND_SECONDS} s at a look."
        )
        reader.error(node, f"{path}.checks", message, "Write shorter times for `timeout`.")
    elif longest and holds < within < holds + longest:
        message = f"`{path}.within` leaves less time beside `for` than the {longest} s that the commands may take."
        reader.error(node, f"{path}.within", message, "Write a longer `within`, or shorter times for `timeout`.")


def _check(reader: Reader, node: Node, path: str, taken: set[str]) -> HealthCheck | None:
    mapping = reader.mapping(node, path, "{name: answers, http: /healthz, connection: shop}")
    if mapping is None:
        return None
    kinds = [kind for kind in KINDS if mapping.get(kind) is not None]
    if len(kinds) != 1:
        reader.error(mapping, path, f"`{path}` needs exactly one of {', '.join(KINDS)}.", "Write `http: /healthz`.")
        return None
    kind = kinds[0]
    needed = ("name", kind, "connection") if kind in _ASKS_ELSEWHERE else ("name", kind)
    fields = reader.fields(mapping, path, ("name", kind, "every", *_MORE[kind]), needed)
    name = reader.text(fields.get("name"), f"{path}.name", "name: answers", limit=63)
    if name and (not _NAME.fullmatch(name) or name in taken):
        message = f"`{name}` stands twice, or has other characters than letters, digits, spaces, `.`, `_` and `-`."
        reader.error(fields["name"], f"{path}.name", message, "Write a name such as `answers`.")
    _check_bounds(reader, mapping, path, kind, fields)
    every = reader.duration(fields.get("every"), f"{path}.every", default=10, example="10s")
    if kind == "command" and every < COMMAND_EVERY:
        message = f"`{path}.every` is {every} s, but a command is run every {COMMAND_EVERY} s at most."
        reader.error(fields["every"], f"{path}.every", message, "Write `every: 10s`.")
    return HealthCheck(
        name,
        kind,
        _target(reader, fields[kind], f"{path}.{kind}", kind),
        reader.text(fields.get("connection"), f"{path}.connection", "connection: shop"),
        reader.count(fields.get("status"), f"{path}.status", default=200, low=100, high=599),
        reader.text(fields.get("contains"), f"{path}.contains", "contains: ok"),
        _number(reader, fields.get("below"), f"{path}.below"),
        _number(reader, fields.get("above"), f"{path}.above"),
        every,
        reader.duration(fields.get("timeout"), f"{path}.timeout", default=COMMAND_SECONDS, example="30s"),
    )


def _target(reader: Reader, node: Node, path: str, kind: str) -> str:
    if kind == "resources":
        return reader.named(node, path, ("healthy",), "healthy")
    value = reader.text(node, path, _EXAMPLES[kind])
    if kind == "http" and value and (not _PATH.fullmatch(value) or _leads_up(value)):
        message = f"`{path}` must be a path that begins with `/`; the host is that of the connection."
        reader.error(node, path, message, "Write `http: /healthz`.")
    return value


def _leads_up(path: str) -> bool:
    """Whether a part of it means "up", also to a server that decodes it first."""
    return any(part in {".", ".."} for part in unquote(unquote(path)).replace("\\", "/").split("/"))


def _check_bounds(reader: Reader, node: Mapping, path: str, kind: str, fields: dict[str, Node]) -> None:
    if kind == "prometheus" and "below" not in fields and "above" not in fields:
        message = f"`{path}` says neither `below` nor `above`, so any value would be good."
        reader.error(node, path, message, "Add `below: 0.01`.")


def _number(reader: Reader, node: Node | None, path: str) -> float | None:
    if node is None:
        return None
    if isinstance(node, Scalar) and not node.quoted and _NUMBER.fullmatch(node.text):
        return float(node.text)
    reader.error(node, path, f"`{path}` must be a number, but is {describe(node)}.", "Write `below: 0.01`.")
    return None
