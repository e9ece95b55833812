"""Two environments beside each other, or one at two times: what was live, which changes lie between, what differs and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from urllib.parse import urlencode

from apps.accounts.models import User
from apps.changes.effects.sides import unpacked
from apps.core.errors import InvalidInput
from apps.deployments.access import can_compare
from apps.deployments.models import TargetComparison
from apps.deployments.queries.board import environments_of
from apps.deployments.queries.comparing import (
    GIT,
    Between,
    Compared,
    Side,
    between,
    in_git,
    keys_of,
    planned_targets,
    side,
    stored,
)
from apps.deployments.reasons import hides_secret, is_secret
from apps.presentation.between_words import OneSided, only_end, only_start
from apps.presentation.board import side_of
from apps.presentation.compared_drift import Drifts, SideDrift, drifts_of
from apps.presentation.moments import is_now, no_moment, zoned, zoned_moment
from apps.presentation.plain import visible
from apps.presentation.promoting import Promotion, promotions
from apps.presentation.rendered_rows import FieldRow, field_row, leaves
from apps.rendering.comparing.codec import decode_difference
from apps.rendering.model import ResourceChange
from apps.vcs.errors import ObjectMissing

MOST_RESOURCES = 100
"""Resources of one target that are listed; the others are counted."""
MOST_PATHS = 50
MOST_ENVIRONMENTS = 500
PLAN = "A plan is made against the state of one environment, so plans of two are not compared. The files are, above."
State = TargetComparison.State


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address names. ``start_at`` and ``end_at``: moments with a time zone, ``now``, or empty, which is the same."""

    start: str = ""
    end: str = ""
    start_at: str = ""
    end_at: str = ""

    @property
    def query(self) -> str:
        pairs = {"from": self.start, "at": self.start_at, "to": self.end, "to_at": self.end_at}
        return urlencode({name: value for name, value in pairs.items() if value})


@dataclass(frozen=True, slots=True)
class ComparedField:
    """``reason`` is a key of the words, without ``compared_``."""

    row: FieldRow
    reason: str
    is_secret: bool


@dataclass(frozen=True, slots=True)
class ComparedResource:
    """``presence``: ``both``, or which side alone has it (``from``, ``to``)."""

    change: ResourceChange
    presence: str
    reason: str
    is_secret: bool
    fields: tuple[ComparedField, ...]
    size: int

    @property
    def name(self) -> str:
        return visible(str(self.change.id))


@dataclass(frozen=True, slots=True)
class ComparedTarget:
    """``state``: ``not_asked``, ``plan`` (it cannot be compared), ``only_drift`` (neither side names it, but it was checked for
    drift), or that of its row. ``more``: resources that differ and are not listed; ``counts`` has them, too, by reason.

    ``drift``: what the last checks found on the sides that are what runs now; ``is_as_it_runs``: that was nothing, lately, on
    each of them, so that what is equal here is equal there.
    """

    name: str
    state: str
    message: str = ""
    resources: tuple[ComparedResource, ...] = ()
    more: int = 0
    unchanged: int = 0
    silent: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    drift: tuple[SideDrift, ...] = ()
    is_as_it_runs: bool = True

    @property
    def title(self) -> str:
        return self.name or "The environment"


@dataclass(frozen=True)
class Comparison:
    """``compared`` is ``None`` while the address names no two sides. ``problems``: what is wrong with a field of the form.

    What only the whole page shows is asked when it is shown: not for the part that asks again every few seconds, nor elsewhere.
    """

    user: User
    asked: Asked
    compared: Compared | None = None
    targets: tuple[ComparedTarget, ...] = ()
    problem: str = ""
    can_ask: bool = False
    problems: Mapping[str, str] = field(default_factory=dict)
    drifts: Drifts = field(default_factory=Drifts)

    @cached_property
    def choices(self) -> tuple[str, ...]:
        rows = environments_of(self.user).select_related("repository")
        return tuple(map(side_of, rows.order_by("repository__name", "position", "name")[:MOST_ENVIRONMENTS]))

    @cached_property
    def between(self) -> Between | None:
        return between(self.compared) if self.compared else None

    @property
    def only_end(self) -> tuple[OneSided, ...]:
        return only_end(self.between, self.compared.start) if self.compared and self.between else ()

    @property
    def only_start(self) -> tuple[OneSided, ...]:
        return only_start(self.between, self.compared.end) if self.compared and self.between else ()

    @property
    def promotions(self) -> tuple[Promotion, ...]:
        return promotions(self.user, self.compared, self.between) if self.compared and self.between else ()

    @property
    def columns(self) -> tuple[str, ...]:
        """How the two sides are told apart above their values."""
        return (_column(self.compared.start), _column(self.compared.end)) if self.compared else ()

    @property
    def is_waiting(self) -> bool:
        return any(one.state == State.QUEUED for one in self.targets)

    @property
    def lacks(self) -> bool:
        """Whether something can be asked for."""
        return self.can_ask and any(one.state in ("not_asked", State.FAILED) for one in self.targets)

    @property
    def counts(self) -> dict[str, int]:
        """Differences by reason, also of what is not listed."""
        found: Counter[str] = Counter()
        for target in self.targets:
            found.update(target.counts)
            for one in target.drift:
                found.update(one.counts)
        return dict(found)

    @property
    def paths(self) -> tuple[str, ...]:
        return self.between.paths[:MOST_PATHS] if self.between else ()


