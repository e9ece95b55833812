"""The effect of a revision as a page: its targets, what is destroyed first, then one group for targets that change alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from apps.accounts.models import User
from apps.changes.effects.reading import Effects, State, differences_of, effects_of
from apps.changes.models import ChangeRequest, Rendering, Revision
from apps.presentation.rendered_rows import ResourceRow, field_rows, leaves, raw_lines
from apps.rendering.comparing import TargetClass, classify, words
from apps.rendering.model import Action, Difference, ResourceChange
from apps.rendering.sandbox.isolation import Level
from apps.reviews.effects import PLANS
from apps.reviews.resources import change_key, seen_resources

PER_PAGE = 100
RENDERING = "rendering"
ORDER = {action.value: place for place, action in enumerate(Action)}


@dataclass(frozen=True, slots=True)
class Filter:
    """What the address asks for; empty: everything."""

    kind: str = ""
    action: str = ""
    target: str = ""
    name: str = ""
    raw: bool = False
    start: int = 0
    whole: str = ""
    """The key of the one resource that is shown with all that stays."""

    def query(self, **changed: str | int) -> str:
        """The filter as a query string, with some parts changed."""
        facts = {"kind": self.kind, "action": self.action, "target": self.target, "name": self.name}
        facts |= {"raw": "1" if self.raw else ""} | {name: str(value) for name, value in changed.items()}
        return urlencode({name: value for name, value in facts.items() if value})

    def takes(self, change: ResourceChange) -> bool:
        """Whether a resource is asked for. Names are compared without case, as part of the whole."""
        name = f"{change.id.namespace}/{change.id.name}".lower()
        return (
            (not self.kind or change.id.kind == self.kind)
            and (not self.action or change.action.value == self.action)
            and (not self.name or self.name.lower() in name)
        )


@dataclass(frozen=True, slots=True)
class TargetRow:
    """One target with its state in words; ``counts`` only when it was rendered."""

    label: str
    environment: str
    target: str
    kind: str
    state: str
    optional: bool
    message: str
    place: str
    counts: tuple[tuple[str, int], ...]
    tool: str
    digest: str
    notes: tuple[str, ...]
    open_words: str
    problems: tuple[str, ...]
    seconds: float
    can_render: bool
    can_cancel: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Targets that change alike. ``deviations`` say how they differ from the largest group, ``most``, in words."""

    letter: str
    most: str
    targets: tuple[str, ...]
    rows: tuple[ResourceRow, ...]
    deviations: tuple[str, ...]
    more_deviations: int = 0
    is_alike: bool = False
    """Whether the same fields change, only with other names or values."""


@dataclass(frozen=True, slots=True)
class RenderedPage:
    """``total`` resources match the filter; ``shown`` of them from ``start`` on are on this page."""

    revision: Revision
    is_plan: bool
    effects: Effects
    targets: tuple[TargetRow, ...]
    counts: tuple[tuple[str, int], ...]
    heavy: tuple[ResourceRow, ...]
    heavy_total: int
    heavy_seen: int
    groups: tuple[Group, ...]
    total: int
    shown: int
    silent: int
    quiet: tuple[ResourceRow, ...]
    unchanged: int
    kinds: tuple[str, ...]
    wanted: Filter

    @property
    def working(self) -> int:
        """How many targets are being rendered, or wait for it."""
        return sum(row.can_cancel or row.state in {State.QUEUED, RENDERING} for row in self.targets)

    @property
    def rows(self) -> tuple[ResourceRow, ...]:
        """Every resource of this page."""
        return (*self.heavy, *(row for group in self.groups for row in group.rows))

    @property
    def failed(self) -> int:
        """How many targets could not be evaluated."""
        return sum(row.state in {State.FAILED, State.CANCELLED} or bool(row.problems) for row in self.targets)

    @property
    def rendered(self) -> int:
        """How many targets were rendered."""
        return sum(row.state == State.RENDERED for row in self.targets)

    @property
    def next_start(self) -> int:
        """Where the next page begins; 0 when there is none."""
        reached = self.wanted.start + self.shown
        return reached if reached < self.total else 0

    @property
    def next_query(self) -> str:
        return self.wanted.query(start=self.next_start)

    @property
    def raw_query_on(self) -> str:
        return self.wanted.query(raw="1")

    @property
    def raw_query_off(self) -> str:
        return self.wanted.query(raw="")


