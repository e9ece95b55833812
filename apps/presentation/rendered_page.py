"""The effect of a revision as a page: its targets, what is destroyed first, then one group for targets that change alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from apps.accounts.models import User
from apps.changes.effects.reading import differences_of
from apps.changes.models import ChangeRequest, Rendering, Revision
from apps.presentation.rendered_alike import Alike, Keyed, alike, alone, keyed
from apps.presentation.rendered_rows import ResourceRow, field_rows, raw_lines, staying
from apps.presentation.rendered_targets import ACTIONS, Targets, rows_of, targets_of
from apps.rendering.comparing import Against, Deviation, classify, words
from apps.rendering.model import Difference, ResourceChange
from apps.reviews.resources import seen_resources

PER_PAGE = 100
SAID = 8
"""Deviations of a group that are said; the others are counted."""
ORDER = {action: place for place, action in enumerate(ACTIONS)}


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

    def takes_target(self, row: Rendering) -> bool:
        """Whether a target is asked for, by its label, its environment or its name."""
        return not self.target or self.target in (row.label, row.environment, row.target)

    def takes(self, change: ResourceChange) -> bool:
        """Whether a resource is asked for. Names are compared without case, as part of the whole."""
        name = f"{change.id.namespace}/{change.id.name}".lower()
        return (
            (not self.kind or change.id.kind == self.kind)
            and (not self.action or change.action.value == self.action)
            and (not self.name or self.name.lower() in name)
        )


@dataclass(frozen=True, slots=True)
class Group:
    """Targets that change alike. ``deviations`` say how they differ from the largest group, ``most``: each is a few words
    and the places that they are said of."""

    letter: str
    most: str
    targets: tuple[str, ...]
    rows: tuple[ResourceRow, ...]
    deviations: tuple[tuple[str, tuple[str, ...]], ...]
    more_deviations: int = 0
    is_alike: bool = False
    """Whether the same fields change, only with other names or values."""


@dataclass(frozen=True, slots=True)
class RenderedPage(Targets):
    """``total`` resources match the filter; ``shown`` of them from ``start`` on are on this page."""

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
    def rows(self) -> tuple[ResourceRow, ...]:
        """Every resource of this page."""
        return (*self.heavy, *(row for group in self.groups for row in group.rows))

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
    """Everything of one page. Differences are read once and then kept by their digests; only what is listed is written."""
    state = targets_of(revision, is_plan=is_plan, can_act=can_act)
    differences = differences_of(row for row in rows_of(state.effects, is_plan=is_plan) if wanted.takes_target(row))
    filtered = {label: _filtered(found, wanted) for label, found in differences.items()}
    classes = list(map(keyed, classify(filtered)))
    seen = seen_resources(user, change)
    every = sorted((one for one in alike(classes, filtered) if wanted.whole in ("", one.key)), key=_weight)
    listed = [_row(one, change, wanted, seen) for one in every[wanted.start : wanted.start + PER_PAGE]]
    silent = [(label, one) for label, found in differences.items() for one in found.silent if wanted.takes(one)]
    return RenderedPage(
        revision=revision,
        is_plan=is_plan,
        effects=state.effects,
        targets=state.targets,
        counts=_counts(every),
        heavy=tuple(row for row in listed if row.heavy),
        heavy_total=sum(one.is_heavy for one in every),
        heavy_seen=sum(one.is_heavy and seen.issuperset(one.keys) for one in every),
        groups=tuple(_groups(classes, [row for row in listed if not row.heavy])),
        total=len(every),
        shown=len(listed),
        silent=len(silent),
        quiet=() if wanted.whole else tuple(_quiet(silent, change, wanted)),
        unchanged=sum(found.unchanged for found in differences.values()),
        kinds=tuple(sorted({one.id.kind for found in differences.values() for one in found.changes})),
        wanted=wanted,
    )


def _filtered(difference: Difference, wanted: Filter) -> Difference:
    return replace(difference, changes=tuple(change for change in difference.changes if wanted.takes(change)))


def _weight(one: Alike) -> tuple[int, bool, str, str, str]:
    """What is destroyed or replaced comes before everything else."""
    change = one.change
    return ORDER[change.action.value], not one.has_risks, change.id.kind, change.id.namespace, change.id.name


def _row(alike: Alike, change: ChangeRequest, wanted: Filter, seen: frozenset[str] = frozenset()) -> ResourceRow:
    one, key = alike.change, alike.key
    fields, _ = field_rows(one)
    quiet, risks = alike.quiet, alike.risks
    keys = alike.keys if alike.is_heavy or risks else (key,)  # only these are marked
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
        targets=alike.targets,
        fields=fields,
        quiet=quiet,
        unchanged=staying(one) if fields else 0,
        risks=risks,
        source=one.source.place if one.source else "",
        source_url=f"/repositories/{repository}/blame/?{urlencode({'ref': head, 'path': path, 'at': line})}#L{line}" if path else "",
        history_url=f"/repositories/{repository}/history/?{urlencode({'ref': head, 'path': path})}" if path else "",
        raw=raw_lines(one, whole=wanted.whole == key) if wanted.raw or wanted.whole or not (fields or quiet) else (),
        raw_of=alike.target if alike.others else "",
        seen=seen.issuperset(keys),
        also=keys[1:],
    )  # fmt: skip


def _quiet(silent: list[tuple[str, ResourceChange]], change: ChangeRequest, wanted: Filter) -> Iterable[ResourceRow]:
    """Resources that differ without an effect, those first that bring a risk; at most a page of them."""
    for one in sorted(alone(silent), key=lambda one: (not one.has_risks, str(one.change.id)))[:PER_PAGE]:
        yield _row(one, change, wanted)


def _counts(every: Iterable[Alike]) -> tuple[tuple[str, int], ...]:
    """How much happens, over all targets, the heaviest first."""
    found = dict.fromkeys(ACTIONS, 0)
    for one in every:
        found[one.change.action.value] += len(one.targets)
    return tuple((action, count) for action, count in found.items() if count)


def _groups(classes: list[Keyed], rows: Iterable[ResourceRow]) -> Iterable[Group]:
    """The rows of each class; a row that several classes have in common stands in the first of them."""
    left = {row.key: row for row in rows}
    first = classes[0][0].targets if classes else ("",)
    most = "class A" if len(first) > 1 else first[0]
    for place, (found, pairs) in enumerate(classes):
        mine = tuple(left.pop(key) for key, _ in pairs if key in left)
        if mine or found.deviations:
            more = max(0, len(found.deviations) - SAID)
            said = tuple(_said(found.deviations[:SAID], most))
            yield Group(_letter(place), most, found.targets, mine, said, more, found.same_fields)


def _letter(place: int) -> str:
    return chr(ord("A") + place) if place < 26 else f"{place + 1}"


def _said(deviations: Iterable[Deviation], most: str) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Places under one heading each for what is otherwise, what is only here, and what is not."""
    headings = {Against.OTHER: "Otherwise here", Against.MORE: "Only here", Against.FEWER: f"Only in {most}"}
    found: dict[Against, list[str]] = {kind: [] for kind in headings}
    for one in deviations:
        found[one.kind].append(f"{one.id} {words(one.path)}".strip())
    return [(headings[kind], tuple(places)) for kind, places in found.items() if places]
