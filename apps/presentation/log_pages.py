"""The log of one attempt as a page shows it: the first and the last lines of every step, the rest on request.

A page is a picture at one event number: lines of later events are left to the socket, which
sends everything behind that number. So nothing is shown twice and nothing is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.db.models import Max, Min
from django.db.models.query import QuerySet
from django.utils.safestring import SafeString, mark_safe

from apps.core.errors import NotVisible
from apps.deployments.models import Deployment, DeploymentEvent
from apps.presentation.log_html import log_rows, step_anchor
from apps.presentation.log_scan import LEVELS, Scan, passes

HEAD, TAIL, PIECE = 100, 2_000, 2_000
"""Lines of a step that a page shows at its beginning, at its end, and of the gap at each request."""

NEAR = 400
"""Lines around the first error of a run that failed: they come with the page, which has its beginning and end, too."""

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
    is_filtered: bool = False

    @property
    def count(self) -> int:
        return self.last - self.first + 1

    @property
    def piece(self) -> int:
        return min(self.count, PIECE)


@dataclass(frozen=True, slots=True)
class StepLog:
    """The log of one step: ``head``, ``middle`` (a piece that was asked for, with what is missing around it), ``tail``.

    ``note``: why there is no line; ``began``: UNIX seconds, 0 before the step began; ``at``: the id of the line at which
    it opens, empty for its end.
    """

    step: str
    attempt: int
    anchor: str
    lines: int
    head: SafeString = NOTHING
    tail: SafeString = NOTHING
    gap: Gap | None = None
    middle: SafeString = NOTHING
    gap_behind: Gap | None = None
    note: str = ""
    began: int = 0
    is_open: bool = False
    at: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines out of the middle, and what is still missing before and behind them."""

    html: SafeString
    gap: Gap | None
    gap_before: Gap | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What somebody wants to see: ``show`` errors | warnings | nothing; the line ``line`` of ``step`` must be there.

    ``is_failure``: nobody asked for the line; the step failed there, and opens itself.
    """

    show: str = ""
    step: str = ""
    line: int = 0
    is_failure: bool = False


WHOLE = Look()


def step_logs(
    deployment: Deployment, names: Iterable[str], *, attempt: int, upto: int, look: Look = WHOLE
) -> list[StepLog]:
    """The steps ``names`` in order, with the lines of events up to number ``upto``."""
    rows = _log(deployment, attempt).filter(seq__lte=upto)
    bounds = {row["step"]: (row["low"], row["high"]) for row in
              rows.order_by().values("step").annotate(low=Min("seq"), high=Max("seq"))}  # fmt: skip
    wanted = [*names, *(step for step in bounds if step not in set(names))]
    return [_step_log(deployment, rows, step, attempt, bounds.get(step), look) for step in wanted]


def _log(deployment: Deployment, attempt: int) -> Events:
    return deployment.events.filter(kind=DeploymentEvent.Kind.LOG, attempt=attempt)


def _step_log(
    deployment: Deployment, rows: Events, step: str, attempt: int, bounds: tuple[int, int] | None, look: Look
) -> StepLog:
    anchor = step_anchor(step, attempt)
    if bounds is None:
        return StepLog(step, attempt, anchor, 0)
    mine = rows.filter(step=step, seq__gte=bounds[0], seq__lte=bounds[1])
    last = mine.get(seq=bounds[1])
    total = last.first_line + last.text.count("\n")
    log = StepLog(step, attempt, anchor, total)
    if look.show in LEVELS:
        found = _filtered(deployment, mine, step, attempt, 1, total, look.show)
        note = "" if found.html else f"No line of the {total:,} reads like {_WORDS[look.show]}."
        return replace(log, head=found.html, gap=found.gap, note=note)
    if total <= HEAD + TAIL:
        return replace(log, head=_between(mine, 1, total))
    cut = total - TAIL
    log = replace(log, head=_between(mine, 1, HEAD), tail=_between(mine, cut + 1, total))
    if look.step == step and HEAD < look.line <= cut:
        most = NEAR if look.is_failure else PIECE
        piece = _around(deployment, mine, step, attempt, HEAD + 1, cut, look.line, most)
        return replace(log, gap=piece.gap_before, middle=piece.html, gap_behind=piece.gap)
    return replace(log, gap=_gap(deployment, step, attempt, HEAD + 1, cut))


_WORDS = {"errors": "an error", "warnings": "an error or a warning"}


def _gap(deployment: Deployment, step: str, attempt: int, first: int, last: int, show: str = "") -> Gap | None:
    if first > last:
        return None
    query = urlencode({"step": step, "attempt": attempt, "from": first, "to": last} | ({"show": show} if show else {}))
    return Gap(first, last, f"/deployments/{deployment.number}/_log/?{query}", bool(show))


def _around(
    deployment: Deployment, rows: Events, step: str, attempt: int, first: int, last: int, line: int, most: int
) -> Piece:
    """A piece of ``most`` lines with ``line`` in its middle, out of the gap from ``first`` to ``last``."""
    begin = max(first, min(line - most // 2, last - most + 1))
    until = min(last, begin + most - 1)
    behind = _gap(deployment, step, attempt, until + 1, last)
    return Piece(_between(rows, begin, until), behind, _gap(deployment, step, attempt, first, begin - 1))


def _filtered(deployment: Deployment, rows: Events, step: str, attempt: int, first: int, last: int, show: str) -> Piece:
    """The lines that read like an error (or a warning), from ``first`` on, as many as one request tells."""
    scan = Scan(rows.filter(first_line__lte=last), passes(show), start=first, most=BLOCK)
    blocks = _Blocks()
    for line in scan:
        blocks.add(line.event, [line.text], line.number)
    gap = _gap(deployment, step, attempt, scan.next_line, last, show) if scan.next_line else None
    return Piece(mark_safe(blocks.html()), gap)  # noqa: S308  # written and escaped by log_html


def piece_of(
    deployment: Deployment, *, step: str, attempt: int, first: int, last: int, show: str = "", around: int = 0
) -> Piece:
    """At most :data:`PIECE` lines from ``first`` on (or around a line), and the gaps that are left up to ``last``."""
    rows = _log(deployment, attempt).filter(step=step)
    if show in LEVELS:
        return _filtered(deployment, rows, step, attempt, first, last, show)
    if first < around <= last:
        piece = _around(deployment, rows, step, attempt, first, last, around, PIECE)
    else:
        until = min(last, first + PIECE - 1)
        piece = Piece(_between(rows, first, until), _gap(deployment, step, attempt, until + 1, last))
    if not piece.html:
        raise NotVisible("no_such_lines", f"{deployment.label} has no lines {first} to {last} of a step {step}.")
    return piece


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
                self._close(' data-full=""')

    def _close(self, kind: str = "") -> None:
        if self._rows:
            self._done.append(f'<div class="log-block"{kind}>{"".join(self._rows)}</div>')
        self._rows, self._count = [], 0

    def html(self) -> str:
        self._close()
        return "".join(self._done)
