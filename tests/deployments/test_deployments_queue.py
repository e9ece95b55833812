"""First in, first out in an environment: who is told which position, and who goes first when one thing held several."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.core.clock import now
from apps.core.errors import Unavailable
from apps.deployments import queries
from apps.deployments.jobs import starting
from apps.deployments.models import Deployment
from apps.deployments.queries import waits
from apps.deployments.transitions import moving
from apps.vcs.errors import GitTimedOut
from tests.support.delivery import Delivery, pipeline

pytestmark = pytest.mark.django_db
WINDOW = [{"code": "window", "text": "Window “night”: the next one opens at 22:00."}]


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline())


@pytest.fixture
def two(delivery: Delivery) -> tuple[Deployment, Deployment]:
    """An older one that was last seen waiting for a window, which has opened since, and a newer one."""
    older, newer = (delivery.deployment(delivery.merged(name, {f"app/{name}.yaml": "a: 1\n"})) for name in ("a", "b"))
    Deployment.objects.filter(pk=older.pk).update(waits=WINDOW)
    return older, newer


def looked_at(row: Deployment) -> Deployment:
    starting.start(row.pk)
    return Deployment.objects.get(pk=row.pk)


def test_what_is_looked_at_first_does_not_overtake_what_waited_for_the_same(two: tuple[Deployment, Deployment]) -> None:
    older, newer = two
    held = looked_at(newer)
    assert (held.status, held.waits[0]["text"]) == ("pending", f"Queued behind {older.label} (pending), position 2.")
    assert looked_at(older).status == "dispatching"
    assert looked_at(newer).waits[0]["text"] == f"Queued behind {older.label} (dispatching), position 1."


@pytest.mark.parametrize("columns", [{"start_at": now() + timedelta(hours=1)}, {"manual_start": True}])
def test_what_is_still_held_is_overtaken(two: tuple[Deployment, Deployment], columns: dict[str, Any]) -> None:
    older, newer = two
    Deployment.objects.filter(pk=older.pk).update(**columns)
    assert looked_at(newer).status == "dispatching"


def test_what_cannot_be_judged_holds_nobody_up(
    two: tuple[Deployment, Deployment], monkeypatch: pytest.MonkeyPatch
) -> None:
    older, newer = two
    judge = waits._reasons

    def failing(row: Deployment) -> Any:
        if row.pk == older.pk:
            raise Unavailable("no_mirror", "The mirror cannot be read.")
        return judge(row)

    monkeypatch.setattr(waits, "_reasons", failing)
    assert looked_at(newer).status == "dispatching"


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (GitTimedOut("Git took too long."), "Git took too long."),
        (KeyError("s3cret"), "The portal itself failed here (KeyError)."),
    ],
)
def test_what_cannot_be_judged_says_so_and_newer_ones_pass(
    two: tuple[Deployment, Deployment], monkeypatch: pytest.MonkeyPatch, problem: Exception, said: str
) -> None:
    older, newer = two
    Deployment.objects.filter(pk=older.pk).update(waits=[])

    def fail(_: object) -> object:
        raise problem

    with monkeypatch.context() as patch, suppress(KeyError):
        patch.setattr(starting, "look_at", fail)
        starting.start(older.pk)
    held = Deployment.objects.get(pk=older.pk)
    assert [wait["code"] for wait in held.waits] == ["not_judged"]
    assert said in held.waits[0]["text"]
    assert "s3cret" not in held.waits[0]["text"]
    assert looked_at(newer).status == "dispatching"


def test_however_many_are_pending_the_one_that_waited_longest_for_a_look_is_next(
    two: tuple[Deployment, Deployment],
) -> None:
    older, newer = two
    moment = now()
    Deployment.objects.filter(pk=older.pk).update(check_at=moment - timedelta(seconds=1))
    Deployment.objects.filter(pk=newer.pk).update(check_at=moment - timedelta(seconds=20))
    assert starting.deployments_due(1) == [newer.pk]
    Deployment.objects.filter(pk=older.pk).update(check_at=None)
    assert starting.deployments_due(1) == [older.pk]


def test_what_waits_for_nothing_but_a_start_by_hand_is_looked_at_rarely(two: tuple[Deployment, Deployment]) -> None:
    older, newer = two
    Deployment.objects.filter(pk=older.pk).update(manual_start=True, waits=[])
    rare, queued = looked_at(older), looked_at(newer)
    assert [wait["code"] for wait in rare.waits] == ["manual"]
    assert queued.status == "dispatching"
    assert rare.check_at is not None
    assert rare.check_at > now() + timedelta(seconds=60)


def test_an_event_asks_for_a_few_looks_and_the_sweeps_for_the_rest(
    two: tuple[Deployment, Deployment], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(moving, "AT_ONCE", 1)
    monkeypatch.setattr(moving, "request_work", lambda _name, pk: asked.append(pk))
    moving.wake_pending(two[0].environment.repository_id)
    assert asked == [two[0].pk]
    assert set(starting.deployments_due(9)) >= {row.pk for row in two}


def test_only_what_waits_for_its_turn_has_a_position(delivery: Delivery, two: tuple[Deployment, Deployment]) -> None:
    holder, newer = two
    Deployment.objects.filter(pk=holder.pk).update(status="running", waits=[])
    third = delivery.deployment(delivery.merged("c", {"app/c.yaml": "a: 1\n"}))
    Deployment.objects.filter(pk=newer.pk).update(manual_start=True)
    held, queued = looked_at(newer), looked_at(third)
    said = f"{holder.label} (running) holds staging; this joins the queue when nothing else holds it."
    assert [wait["code"] for wait in held.waits] == ["manual", "lock"]
    assert held.waits[1]["text"] == said
    assert queued.waits[0]["text"] == f"Queued behind {holder.label} (running), position 1."
    assert (queries.queue_position(held), queries.queue_position(queued)) == (None, 1)


def test_only_what_waits_for_nothing_but_its_turn_has_a_position_on_the_page(
    delivery: Delivery, two: tuple[Deployment, Deployment], client: Client
) -> None:
    older, newer = two
    third = delivery.deployment(delivery.merged("c", {"app/c.yaml": "a: 1\n"}))
    Deployment.objects.filter(pk__in=[newer.pk, third.pk]).update(waits=[{"code": "lock", "text": "Queued."}])
    client.force_login(delivery.people.carol)
    shown = client.get(f"/environments/{delivery.repository.name}/staging/").content.decode()
    queued = re.findall(r'id="queued-(\d+)".*?</svg>([^<]*)</span>', shown)
    assert [(int(number), word) for number, word in queued] == [
        (older.number, "Waiting"),
        (newer.number, "Waiting 1"),
        (third.number, "Waiting 2"),
    ]
    assert [queries.queue_position(Deployment.objects.get(pk=row.pk)) for row in (older, newer, third)] == [None, 1, 2]
