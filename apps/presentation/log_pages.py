"""The log of one attempt as a page shows it: the first and the last lines of every step, the rest on request.

A page is a picture at one event number: lines of later events are left to the socket, which
sends everything behind that number. So nothing is shown twice and nothing is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Max, Min
from django.db.models.query import QuerySet
from django.utils.safestring import SafeString, mark_safe

from apps.core.errors import NotVisible
from apps.deployments.models import Deployment, DeploymentEvent
from apps.presentation.log_html import log_rows, step_anchor

HEAD, TAIL, PIECE = 100, 2_000, 2_000
"""Lines of a step that a page shows at its beginning, at its end, and of the gap at each request."""

BLOCK = 500
"""Lines of one block, the same as in static/js/log.js."""

Events = QuerySet[DeploymentEvent]
NOTHING = SafeString()


@dataclass(frozen=True, slots=True)
class Gap:
    """Lines ``first`` to ``last`` that are not on the page yet; ``url`` brings the next of them."""

    first: int
    last: int
    url: str

    @property
    def count(self) -> int:
        return self.last - self.first + 1

    @property
    def piece(self) -> int:
        return min(self.count, PIECE)


@dataclass(frozen=True, slots=True)
class StepLog:
    """The log of one step: ``head``, then ``gap`` (if any), then ``tail``; ``note`` when there is no line."""

    step: str
    attempt: int
    anchor: str
    lines: int
    head: SafeString = NOTHING
    tail: SafeString = NOTHING
    gap: Gap | None = None
    note: str = ""
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines out of the middle, and what is still missing behind them."""

    html: SafeString
    gap: Gap | None


def step_logs(deployment: Deployment, names: Iterable[str], *, attempt: int, upto: int) -> list[StepLog]:
    """The steps ``names`` in order, with the lines of events up to number ``upto``."""
    rows = _log(deployment, attempt).filter(seq__lte=upto)
    bounds = {row["step"]: (row["low"], row["high"]) for row in
              rows.order_by().values("step").annotate(low=Min("seq"), high=Max("seq"))}  # fmt: skip
    wanted = [*names, *(step for step in bounds if step not in set(names))]
    return [_step_log(deployment, rows, step, attempt, bounds.get(step)) for step in wanted]


def _log(deployment: Deployment, attempt: int) -> Events:
    return deployment.events.filter(kind=DeploymentEvent.Kind.LOG, attempt=attempt)


def _step_log(deployment: Deployment, rows: Events, step: str, attempt: int, bounds: tuple[int, int] | None) -> StepLog:
    anchor = step_anchor(step, attempt)
    if bounds is None:
        return StepLog(step, attempt, anchor, 0)
    mine = rows.filter(step=step, seq__gte=bounds[0], seq__lte=bounds[1])
    last = mine.get(seq=bounds[1])
    total = last.first_line + last.text.count("\n")
    if total <= HEAD + TAIL:
        return StepLog(step, attempt, anchor, total, head=_between(mine, 1, total))
    cut = total - TAIL
    return StepLog(
        step,
        attempt,
        anchor,
        total,
        head=_between(mine, 1, HEAD),
        tail=_between(mine, cut + 1, total),
        gap=_gap(deployment, step, attempt, HEAD + 1, cut),
    )


def _gap(deployment: Deployment, step: str, attempt: int, first: int, last: int) -> Gap | None:
    if first > last:
        return None
    query = urlencode({"step": step, "attempt": attempt, "from": first, "to": last})
    return Gap(first, last, f"/deployments/{deployment.number}/_log/?{query}")


def piece_of(deployment: Deployment, *, step: str, attempt: int, first: int, last: int) -> Piece:
    """At most :data:`PIECE` lines from ``first`` on, and the gap that is left up to ``last``."""
    until = min(last, first + PIECE - 1)
    html = _between(_log(deployment, attempt).filter(step=step), first, until)
    if not html:
        raise NotVisible("no_such_lines", f"{deployment.label} has no lines {first} to {last} of a step {step}.")
    return Piece(html, _gap(deployment, step, attempt, until + 1, last))


def _between(rows: Events, first: int, last: int) -> SafeString:
    """Lines ``first`` to ``last`` as blocks of rows; whole events are read, lines outside are left out."""
    begin = rows.filter(first_line__lte=first).order_by("-first_line").values_list("first_line", flat=True).first()
    wanted = rows.filter(first_line__gte=begin or 1, first_line__lte=last).order_by("seq")
    blocks = _Blocks()
    for row in wanted.iterator(chunk_size=50):
        lines = row.text.split("\n")
        skip = max(0, first - row.first_line)
        blocks.add(row, lines[skip : last - row.first_line + 1], row.first_line + skip)
    return mark_safe(blocks.html())  # noqa: S308  # written and escaped by log_html


class _Blocks:
    """Rows in portions of :data:`BLOCK`: the browser draws only those that can be seen."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._rows: list[str] = []
        self._count = 0

    def add(self, event: DeploymentEvent, lines: list[str], first: int) -> None:
        while lines:
            now, lines = lines[: BLOCK - self._count], lines[BLOCK - self._count :]
            self._rows.append(log_rows(now, step=event.step, attempt=event.attempt, first_line=first, at=event.at))
            first += len(now)
            self._count += len(now)
            if self._count == BLOCK:
                self._close(" log-block--full")

    def _close(self, kind: str = "") -> None:
        if self._rows:
            self._done.append(f'<div class="log-block{kind}">{"".join(self._rows)}</div>')
        self._rows, self._count = [], 0

    def html(self) -> str:
        self._close()
        return "".join(self._done)