def compared_of(user: User, asked: Asked) -> Compared:
    """Both sides. ``NotVisible`` for what ``user`` may not see, ``InvalidInput`` for what cannot be read."""
    start = side(user, asked.start, zoned_moment(asked.start_at, "at"))
    if asked.end == GIT:
        return Compared(start, in_git(start.environment))
    return Compared(start, side(user, asked.end or asked.start, zoned_moment(asked.end_at, "to_at")))


def wrong_moments(asked: Asked) -> dict[str, str]:
    """The fields of the address that name no moment, with what is wrong; those that count."""
    moments = {"at": asked.start_at} if asked.end == GIT else {"at": asked.start_at, "to_at": asked.end_at}
    return {field: no_moment(text) for field, text in moments.items() if not is_now(text) and zoned(text) is None}


def refused_page(user: User, asked: Asked, problems: Mapping[str, str]) -> Comparison:
    """The form with everything that was typed, and what is wrong with it."""
    return Comparison(user, asked, problems=problems)


def comparison_page(user: User, asked: Asked) -> Comparison:
    """Everything of the page; nothing is rendered here, only what was rendered is shown."""
    if not asked.start or not (asked.end or not is_now(asked.start_at)):
        return Comparison(user, asked)
    compared = compared_of(user, asked)
    drifts = drifts_of(compared)
    problem = ""
    targets: tuple[ComparedTarget, ...] = ()
    try:
        targets = _with_drift(_targets(compared), drifts)
    except (ObjectMissing, InvalidInput) as error:
        problem = error.message
    can_ask = all(can_compare(user, one.environment).allowed for one in (compared.start, compared.end))
    return Comparison(user, asked, compared, targets, problem, can_ask, drifts=drifts)


def _column(one: Side) -> str:
    name = one.environment.name
    return f"{name} in Git" if one.is_git else f"{name} then" if one.moment else name


def _targets(compared: Compared) -> tuple[ComparedTarget, ...]:
    if not compared.start.commit or not compared.end.commit:
        return ()
    keys = keys_of(compared)
    rows = stored(keys)
    found = [_target(name, rows.get(name), compared) for name in keys]
    found += [ComparedTarget(name, "plan", PLAN) for name in planned_targets(compared)]
    return tuple(found)


def _with_drift(targets: tuple[ComparedTarget, ...], drifts: Drifts) -> tuple[ComparedTarget, ...]:
    """Each with what was found to run otherwise than it was deployed; what only the checks name is a row of its own."""
    names = {one.name for one in targets}
    alone = (ComparedTarget(name, "only_drift") for name in drifts.targets if name not in names)
    rows = (
        replace(one, drift=drifts.targets.get(one.name, ()), is_as_it_runs=drifts.is_in_sync(one.name))
        for one in (*targets, *alone)
    )
    return tuple(sorted(rows, key=lambda one: one.name))


def _target(name: str, row: TargetComparison | None, compared: Compared) -> ComparedTarget:
    if row is None:
        return ComparedTarget(name, "not_asked")
    if row.state != State.RENDERED or row.document is None:
        return ComparedTarget(name, row.state, row.message)
    document = unpacked(row.document)
    difference = decode_difference(document["difference"])
    pairs = list(zip(difference.changes, document["reasons"], strict=True))
    shown = tuple(_resource(one, why, compared.end) for one, why in pairs[:MOST_RESOURCES])
    more = max(len(pairs) - MOST_RESOURCES, 0)
    counts = Counter(reason for one, why in pairs for reason in _counted(one, why, compared.end))
    return ComparedTarget(name, row.state, "", shown, more, difference.unchanged, len(difference.silent), counts)


def _counted(change: ResourceChange, why: tuple[str, list[str]], end: Side) -> list[str]:
    """One reason for each field that is shown, or one for the resource."""
    resource, fields = why
    rows = [reason for one, reason in zip(change.fields, fields, strict=True) if not one.rule]
    return [_reason(reason, end) for reason in rows or [resource]]


def _resource(change: ResourceChange, why: tuple[str, list[str]], end: Side) -> ComparedResource:
    resource, fields = why
    presence = {"create": "to", "delete": "from"}.get(change.action.value, "both")
    rows = [
        ComparedField(field_row(one, change), _reason(reason, end), is_secret(one))
        for one, reason in zip(change.fields, fields, strict=True)
        if not one.rule
    ]
    body = change.after or change.before or {}
    return ComparedResource(
        change, presence, _reason(resource, end), hides_secret(change), tuple(rows), leaves(body) if not rows else 0
    )


def _reason(reason: str, end: Side) -> str:
    """What was deployed between two times is, against Git, what is not deployed yet."""
    return "not_deployed" if reason == "deployed" and end.is_git else reason
