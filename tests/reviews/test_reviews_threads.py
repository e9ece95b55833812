"""Threads: their places, their states, who settles them, and what never happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest
from apps.core.errors import Conflict, InvalidInput, NotAllowed
from apps.deployments.services import comment_on_log
from apps.reviews import queries, services
from apps.reviews.models import Thread
from apps.reviews.thread_states import Event, State, next_state
from tests.support.delivery import Delivery, pipeline, run_until_idle

pytestmark = pytest.mark.django_db

VALUES = "".join(f"key{number}: {number}\n" for number in range(1, 31))


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery.start(tmp_path, pipeline())


@pytest.fixture
def change(delivery: Delivery) -> ChangeRequest:
    return delivery.proposed("one", {"app/values.yaml": VALUES})


def allowed(change: ChangeRequest) -> bool:
    return queries.verdict_of(ChangeRequest.objects.select_related("repository", "revision").get(pk=change.pk)).allowed


def opened(delivery: Delivery, change: ChangeRequest, who: str = "bob", **fields: object) -> Thread:
    user = getattr(delivery.people, who)
    return services.open_thread(user, change=change, **{"body": "Why?", **fields})  # type: ignore[arg-type]


def test_a_range_keeps_its_lines_as_they_were(delivery: Delivery, change: ChangeRequest) -> None:
    thread = opened(delivery, change, path="app/values.yaml", start_line=3, line=5)
    assert (thread.scope, thread.anchor.place) == ("line", "app/values.yaml:3–5")
    assert thread.snippet == "key3: 3\nkey4: 4\nkey5: 5"
    assert thread.blob


def test_a_range_that_is_named_backwards_is_the_same_range(delivery: Delivery, change: ChangeRequest) -> None:
    thread = opened(delivery, change, path="app/values.yaml", start_line=5, line=3)
    assert (thread.start_line, thread.line) == (3, 5)


def test_the_removed_line_is_on_the_old_side(delivery: Delivery, change: ChangeRequest) -> None:
    assert opened(delivery, change, path="app/values.yaml", line=1, side="old").snippet == "replicas: 1"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"path": "app/values.yaml", "line": 31}, "line"),
        ({"path": "app/values.yaml", "line": 2, "side": "old"}, "line"),
        ({"path": "app/values.yaml", "start_line": 2}, "line"),
        ({"path": "app/values.yaml", "line": 0}, "line"),
        ({"path": "other.yaml", "line": 1}, "path"),
        ({"line": 3}, "line"),
        ({"path": "app/values.yaml", "scope": "change"}, "line"),
        ({"scope": "galaxy"}, "scope"),
        ({"scope": "resource", "locator": "nonsense"}, "locator"),
        ({"scope": "resource", "locator": "a/b · Kind/ns/name", "path": "app/values.yaml"}, "locator"),
        ({"scope": "log", "locator": "d-1 apply 1"}, "scope"),
        ({"kind": "shout"}, "kind"),
        ({"body": "  "}, "body"),
        ({"body": "x" * 20_001}, "body"),
        ({"revision": 9}, "revision"),
        ({"body": "```suggestion\nx\n```"}, "body"),
        ({"path": "app/values.yaml", "line": 1, "side": "old", "body": "```suggestion\nx\n```"}, "body"),
        ({"path": "app/values.yaml", "line": 1, "body": "```suggestion\nx\n```\n```suggestion\ny\n```"}, "body"),
    ],
)
def test_a_place_that_is_not_there_is_refused_by_name(
    delivery: Delivery, change: ChangeRequest, fields: dict[str, object], field: str
) -> None:
    before = AuditEntry.objects.count()
    with pytest.raises(InvalidInput) as refusal:
        opened(delivery, change, **fields)
    assert field in refusal.value.details["fields"]
    assert not Thread.objects.exists()
    assert AuditEntry.objects.count() == before


def test_the_places_of_other_scopes_have_one_spelling(delivery: Delivery, change: ChangeRequest) -> None:
    resource = opened(delivery, change, scope="resource", locator=" prod-eu/web·Ingress/shop/public ")
    plan = opened(delivery, change, scope="plan", locator="prod/net ·  aws_lb.ingress.subnet_ids[0]")
    assert resource.locator == "prod-eu/web · Ingress/shop/public"
    assert plan.locator == "prod/net · aws_lb.ingress.subnet_ids[0]"


def test_a_line_that_a_deployment_of_this_change_printed_can_be_commented_on(delivery: Delivery) -> None:
    merged = delivery.merged("two")
    run_until_idle()
    number = delivery.deployment(merged).number
    thread = comment_on_log(delivery.people.bob, change=merged, locator=f"d-{number} apply 1", body="Is this right?")
    assert (thread.scope, thread.snippet) == ("log", "replicas: 1")
    other = delivery.proposed("three")
    for place in (f"d-{number} apply 1", "d-99 apply 1"):
        with pytest.raises(InvalidInput):
            comment_on_log(delivery.people.bob, change=other, locator=place, body="Not mine")
    for place in (f"d-{number} apply 999", f"d-{number} nosuch 1", f"d-{number} apply#2 1"):
        with pytest.raises(InvalidInput):
            comment_on_log(delivery.people.bob, change=merged, locator=place, body="Not there")
    with pytest.raises(NotAllowed):
        comment_on_log(delivery.people.dave, change=merged, locator=f"d-{number} apply 1", body="auditors only read")


def test_a_reply_answers_and_the_opener_asks_again(delivery: Delivery, change: ChangeRequest) -> None:
    thread = opened(delivery, change)
    services.reply(delivery.people.alice, thread=thread, body="Because.")
    assert Thread.objects.get().state == "answered"
    services.reply(delivery.people.kim, thread=thread, body="Indeed.")
    assert Thread.objects.get().state == "answered"
    services.reply(delivery.people.bob, thread=thread, body="Really?")
    assert Thread.objects.get().state == "open"


def test_a_late_word_opens_no_settled_thread(delivery: Delivery, change: ChangeRequest) -> None:
    thread = opened(delivery, change)
    services.resolve_thread(delivery.people.bob, thread=thread)
    for who in ("alice", "bob"):
        services.reply(getattr(delivery.people, who), thread=thread, body="One more thing")
        assert Thread.objects.get().state == "resolved"


def test_an_answered_blocking_thread_still_holds_the_change(delivery: Delivery, change: ChangeRequest) -> None:
    delivery.approve(change)
    assert allowed(change)
    thread = opened(delivery, change, "kim", kind="blocking")
    assert not allowed(change)
    services.reply(delivery.people.alice, thread=thread, body="Done.")
    assert not allowed(change)
    with pytest.raises(NotAllowed):
        services.drop_thread(delivery.people.alice, thread=thread, reason="I say so")
    services.drop_thread(delivery.people.kim, thread=thread, reason="It was a misunderstanding")
    assert allowed(change)
    assert Thread.objects.get().reason == "It was a misunderstanding"


def test_dropping_needs_a_reason(delivery: Delivery, change: ChangeRequest) -> None:
    thread = opened(delivery, change)
    for reason in ("", "  ", "x" * 501):
        with pytest.raises(InvalidInput):
            services.drop_thread(delivery.people.bob, thread=thread, reason=reason)
    assert Thread.objects.get().state == "open"


def test_of_two_resolvers_with_stale_pages_the_second_is_told(delivery: Delivery, change: ChangeRequest) -> None:
    opened(delivery, change)
    first, second = Thread.objects.get(), Thread.objects.get()
    services.resolve_thread(delivery.people.bob, thread=first)
    with pytest.raises(Conflict) as refusal:
        services.drop_thread(delivery.people.kim, thread=second, reason="late")
    assert refusal.value.code == "wrong_state"
    assert Thread.objects.get().resolved_by == delivery.people.bob
    assert AuditEntry.objects.filter(action__startswith="thread.").count() == 2


@pytest.mark.parametrize(
    ("resolve", "who", "kind", "may"),
    [
        ("", "alice", "comment", True),
        ("", "alice", "blocking", False),
        ("opener", "alice", "comment", False),
        ("opener", "kim", "question", False),
        ("opener", "bob", "blocking", True),
        ("opener", "carol", "comment", True),
        ("writers", "alice", "blocking", True),
        ("writers", "dave", "comment", False),
    ],
)
def test_portal_yaml_says_who_settles_a_thread_of_bob(
    tmp_path: Path, resolve: str, who: str, kind: str, may: bool
) -> None:
    option = f"threads: {{resolve: {resolve}}}\n" if resolve else ""
    delivery = Delivery.start(tmp_path, pipeline(rules=option))
    change = delivery.proposed()
    thread = opened(delivery, change, kind=kind)
    if may:
        services.resolve_thread(getattr(delivery.people, who), thread=thread)
    else:
        with pytest.raises(NotAllowed):
            services.resolve_thread(getattr(delivery.people, who), thread=thread)
    assert (Thread.objects.get().state == "resolved") is may


def test_every_event_has_its_way_or_its_refusal() -> None:
    ways = {(state, event) for state in State for event in Event}
    refused = set()
    for state, event in ways:
        try:
            next_state(state, event, number=1)
        except Conflict:
            refused.add((state, event))
    settled = {State.RESOLVED, State.DROPPED}
    assert refused == {(state, event) for state in settled for event in (Event.RESOLVE, Event.DROP)} | {
        (state, Event.REOPEN) for state in (State.OPEN, State.ANSWERED)
    }
