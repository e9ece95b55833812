"""Log rows and windows: every line once, in order, whatever the way by which it reaches the page."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from apps.core.errors import NotVisible
from apps.deployments.models import Deployment
from apps.presentation import log_pages
from apps.presentation.deployment_events import BATCH, events_behind, events_body
from apps.presentation.log_html import log_rows, step_anchor
from apps.presentation.log_pages import piece_of, step_logs
from tests.support.delivery import Delivery, pipeline
from tests.support.sockets import log_event

AT = datetime(2026, 11, 23, 12, 4, 9, tzinfo=UTC)


def numbers(html: str) -> list[int]:
    return [int(found) for found in re.findall(r'class="ll[^"]*" id="step-[\w-]+?-L(\d+)"', html)]


def test_a_row_has_a_number_that_is_a_link_a_time_and_the_text():
    html = log_rows(["ok"], step="apply", attempt=1, first_line=12, at=AT)
    assert html == (
        '<div class="ll" id="step-apply-L12"><a class="ln" tabindex="-1" href="#step-apply-L12">12</a>'
        f'<span class="lt" data-t="{int(AT.timestamp())}">12:04:09</span><span class="lx">ok</span></div>'
    )


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("Error: quota", "ll ll-e"),
        ("\x1b[31mError: coloured", "ll ll-e"),
        ("0 errors of mirrors", "ll"),
        ("WARN: old", "ll ll-w"),
        ("warning", "ll ll-w"),
        ("terror", "ll"),
    ],
)
def test_errors_and_warnings_are_marked_by_a_class_and_a_word(line: str, kind: str):
    html = log_rows([line], step="s", attempt=1, first_line=1, at=AT)
    assert f'class="{kind}"' in html
    assert ('<span class="sr">' in html) is (kind != "ll")


@pytest.mark.parametrize("name", ['"><script>', "a b/c", "ü", "", "../x"])
def test_a_step_name_cannot_break_out_of_an_id(name: str):
    assert re.fullmatch(r"step-[A-Za-z0-9_-]+", step_anchor(name, 1))
    assert step_anchor("apply", 2) == "step-apply-2"


@pytest.fixture
def row(db: None, tmp_path: Path) -> Deployment:
    delivery = Delivery.start(tmp_path, pipeline())
    return delivery.deployment(delivery.merged())


def fill(row: Deployment, total: int, sizes: tuple[int, ...] = (1, 7, 120, 500)) -> None:
    first, turn = 1, 0
    while first <= total:
        size = min(sizes[turn % len(sizes)], total - first + 1)
        log_event(row, first, size)
        first, turn = first + size, turn + 1
    row.refresh_from_db()


def test_a_short_log_is_whole_and_a_long_one_names_what_it_leaves_out(row: Deployment):
    fill(row, 2100)
    (whole,) = step_logs(row, ["apply"], attempt=1, upto=row.last_event)
    assert (whole.lines, whole.gap) == (2100, None)
    assert numbers(whole.head + whole.tail) == list(range(1, 2101))


def test_beginning_gap_and_end_together_are_every_line_once(row: Deployment):
    total = 6543
    fill(row, total)
    (log,) = step_logs(row, ["apply"], attempt=1, upto=row.last_event)
    assert numbers(log.head) == list(range(1, 101))
    assert numbers(log.tail) == list(range(total - 1999, total + 1))
    assert log.gap is not None
    assert (log.gap.first, log.gap.last, log.gap.piece) == (101, total - 2000, 2000)
    between: list[int] = []
    gap = log.gap
    while gap is not None:
        asked = parse_qs(urlsplit(gap.url).query)
        piece = piece_of(row, step="apply", attempt=1, first=int(asked["from"][0]), last=int(asked["to"][0]))
        between += numbers(piece.html)
        gap = piece.gap
    assert between == list(range(101, total - 1999))
    assert max(html.count('class="ll') for html in re.split(r'<div class="log-block', log.tail)) <= log_pages.BLOCK


def test_a_page_is_a_picture_at_one_event_and_the_socket_goes_on_behind_it(row: Deployment):
    fill(row, 300)
    picture = row.last_event
    log_event(row, 301, 5)
    (log,) = step_logs(row, ["apply"], attempt=1, upto=picture)
    assert numbers(log.head) == list(range(1, 301))
    body = events_body(row.pk, picture)
    assert body is not None
    assert numbers("".join(event["html"] for event in body["events"])) == [301, 302, 303, 304, 305]
    assert events_body(row.pk, body["seq"]) is None


def test_steps_without_a_line_are_there_and_unknown_ones_come_behind(row: Deployment):
    log_event(row, 1, 2, step="later")
    row.refresh_from_db()
    logs = step_logs(row, ["apply"], attempt=1, upto=row.last_event)
    assert [(log.step, log.lines) for log in logs] == [("apply", 0), ("later", 2)]


def test_lines_that_do_not_exist_are_not_found(row: Deployment):
    with pytest.raises(NotVisible):
        piece_of(row, step="apply", attempt=1, first=50, last=60)


def test_messages_end_before_they_become_too_large(row: Deployment):
    for first in range(1, 2001, 200):
        log_event(row, first, 200, text="y" * 250)
    row.refresh_from_db()
    seen = 0
    full = []
    while rows := events_behind(row.pk, seen):
        body = events_body(row.pk, seen)
        assert body is not None
        full.append(body["more"])
        seen = rows[-1].seq
    assert seen == row.last_event
    assert len(full) > 1
    assert full == [True] * (len(full) - 1) + [False]


def test_a_message_with_as_many_events_as_it_takes_says_that_there_may_be_more(row: Deployment):
    for number in range(1, BATCH + 1):  # the deployment has one event already
        log_event(row, number, 1)
    first = events_body(row.pk, 0)
    assert first is not None
    assert (len(first["events"]), first["more"]) == (BATCH, True)
    rest = events_body(row.pk, first["seq"])
    assert rest is not None
    assert (len(rest["events"]), rest["more"]) == (1, False)