def rendered_page(
    user: User, change: ChangeRequest, revision: Revision, wanted: Filter, *, is_plan: bool, can_act: bool
) -> RenderedPage:
    """Everything of one page. Differences are read once and then kept by their digests."""
    effects = effects_of(revision)
    rows = [row for row in effects.rows if (row.kind in PLANS) == is_plan]
    asked = [row for row in rows if not wanted.target or wanted.target in (row.label, row.environment, row.target)]
    differences = differences_of(asked)
    classes = classify({label: _filtered(found, wanted) for label, found in differences.items()})
    seen = seen_resources(user, change)
    merged = _merged(classes, change, seen, wanted)
    silent = [(label, one) for label, found in differences.items() for one in found.silent if wanted.takes(one)]
    heavy = [row for row in merged if row.heavy]
    light = [row for row in merged if not row.heavy]
    listed = [*heavy, *light][wanted.start : wanted.start + PER_PAGE]
    on_page = {row.key for row in listed}
    return RenderedPage(
        revision=revision,
        is_plan=is_plan,
        effects=effects,
        targets=tuple(_target(row, can_act) for row in rows),
        counts=_counts(merged),
        heavy=tuple(row for row in heavy if row.key in on_page),
        heavy_total=len(heavy),
        heavy_seen=sum(row.seen for row in heavy),
        groups=tuple(_groups(classes, [row for row in light if row.key in on_page])),
        total=len(merged),
        shown=len(listed),
        silent=len(silent),
        quiet=() if wanted.whole else tuple(_quiet(silent, change, wanted)),
        unchanged=sum(found.unchanged for found in differences.values()),
        kinds=tuple(sorted({one.id.kind for found in differences.values() for one in found.changes})),
        wanted=wanted,
    )


def _filtered(difference: Difference, wanted: Filter) -> Difference:
    return replace(difference, changes=tuple(change for change in difference.changes if wanted.takes(change)))


def _merged(
    classes: Iterable[TargetClass], change: ChangeRequest, seen: frozenset[str], wanted: Filter
) -> list[ResourceRow]:
    """One row for what happens alike to one resource, however many classes it is part of; the heaviest first."""
    targets: dict[str, list[str]] = {}
    changes: dict[str, ResourceChange] = {}
    for found in classes:
        for one in found.difference.changes:
            key = change_key(one)
            changes.setdefault(key, one)
            targets.setdefault(key, []).extend(found.targets)
    rows = [
        _row(key, one, tuple(sorted(set(targets[key]))), change, key in seen, wanted)
        for key, one in changes.items()
        if wanted.whole in ("", key)
    ]
    return sorted(rows, key=lambda row: (ORDER[row.action], not row.risks, row.kind, row.namespace, row.name))


def _row(
    key: str, one: ResourceChange, targets: tuple[str, ...], change: ChangeRequest, is_seen: bool, wanted: Filter
) -> ResourceRow:
    fields, quiet = field_rows(one)
    repository, path = change.repository.name, one.source.path if one.source else ""
    line = one.source.line if one.source else 0
    head = change.revision.head_oid if change.revision else ""
    return ResourceRow(
        key=key,
        action=one.action.value,
        kind=one.id.kind,
        name=one.id.name,
        namespace=one.id.namespace,
        api=one.id.api,
        targets=targets,
        fields=fields,
        quiet=quiet,
        unchanged=max(0, leaves(one.after or one.before or {}) - len(one.fields)) if fields else 0,
        risks=one.risks,
        source=f"{path}:{line}" if line else path,
        source_url=f"/repositories/{repository}/blame/?{urlencode({'ref': head, 'path': path, 'at': line})}#L{line}" if path else "",
        history_url=f"/repositories/{repository}/history/?{urlencode({'ref': head, 'path': path})}" if path else "",
        raw=raw_lines(one, whole=wanted.whole == key) if wanted.raw or wanted.whole or not (fields or quiet) else (),
        seen=is_seen,
    )  # fmt: skip


