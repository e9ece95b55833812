"""What a review, a thread or a reply means for others: who is told, and whose turn it becomes. The seam for use cases."""

from __future__ import annotations

from apps.accounts.models import User
from apps.changes import queries as changes
from apps.changes.lifecycle import Status
from apps.changes.models import ChangeRequest
from apps.reviews.attention import Origin
from apps.reviews.models import News, Review, Thread
from apps.reviews.transitions import call_for, end_calls, end_thread_calls, tell

EXCERPT = 120  # characters
SAID = {
    Review.Verdict.APPROVE: "approved",
    Review.Verdict.REQUEST_CHANGES: "asks for changes of",
    Review.Verdict.COMMENT: "commented on",
}


def review_given(review: Review) -> None:
    """The owner hears of it; after a mere comment it is their turn, and the reviewer waits for them."""
    change, actor = review.change, review.reviewer
    end_calls(change, actor)
    text = f"{actor.username} {SAID[Review.Verdict(review.verdict)]} {review.revision.label}{_quoted(review.body)}"
    tell(change, _owners(change), kind=News.Kind.REVIEW, text=text, place="approvals", by=actor.pk)
    if review.verdict == Review.Verdict.COMMENT:
        call_owner(change, actor, reason=text, waits=True)


def thread_opened(actor: User, thread: Thread, body: str) -> None:
    """The owner hears of it; what a question or a blocking thread asks of them is a rule of the attention set."""
    text = f"{actor.username} opened {_named(thread)}{_quoted(body)}"
    tell(
        thread.change,
        _owners(thread.change),
        kind=News.Kind.REPLY,
        text=text,
        place=f"thread:{thread.number}",
        by=actor.pk,
    )


def thread_replied(actor: User, thread: Thread, body: str) -> None:
    """Everybody in the thread hears of it. A contributor's reply makes it the opener's turn, another's the owner's."""
    change = thread.change
    end_calls(change, actor)
    people = {thread.created_by_id, *_owners(change), *thread.comments.values_list("author_id", flat=True)}
    text = f"{actor.username} replied in {_named(thread)}{_quoted(body)}"
    tell(change, people, kind=News.Kind.REPLY, text=text, place=f"thread:{thread.number}", by=actor.pk)
    if change.status != Status.IN_REVIEW:
        return
    if actor.pk in {*_owners(change), *changes.contributor_ids(change)}:
        if thread.created_by_id != actor.pk:
            reason = f"{actor.username} answered {_named(thread, 'your ')}{_quoted(body)}"
            call_for(change, thread.created_by, origin=Origin.ANSWER, reason=reason, by=actor, thread=thread.number)
    else:
        call_owner(change, actor, reason=text, thread=thread.number)


def thread_settled(actor: User, thread: Thread, word: str) -> None:
    """Nobody is called to it any more; those in it hear of it. ``word``: what became of it, "resolved"."""
    end_thread_calls(thread.change, thread.number)
    people = {thread.created_by_id, *thread.comments.values_list("author_id", flat=True)}
    text = f"{actor.username} {word} {_named(thread)}"
    tell(thread.change, people, kind=News.Kind.REPLY, text=text, place=f"thread:{thread.number}", by=actor.pk)


def call_owner(
    change: ChangeRequest, actor: User, *, reason: str, thread: int | None = None, waits: bool = False
) -> None:
    """It is the turn of who writes ``change``; with ``waits`` the actor's own turn rests until they acted."""
    owner = change.owner or change.requester
    if owner.pk != actor.pk and change.status == Status.IN_REVIEW:
        call_for(change, owner, origin=Origin.ANSWER, reason=reason, by=actor if waits else None, thread=thread)


def _owners(change: ChangeRequest) -> set[int]:
    return {pk for pk in (change.owner_id, change.requester_id) if pk}


def _named(thread: Thread, whose: str = "") -> str:
    place = thread.path + (f":{thread.line}" if thread.line else "")
    return f"{whose}thread {thread.number}{f' on {place}' if place else ''}"


def _quoted(body: str) -> str:
    text = " ".join(body.split())
    if not text:
        return ""
    return f": “{text if len(text) <= EXCERPT else text[: EXCERPT - 1] + '…'}”"
