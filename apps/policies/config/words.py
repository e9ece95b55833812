"""Rules, windows and the rest of the file in plain words, and what one version says otherwise than another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any, TypeVar

from apps.policies.config.model import (
    FREEZE,
    EmergencyConfig,
    EnvironmentConfig,
    HealthCheck,
    Needs,
    PortalConfig,
    ResourceClause,
    Rule,
    SecretConfig,
    StandardConfig,
    When,
    WindowConfig,
)
from apps.policies.config.recurrence import recurrence_words

T = TypeVar("T")
LONGEST_TARGET = 60
"""Characters of a command, a query or a path; a difference behind them is one in the details."""
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing of the policy that is ``added``, ``removed`` or ``changed``; ``before`` and ``after`` in words."""

    what: str
    name: str
    change: str
    before: str = ""
    after: str = ""


def rule_words(rule: Rule) -> str:
    """``2 approvals from team/sre or team/network to deploy, when it reaches production``."""
    when = when_words(rule.when)
    return f"{needs_words(rule.needs)} to {rule.stage}{f', {when}' if when else ''}"


def needs_words(needs: Needs) -> str:
    """What has to be there."""
    if needs.groups:
        asked = [f"{approvals_words(group.approvals)} from {' or '.join(group.from_)}" for group in needs.groups]
        found = [" and ".join(asked) + (", by different people" if needs.distinct and len(asked) > 1 else "")]
    else:
        found = [f"{approvals_words(needs.approvals)} from {' or '.join(needs.from_)}"] if needs.approvals else []
    if needs.seen:
        found.append(f"having seen {' and '.join(needs.seen)}")
    if needs.expires_seconds:
        found.append(f"not older than {duration_words(needs.expires_seconds)}")
    if needs.reauthenticate:
        found.append("after signing in again")
    found += [f"check {name} succeeded" for name in needs.checks]
    return ", ".join(found)


def when_words(when: When) -> str:
    """When a rule applies; empty: always."""
    found = [f"reaches {', '.join(when.environments)}"] if when.environments else []
    found += [f"touches {', '.join(when.paths)}"] if when.paths else []
    found += [f"changes {_resources(when.resources)}"] if when.resources is not None else []
    if when.size is not None:
        sizes = [f"{n} {word}" for n, word in ((when.size.files, "files"), (when.size.lines, "lines")) if n]
        found.append(f"has at least {' or '.join(sizes)}")
    found += [f"has {' or '.join(when.authors)} contributors"] if when.authors else []
    found += [f"falls into {' or '.join(when.windows)}"] if when.windows else []
    return f"when it {' and '.join(found)}" if found else ""


def _resources(clause: ResourceClause) -> str:
    parts = [" or ".join(clause.kinds) or "a resource"]
    parts += [f"named {' or '.join(clause.names)}"] if clause.names else []
    parts += [f"({' or '.join(clause.actions)})"] if clause.actions else []
    parts += [f"with the risk {' or '.join(clause.risks)}"] if clause.risks else []
    return " ".join(parts)


def window_words(window: WindowConfig) -> str:
    """``frozen from 24 Dec 2026, 18:00 (UTC+01:00) to …, in production, …``."""
    where = ", ".join(window.environments) or "all environments"
    what = "frozen" if window.kind == FREEZE else "allowed only"
    return (
        f"{what} {_window_times(window)}, in {where}, holds {' and '.join(window.holds)}; {' or '.join(window.override)} may "
        "let a change through"
    )


def _window_times(window: WindowConfig) -> str:
    if window.start is not None and window.end is not None:
        return f"from {_moment(window.start)} to {_moment(window.end)}"
    minutes, rest = divmod(window.duration_seconds, 60)
    often = "" if rest else recurrence_words(window.cron, minutes)
    return f"{often or f'at “{window.cron}” for {duration_words(window.duration_seconds)}'} ({window.timezone})"


def _moment(moment: datetime) -> str:
    """As the file has it, in its own distance from UTC: who reads it anywhere knows when that is."""
    return f"{moment.day} {moment:%b %Y, %H:%M} ({moment.tzname() or 'UTC'})"


def standard_words(standard: StandardConfig) -> str:
    """What fits the template, and which rules it replaces."""
    parts = [f"only {' and '.join(standard.paths)}"]
    parts += [f"only the fields {', '.join(standard.fields)}"] if standard.fields else []
    parts += [f"only {_resources(standard.resources)}"] if standard.resources is not None else ["nothing destroyed"]
    if standard.size is not None:
        sizes = [f"{n} {word}" for n, word in ((standard.size.files, "files"), (standard.size.lines, "lines")) if n]
        parts.append(f"at most {' and '.join(sizes)}")
    parts += [f"by {' or '.join(standard.by)}"] if standard.by else []
    return f"needs no approval to {' and '.join(standard.covers)}: {', '.join(parts)}"


def secret_words(entry: SecretConfig) -> str:
    """What is hidden besides what everybody hides."""
    parts = [f"the fields {', '.join(entry.keys)}"] if entry.keys else []
    parts += [f"the words {', '.join(entry.values)}"] if entry.values else []
    return f"hides {' and '.join(parts)}"


def environment_words(environment: EnvironmentConfig) -> str:
    """How an environment is reached and deployed."""
    targets = ", ".join(f"{target.name} ({target.kind})" for target in environment.targets) or "no targets"
    after = f" after {', '.join(environment.after)}" if environment.after else ""
    after += f" for {duration_words(environment.soak_seconds)}" if environment.soak_seconds else ""
    newest = ", a newer deployment replaces queued ones" if environment.queue == "newest" else ""
    protected = "protected" if environment.protected else "not protected"
    steps = f"{len(environment.deploy.steps)} steps via {environment.deploy.via}"
    return f"{protected}{after}, {targets}, {steps}{_health_words(environment)}{newest}{_drift_words(environment)}"


