"""Reading a log without scripts: filters, search, and links to lines that a page does not show at first."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.deployments.models import Deployment, DeploymentEvent
from apps.presentation import log_scan
from apps.presentation.log_scan import search
from tests.support.delivery import Delivery, pipeline
from tests.support.sockets import log_event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def row(tmp_path: Path) -> Deployment:
    delivery = Delivery.start(tmp_path, pipeline())
    return delivery.deployment(delivery.merged())


@pytest.fixture
def alice(row: Deployment) -> Client:
    client = Client()
    client.force_login(row.requested_by)
    return client


def shown(html: str) -> list[int]:
    return [int(found) for found in re.findall(r'class="ll[^"]*" id="step-[\w-]+?-L(\d+)"', html)]


def read(client: Client, address: str, **headers: str) -> str:
    response = client.get(address, headers=headers)
    assert response.status_code == 200, response.content[:400]
    return response.content.decode()


def long_log(row: Deployment) -> None:
    """6,000 lines; 3,000 is an error, 3,500 a warning."""
    for first in range(1, 6001, 500):
        log_event(row, first, 500)
    change(row, 3000, "line 3000", "\x1b[31mErr\x1b[0mor: quota exceeded")
    change(row, 3500, "line 3500", "warning: old")


def change(row: Deployment, number: int, old: str, new: str) -> None:
    event = row.events.filter(kind=DeploymentEvent.Kind.LOG, first_line__lte=number).order_by("-first_line")[0]
    lines = event.text.split("\n")
    assert lines[number - event.first_line] == old
    lines[number - event.first_line] = new
    event.text = "\n".join(lines)
    event.save()


def test_a_filter_shows_what_is_wrong_in_the_whole_step_and_no_other_line(row: Deployment, alice: Client):
    long_log(row)
    address = f"/deployments/{row.number}/"
    assert shown(read(alice, f"{address}?show=errors")) == [3000]
    assert shown(read(alice, f"{address}?show=warnings")) == [3000, 3500]
    assert len(shown(read(alice, address))) == 2100
    assert len(shown(read(alice, f"{address}?show=<script>"))) == 2100


def test_a_filter_without_a_line_says_so(row: Deployment, alice: Client):
    log_event(row, 1, 50)
    html = read(alice, f"/deployments/{row.number}/?show=errors")
    assert shown(html) == []
    assert "No line of the 50 reads like an error." in html


def test_a_filter_with_many_lines_goes_on_where_it_stopped(row: Deployment, alice: Client):
    for first in range(1, 1201, 400):
        log_event(row, first, 400, text="error")
    html = read(alice, f"/deployments/{row.number}/?show=errors")
    seen = shown(html)
    while (more := re.search(r'<a class="btn btn-sm" href="([^"]+_log/[^"]+)"', html)) is not None:
        html = read(alice, more[1].replace("&amp;", "&"))
        seen += shown(html)
    assert seen == list(range(1, 1201))


def test_a_link_to_a_line_shows_it_without_scripts(row: Deployment, alice: Client):
    long_log(row)
    html = read(alice, f"/deployments/{row.number}/?attempt=1&step=apply&line=3000")
    numbers = shown(html)
    assert numbers == [*range(1, 101), *range(2000, 4000), *range(4001, 6001)]
    assert "from=101&amp;to=1999" in html
    assert "from=4000&amp;to=4000" in html


@pytest.mark.parametrize(
    ("around", "first", "before"), [(101, 101, 0), (150, 101, 0), (2500, 1500, 1), (4000, 2001, 1)]
)
def test_a_piece_around_a_line_has_it_and_names_what_is_missing(
    row: Deployment, alice: Client, around: int, first: int, before: int
):
    long_log(row)
    address = f"/deployments/{row.number}/_log/?step=apply&attempt=1&from=101&to=4000&around={around}"
    html = read(alice, address, **{"HX-Request": "true"})
    assert shown(html) == list(range(first, first + 2000))
    gaps = [(int(a), int(b)) for a, b in re.findall(r'href="[^"]+from=(\d+)&amp;to=(\d+)"', html)]
    assert len(gaps) == before + (first + 2000 <= 4000)
    assert sum(b - a + 1 for a, b in gaps) + 2000 == 3900


def test_search_finds_words_anywhere_whatever_their_case_and_colour(row: Deployment, alice: Client):
    long_log(row)
    html = read(alice, f"/deployments/{row.number}/search/?attempt=1&q=ERROR:+quota")
    assert "1 line has" in html
    assert f'href="/deployments/{row.number}/?attempt=1&amp;step=apply&amp;line=3000#step-apply-L3000"' in html
    assert "<mark>Error: quota</mark> exceeded" in html
    assert read(alice, f"/deployments/{row.number}/search/?attempt=1&q=.*").count("data-log-line") == 0, "plain words"


@pytest.mark.parametrize("words", ["[U+202E]", "u+200b", "OSC 0;title", "[link https://x.example/]", "paypal.example"])
def test_search_finds_what_is_not_for_eyes_by_its_token_and_by_its_words(row: Deployment, words: str):
    link = "\x1b]8;;https://x.example/\x1b\\here\x1b]8;;\x1b\\"
    log_event(row, 1, 1)
    log_event(row, 2, 1, text=f"\x1b]0;title\x07 \u202epay\u200bpal.example \x1b[31m{link}")
    found = search(row, words, attempt=1)
    assert [one.number for one in found.steps[0].found] == [2]
    assert f"<mark>{words}</mark>".lower() in found.steps[0].found[0].html.lower()


def test_search_is_bounded_and_goes_on_where_it_stopped(row: Deployment, monkeypatch: pytest.MonkeyPatch):
    long_log(row)
    found = search(row, "line", attempt=1)
    assert (found.count, found.is_whole) == (log_scan.MOST_FOUND, False)
    (step,) = found.steps
    again = search(row, "line", attempt=1, step="apply", start=step.next_line or 0)
    assert again.steps[0].found[0].number == step.found[-1].number + 1
    monkeypatch.setattr(log_scan, "MOST_CHARACTERS", 100)
    nothing_yet = search(row, "quota", attempt=1)
    assert (nothing_yet.count, nothing_yet.is_whole) == (0, False), "it says that it is not at the end"


def test_search_shows_no_markup_of_the_log_and_no_character_that_hides(row: Deployment, alice: Client):
    log_event(row, 1, 1, text="<img src=x onerror=alert(1)> needle \u202e\x1b]8;;https://evil\x07here")
    for words in ("needle", "<img"):
        html = alice.get(f"/deployments/{row.number}/search/", {"attempt": 1, "q": words}).content.decode()
        assert "<img" not in html
        assert "\u202e" not in html
        assert "https://evil here" in html  # where it would lead, as text
        assert 'href="https://evil' not in html
        assert "data-log-line" in html


def test_search_shows_a_part_of_a_long_line(row: Deployment):
    log_event(row, 1, 1, text="x" * 3000 + "needle" + "y" * 3000)
    (step,) = search(row, "needle", attempt=1).steps
    assert step.found[0].html == f"…{'x' * 60}<mark>needle</mark>{'y' * 200}…"


def test_search_and_filter_stay_with_the_attempt_and_the_step(row: Deployment):
    log_event(row, 1, 2, text="needle")
    log_event(row, 1, 2, step="verify", text="needle")
    assert [one.step for one in search(row, "needle", attempt=1).steps] == ["apply", "verify"]
    assert [one.step for one in search(row, "needle", attempt=1, step="verify").steps] == ["verify"]
    assert search(row, "needle", attempt=2).count == 0
    assert search(row, "   ", attempt=1).count == 0


def test_outsiders_find_nothing(row: Deployment):
    client = Client()
    client.force_login(User.objects.get(username="mallory"))
    assert client.get(f"/deployments/{row.number}/search/?q=line").status_code == 404
