"""One's queue and inbox, and moving the turn of a change."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api import desk_outputs as shapes
from apps.api.endpoints import endpoint, query, read
from apps.api.lookups import caller, change_of, person_named
from apps.api.outputs import page_of
from apps.api.pages import AFTER, LIMIT, number_parameter, page, page_size, word_parameter
from apps.api.shapes import EmptyIn
from apps.presentation.queue_page import queue_page
from apps.presentation.queue_views import VIEWS
from apps.reviews import services as reviews
from apps.reviews.inbox import inbox, turns_in
from apps.reviews.models import Desk, News
from apps.reviews.queue import desk_of

VIEW = query("view", f"Another role's home, one of {', '.join(VIEWS)}, without keeping it.")
UNREAD = query("unread", "1: only what is unread.", {"type": "string", "enum": ["1"]})
KIND = query("kind", "Only rows with news of this kind.", {"type": "string", "enum": list(News.Kind.values)})


@endpoint("GET", response=shapes.QueueOut, summary="My queue", parameters=[VIEW])
def show_queue(request: Request) -> Response:
    """What needs you, what waits for others, what runs: the sections of your role's home, at most 25 rows each."""
    user = caller(request)
    return Response(shapes.queue_json(queue_page(user, desk_of(user), view=word_parameter(request, "view", VIEWS))))


@endpoint("GET", response=shapes.DeskOut, summary="How my queue is arranged")
def show_desk(request: Request) -> Response:
    """The chosen view, the order of the sections, and what the inbox leaves out."""
    return Response(_desk(desk_of(caller(request))))


@endpoint("PUT", scope="propose", request=shapes.ArrangeIn, response=shapes.DeskOut, summary="Arrange my queue")
def arrange_desk(request: Request) -> Response:
    """Choose a view ("" for your role's), or an order of sections; what is left out stays."""
    body = read(shapes.ArrangeIn, request)
    return Response(_desk(reviews.arrange_desk(caller(request), view=body["view"], order=body["order"])))


@endpoint("GET", response=page_of(shapes.NewsOut), summary="My inbox", parameters=[UNREAD, KIND, AFTER, LIMIT])
def list_inbox(request: Request) -> Response:
    """What happened that concerns you, newest first; what happened on one change within five minutes is one row."""
    user = caller(request)
    found = inbox(
        user,
        unread=word_parameter(request, "unread", ("1",)) == "1",
        kind=word_parameter(request, "kind", News.Kind.values),
        after=number_parameter(request, "after"),
        limit=page_size(request, default=30, most=100),
    )
    turns = turns_in(user, found.items)
    return page(request, found.items, lambda news: shapes.news_json(news, turns.get(news.change_id)), found.next_after)


@endpoint(
    "POST", scope="propose", request=EmptyIn, response=shapes.MarkedOut, summary="Mark a row of the inbox as read"
)
def read_news(request: Request, news: int) -> Response:
    """One of your own rows."""
    return Response({"changed": reviews.mark_news(caller(request), rows=[news], read=True)})


@endpoint(
    "POST", scope="propose", request=EmptyIn, response=shapes.MarkedOut, summary="Mark a row of the inbox as unread"
)
def unread_news(request: Request, news: int) -> Response:
    """One of your own rows."""
    return Response({"changed": reviews.mark_news(caller(request), rows=[news], read=False)})


@endpoint("POST", scope="propose", request=EmptyIn, response=shapes.MarkedOut, summary="Mark all of the inbox as read")
def read_all_news(request: Request) -> Response:
    """Everything that is in it now."""
    return Response({"changed": reviews.mark_all_read(caller(request))})


@endpoint(
    "PUT", scope="propose", request=shapes.NewsChoiceIn, response=shapes.DeskOut, summary="Choose what the inbox tells"
)
def choose_news(request: Request) -> Response:
    """Kinds of news that are left out from now on."""
    return Response(_desk(reviews.choose_news(caller(request), muted=read(shapes.NewsChoiceIn, request)["muted"])))


@endpoint("GET", response=page_of(shapes.AttentionOut), summary="Whose turn it is")
def list_attention(request: Request, number: int) -> Response:
    """The attention set of the change: everybody it waits for, why and since when."""
    rows = change_of(request, number).attention.select_related("user").order_by("since", "pk")
    return page(request, rows, shapes.attention_json)


@endpoint(
    "POST",
    scope="propose",
    request=shapes.HandOverIn,
    response=page_of(shapes.AttentionOut),
    summary="Hand a change over",
)
def hand_over(request: Request, number: int) -> Response:
    """Make it somebody's turn, with a note; if it was yours, it is no longer."""
    body = read(shapes.HandOverIn, request)
    user = person_named(body["user"])
    reviews.hand_over(caller(request), change=change_of(request, number), user=user, note=body["note"])
    return list_attention(request, number=number)


@endpoint(
    "POST", scope="propose", request=shapes.SnoozeIn, response=page_of(shapes.AttentionOut), summary="Snooze a change"
)
def snooze(request: Request, number: int) -> Response:
    """Put your own turn aside for an hour, until tomorrow at 9 in your time zone, or until a new revision."""
    reviews.snooze(caller(request), change=change_of(request, number), **read(shapes.SnoozeIn, request))
    return list_attention(request, number=number)


@endpoint("POST", scope="propose", request=EmptyIn, response=page_of(shapes.AttentionOut), summary="End a snooze")
def unsnooze(request: Request, number: int) -> Response:
    """Take the change back before the snooze ends."""
    reviews.unsnooze(caller(request), change=change_of(request, number))
    return list_attention(request, number=number)


@endpoint("POST", scope="propose", request=EmptyIn, response=page_of(shapes.AttentionOut), summary="Settle my turn")
def settle(request: Request, number: int) -> Response:
    """Say that what you were called for needs nothing more; what the change itself waits for stays your turn."""
    reviews.settle_turn(caller(request), change=change_of(request, number))
    return list_attention(request, number=number)


@endpoint("POST", scope="review", request=EmptyIn, response=page_of(shapes.AttentionOut), summary="Claim a review")
def claim(request: Request, number: int) -> Response:
    """Take a review that your group is asked for; of two who claim at once one wins, the other gets 409."""
    reviews.claim(caller(request), change=change_of(request, number))
    return list_attention(request, number=number)


@endpoint("POST", scope="review", request=EmptyIn, response=page_of(shapes.AttentionOut), summary="Give a claim back")
def release(request: Request, number: int) -> Response:
    """Your group sees it again."""
    reviews.release_claim(caller(request), change=change_of(request, number))
    return list_attention(request, number=number)


def _desk(desk: Desk) -> dict[str, object]:
    return {"view": desk.view or None, "order": desk.order, "muted": desk.muted}
