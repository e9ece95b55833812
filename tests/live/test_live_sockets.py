"""Sockets of a real server: who may listen, what is replayed, and that nothing is lost or repeated."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connections
from django.test import Client
from websockets.exceptions import ConnectionClosed, InvalidStatus

from apps.accounts.services import deactivate_user
from apps.changes.services import edit_change
from apps.deployments.models import Deployment, DeploymentEvent, Environment
from apps.deployments.signals import environment_changed
from apps.live import consumers, feeds
from apps.presentation.log_pages import step_logs
from apps.repositories.services import remove_member
from tests.support.delivery import Delivery, pipeline
from tests.support.sockets import (
    close_code,
    cookie_of,
    events_until,
    frames,
    log_event,
    refusal,
    running_server,
    socket,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline())


@pytest.fixture
def row(delivery: Delivery) -> Deployment:
    return delivery.deployment(delivery.merged())


@pytest.fixture
def port() -> Iterator[int]:
    with running_server() as found:
        yield found
    connections.close_all()


@pytest.fixture
def quick_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "BEAT_SECONDS", 0.3)


def path_of(row: Deployment, after: int | None = None) -> str:
    tail = "" if after is None else f"?after={after}"
    return f"/ws/deployments/{row.number}/{tail}"


def place_of(row: Deployment) -> str:
    return f"/ws/environments/{row.environment.repository.name}/{row.environment.name}/"


def test_anonymous_people_are_told_to_sign_in(port: int, row: Deployment):
    for path in (path_of(row), f"/ws/changes/{row.change.number}/", place_of(row), "/ws/queue/", "/ws/board/"):
        assert refusal(port, path) == 4401, path


def test_outsiders_cannot_tell_an_invisible_deployment_from_none(port: int, row: Deployment, delivery: Delivery):
    mallory = cookie_of(delivery.people.mallory)
    there = (path_of(row), f"/ws/changes/{row.change.number}/", place_of(row))
    for path in (*there, "/ws/deployments/99999/", "/ws/changes/99999/", "/ws/environments/infra/nowhere/"):
        assert refusal(port, path, mallory) == 4404, path


def test_an_unknown_address_is_closed_and_no_error(port: int, delivery: Delivery):
    assert refusal(port, "/ws/everything/", cookie_of(delivery.people.alice)) == 4404


@pytest.mark.parametrize("path", ["/ws/environments/a%00b/x/", "/ws/environments/infra/%00/"])
def test_a_name_that_no_database_keeps_is_not_looked_for(
    port: int, delivery: Delivery, monkeypatch: pytest.MonkeyPatch, path: str
):
    monkeypatch.setattr(feeds, "find_environment", lambda *_: 1 / 0)  # as PostgreSQL, which refuses the question
    assert refusal(port, path, cookie_of(delivery.people.alice)) == 4404


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1.evil.example", None])
def test_pages_of_other_hosts_cannot_open_a_socket(port: int, row: Deployment, delivery: Delivery, origin: str | None):
    cookie = cookie_of(delivery.people.alice)
    with pytest.raises(InvalidStatus) as refused, socket(port, path_of(row), cookie, origin=origin):
        pass
    assert refused.value.response.status_code == 403


def test_a_socket_replays_what_is_behind_the_number_and_then_goes_on_live(
    port: int, row: Deployment, delivery: Delivery
):
    for first in (1, 4, 7):
        log_event(row, first, 3)
    row.refresh_from_db()
    known = row.last_event - 2
    with socket(port, path_of(row, known), cookie_of(delivery.people.dave)) as open_socket:
        assert [event["seq"] for event in events_until(open_socket, row.last_event)] == [known + 1, known + 2]
        begun = time.monotonic()
        newest = log_event(row, 10, 1, text="<b>now</b> \x1b[31mred\x1b[0m")
        (event,) = events_until(open_socket, newest)
        assert time.monotonic() - begun < feeds.BEAT_SECONDS / 2, "it came by the beat and not by the bell"
        assert event["first"] == 10
        assert "&lt;b&gt;now&lt;/b&gt;" in event["html"]
        assert '<span class="a-red">red' in event["html"]


def test_a_nonsense_number_replays_everything(port: int, row: Deployment, delivery: Delivery):
    for after in ("-1", "x", "9" * 40, ""):
        with socket(port, f"{path_of(row)}?after={after}", cookie_of(delivery.people.alice)) as open_socket:
            assert events_until(open_socket, row.last_event)[0]["seq"] == 1, after


@pytest.mark.usefixtures("quick_beat")
def test_whoever_loses_the_role_is_cut_off_at_the_next_frame(port: int, row: Deployment, delivery: Delivery):
    people = delivery.people
    with (
        socket(port, path_of(row), cookie_of(people.bob)) as lost,
        socket(port, path_of(row), cookie_of(people.alice)) as kept,
    ):
        events_until(lost, row.last_event)
        events_until(kept, row.last_event)
        remove_member(people.carol, repository=delivery.repository, member="bob")
        newest = log_event(row, 1, 1, text="secret of the others")
        with pytest.raises(ConnectionClosed) as closed:
            for frame in frames(lost):
                assert frame["type"] == "beat", "nothing of it was told to who may not see it"
        assert closed.value.rcvd.code == 4403
        assert events_until(kept, newest)[-1]["seq"] == newest


@pytest.mark.usefixtures("quick_beat")
@pytest.mark.parametrize("path", [path_of, place_of])
def test_a_role_lost_in_silence_ends_the_socket_at_the_next_beat(
    port: int, row: Deployment, delivery: Delivery, path: Callable[[Deployment], str]
):
    with socket(port, path(row), cookie_of(delivery.people.bob)) as open_socket:
        assert next(frames(open_socket))["type"] in {"events", "beat"}
        remove_member(delivery.people.carol, repository=delivery.repository, member="bob")
        assert close_code(open_socket) == 4403


@pytest.mark.usefixtures("quick_beat")
def test_a_deactivated_person_hears_nothing_more(port: int, delivery: Delivery):
    with socket(port, "/ws/board/", cookie_of(delivery.people.bob)) as open_socket:
        next(frames(open_socket))
        deactivate_user(delivery.people.erin, user=delivery.people.bob)
        assert close_code(open_socket) == 4403


def test_signing_out_elsewhere_ends_the_socket(
    port: int, row: Deployment, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(consumers, "SESSION_CHECK_SECONDS", 0.2)
    client = Client()
    client.force_login(delivery.people.alice)
    cookie = f"sessionid={client.cookies['sessionid'].value}"
    with socket(port, path_of(row), cookie) as open_socket:
        events_until(open_socket, row.last_event)
        time.sleep(0.5)
        open_socket.ping()
        client.logout()
        assert close_code(open_socket) == 4401


def test_a_new_password_ends_the_sockets_of_older_sessions(
    port: int, row: Deployment, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(consumers, "SESSION_CHECK_SECONDS", 0.2)
    with socket(port, path_of(row), cookie_of(delivery.people.alice)) as open_socket:
        events_until(open_socket, row.last_event)
        delivery.people.alice.set_password("another-horse-battery")
        delivery.people.alice.save(update_fields=["password"])
        assert close_code(open_socket) == 4401


def test_twenty_reconnects_show_exactly_the_log_of_a_full_load(port: int, row: Deployment, delivery: Delivery):
    """The client behaves as live.js does: it keeps the last number and leaves out what it has already."""
    dice = random.Random(20)
    cookie = cookie_of(delivery.people.alice)
    done = threading.Event()
    total = 600

    def write() -> None:
        first = 1
        while first <= total:
            size = min(dice.choice([1, 1, 2, 7, 40]), total - first + 1)
            log_event(row, first, size, text="tick")
            first += size
            time.sleep(0.02)
        done.set()
        connections.close_all()

    writer = threading.Thread(target=write)
    writer.start()
    last, html, seqs = 0, [], []
    for _ in range(20):
        with socket(port, path_of(row, last), cookie) as open_socket:
            for frame in frames(open_socket):
                for event in frame.get("events", []):
                    if event["seq"] > last:
                        last = event["seq"]
                        seqs.append(last)
                        html.append(event.get("html", ""))
                if done.is_set() or dice.random() < 0.6:
                    break
    writer.join()
    assert done.is_set()
    row.refresh_from_db()
    with socket(port, path_of(row, last), cookie) as open_socket:
        rest = events_until(open_socket, row.last_event) if last < row.last_event else []
    seqs += [event["seq"] for event in rest]
    html += [event.get("html", "") for event in rest]
    assert seqs == list(range(1, row.last_event + 1)), "a gap or a repeat"
    (page,) = step_logs(row, ["apply"], attempt=1, upto=row.last_event)
    rows = re.findall(r'<div class="ll.*?</div>', page.head)
    assert re.findall(r'<div class="ll.*?</div>', "".join(html)) == rows
    assert len(rows) == total


def test_a_change_that_moves_rings_the_pages_that_show_it_and_no_others(port: int, row: Deployment, delivery: Delivery):
    other = delivery.proposed("other")
    with (
        socket(port, f"/ws/changes/{row.change.number}/", cookie_of(delivery.people.bob)) as watched,
        socket(port, f"/ws/changes/{other.number}/", cookie_of(delivery.people.bob)) as untouched,
    ):
        assert next(frames(watched))["type"] == "beat"
        assert next(frames(untouched))["type"] == "beat"
        edit_change(delivery.people.alice, change=row.change, title="Another title", description="")
        frame = next(frames(watched, 3))
        assert frame["type"] == "change"
        assert set(frame) == {"type", "now"}, "a notice carries no content"
        with pytest.raises(TimeoutError):
            next(frame for frame in frames(untouched, 1) if frame["type"] != "beat")


def test_an_environment_rings_its_own_page_and_no_others(port: int, row: Deployment, delivery: Delivery):
    other = Environment.objects.exclude(pk=row.environment_id).get(repository=delivery.repository)
    with (
        socket(port, place_of(row), cookie_of(delivery.people.bob)) as watched,
        socket(port, place_of(row).replace(row.environment.name, other.name), cookie_of(delivery.people.bob)) as far,
    ):
        assert next(frames(watched))["type"] == "beat"
        assert next(frames(far))["type"] == "beat"
        environment_changed.send(sender=None, environment_id=row.environment_id)
        assert next(frame for frame in frames(watched) if frame["type"] != "beat")["type"] == "board"
        with pytest.raises(TimeoutError):
            next(frame for frame in frames(far, 1) if frame["type"] != "beat")


def test_a_long_log_is_replayed_in_frames_of_a_bounded_size(port: int, row: Deployment, delivery: Delivery):
    for first in range(1, 4001, 400):
        log_event(row, first, 400, text="x" * 300)
    row.refresh_from_db()
    sizes = []
    with socket(port, path_of(row), cookie_of(delivery.people.alice)) as open_socket:
        seen = 0
        while seen < row.last_event:
            text = open_socket.recv(timeout=10)
            sizes.append(len(text))
            match = re.match(r'\{"type":"events","seq":(\d+)', str(text))
            seen = int(match[1]) if match else seen
    assert len(sizes) > 2
    assert max(sizes) < 1_000_000
    assert DeploymentEvent.objects.filter(deployment=row).count() == row.last_event