def _quiet(silent: list[tuple[str, ResourceChange]], change: ChangeRequest, wanted: Filter) -> Iterable[ResourceRow]:
    """Resources that differ without an effect, those first that bring a risk; at most a page of them."""
    targets: dict[str, list[str]] = {}
    changes: dict[str, ResourceChange] = {}
    for label, one in silent:
        key = change_key(one)
        changes.setdefault(key, one)
        targets.setdefault(key, []).append(label)
    for key in sorted(changes, key=lambda key: (not changes[key].risks, str(changes[key].id)))[:PER_PAGE]:
        yield _row(key, changes[key], tuple(sorted(set(targets[key]))), change, False, wanted)


def _counts(rows: Iterable[ResourceRow]) -> tuple[tuple[str, int], ...]:
    """How much happens, over all targets, the heaviest first."""
    found = dict.fromkeys(ORDER, 0)
    for row in rows:
        found[row.action] += len(row.targets)
    return tuple((action, count) for action, count in found.items() if count)


def _groups(classes: Iterable[TargetClass], rows: list[ResourceRow]) -> Iterable[Group]:
    """The rows of each class; a row that several classes have in common stands in the first of them."""
    left = {row.key: row for row in rows}
    listed = list(classes)
    most = "" if not listed else "class A" if len(listed[0].targets) > 1 else listed[0].targets[0]
    for place, found in enumerate(listed):
        keys = [change_key(one) for one in found.difference.changes]
        mine = [left.pop(key) for key in keys if key in left]
        if mine or found.deviations:
            said = [_deviation(one.kind.value, f"{one.id}", words(one.path)) for one in found.deviations]
            yield Group(
                _letter(place),
                most,
                found.targets,
                tuple(mine),
                tuple(said[:8]),
                max(0, len(said) - 8),
                found.same_fields,
            )


def _letter(place: int) -> str:
    return chr(ord("A") + place) if place < 26 else f"{place + 1}"


def _deviation(kind: str, resource: str, path: str) -> str:
    what = f"{resource} {path}".strip()
    return {"more": f"also {what}", "fewer": f"not {what}", "other": f"{what} otherwise"}[kind]


def _open_words(isolation: Sequence[str]) -> str:
    """That the tool ran without isolation; empty where it was shut in."""
    return isolation[1] if len(isolation) == 2 and isolation[0] == Level.OPEN else ""


def _target(row: Rendering, can_act: bool) -> TargetRow:
    facts = row.facts
    name, version, sha256 = (*facts.get("tool", ()), "", "", "")[:3]
    failed = [f"{part}: {failure}" for part, failure in facts.get("parts", ()) if failure]
    unstable = [f"{one} differs from one run to the next" for one in facts.get("unstable", ())]
    queued = row.state == State.QUEUED
    return TargetRow(
        label=row.label,
        environment=row.environment,
        target=row.target,
        kind=row.kind,
        state=RENDERING if queued and row.started_at else row.state,
        optional=row.optional,
        message=row.message,
        place=f"{row.message_path}:{row.message_line}" if row.message_line else row.message_path,
        counts=tuple((action, int(facts.get("counts", {}).get(action, 0))) for action in ORDER if facts.get("counts", {}).get(action)),
        tool=f"{name} {version}".strip() + (f" ({sha256[:12]})" if sha256 else ""),
        digest=row.digest[:12],
        notes=tuple(facts.get("warnings", ())),
        open_words=_open_words(facts.get("isolation", ())),
        problems=(*failed, *unstable),
        seconds=facts.get("milliseconds", 0) / 1000,
        can_render=can_act and not queued,
        can_cancel=can_act and queued,
    )  # fmt: skip