def _drift_words(environment: EnvironmentConfig) -> str:
    """How often, and also what is run: another line is another check."""
    drift = environment.drift
    every = f" every {duration_words(drift.every_seconds)}" if drift.every_seconds else ""
    command = ""
    if drift.command:
        command = f" by {_shortened(drift.command)}, which may take {duration_words(drift.timeout_seconds)}"
        command += f" and ends with {drift.differs} where something differs" if drift.differs else ""
    return f", checked for drift{every}{command}" if every or command else ""


def _health_words(environment: EnvironmentConfig) -> str:
    """What must hold afterwards."""
    health = environment.deploy.health
    if not health.checks:
        return ""
    asked = ", ".join(map(_check_words, health.checks))
    otherwise = ", else it is rolled back" if health.otherwise == "roll-back" else ""
    return f", healthy ({asked}) for {duration_words(health.for_seconds)}{otherwise}"


def _check_words(check: HealthCheck) -> str:
    """``smoke: command ./smoke.sh``: also what is run or asked, because another line under the same name is another check."""
    return f"{check.name}: {check.kind} {_shortened(check.target)}"


def _shortened(line: str) -> str:
    line = " ".join(line.split())
    return f"{line[: LONGEST_TARGET - 1]}\N{HORIZONTAL ELLIPSIS}" if len(line) > LONGEST_TARGET else line


def duration_words(seconds: int) -> str:
    """``1d12h``, as the file writes it."""
    return "".join(f"{number}{name}" for number, name in duration_parts(seconds)) or "0s"


def duration_parts(seconds: int) -> list[tuple[int, str]]:
    """``[(1, "d"), (12, "h")]``: the units of the file that are not zero, the longest first."""
    found = []
    for size, name in _UNITS:
        number, seconds = divmod(seconds, size)
        found.append((number, name))
    return [part for part in found if part[0]]


def differences(before: PortalConfig, after: PortalConfig) -> tuple[Difference, ...]:
    """What the later version says otherwise, in words; rules, windows and environments are the same by their names."""
    found = [
        *_named("rule", before.rules, after.rules, lambda rule: rule.name, rule_words),
        *_named("window", before.windows, after.windows, lambda window: window.name, window_words),
        *_named("standard change", before.standards, after.standards, lambda one: one.name, standard_words),
        *_named("secrets", before.secrets, after.secrets, lambda one: one.name, secret_words),
        *_named("environment", before.environments, after.environments, lambda one: one.name, environment_words),
    ]
    singles = (
        ("emergency", _emergency(before.emergency), _emergency(after.emergency)),
        ("rollback", _rollback(before), _rollback(after)),
        ("threads", before.threads.resolve or "by kind", after.threads.resolve or "by kind"),
        ("outside changes", before.outside_changes, after.outside_changes),
        ("runbooks", before.runbooks or "none", after.runbooks or "none"),
        ("order of environments", _order(before), _order(after)),
        ("rules in Rego", _rego(before), _rego(after)),
    )
    found += [Difference(what, "", "changed", old, new) for what, old, new in singles if old != new]
    return tuple(found)


def _named(
    what: str, before: Sequence[T], after: Sequence[T], name: Callable[[T], str], words: Callable[[T], str]
) -> list[Difference]:
    old, new = {name(one): one for one in before}, {name(one): one for one in after}
    found = [Difference(what, key, "removed", words(one)) for key, one in old.items() if key not in new]
    found += [Difference(what, key, "added", "", words(one)) for key, one in new.items() if key not in old]
    for key, one in new.items():
        if key in old and _essence(old[key]) != _essence(one):
            said, says = words(old[key]), words(one)
            # Nothing that differs may look equal, also where words leave out a detail.
            found.append(Difference(what, key, "changed", said, says if said != says else f"{says} (in its details)"))
    return found


def _essence(value: Any) -> Any:
    """A value without the lines on which it stands."""
    if is_dataclass(value):
        return tuple(
            (field.name, _essence(getattr(value, field.name))) for field in fields(value) if field.name != "line"
        )
    if isinstance(value, Mapping):
        return tuple(sorted((str(key), repr(_essence(item))) for key, item in value.items()))
    if isinstance(value, (tuple, list)):
        return tuple(_essence(item) for item in value)
    return value


def _emergency(config: EmergencyConfig | None) -> str:
    if config is None:
        return "none"
    within = duration_words(config.review_within_seconds)
    return f"confirmed by {config.approvals} of {' or '.join(config.from_)}, reviewed within {within}"


def _rollback(config: PortalConfig) -> str:
    before = config.rollback.preauthorised_seconds
    beforehand = f"; pre-authorised ones count for {duration_words(before)} after the merge" if before else ""
    return f"{config.rollback.protected} approvals in protected environments, {config.rollback.others} in others{beforehand}"


def _rego(config: PortalConfig) -> str:
    return f"modules of {config.rego.directory}/ are asked" if config.rego.directory else "none"


def _order(config: PortalConfig) -> str:
    return ", ".join(one.name for one in config.environments)


def approvals_words(number: int) -> str:
    """``1 approval``, ``2 approvals``."""
    return "1 approval" if number == 1 else f"{number} approvals"
