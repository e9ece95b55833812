"""Who is asked to review and why, who is away, and spreading open reviews."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import queries as accounts
from apps.accounts import services as absences
from apps.accounts.access import can_declare_absence
from apps.accounts.models import User
from apps.api import outputs, shapes
from apps.api import reviewer_outputs as shown
from apps.api.answers import me_json, time
from apps.api.endpoints import endpoint, read
from apps.api.lookups import caller, change_of, person_named, repository_of
from apps.api.pages import page
from apps.api.reviewer_answers import absence_json, choice_json, plan_json
from apps.core.clock import now
from apps.core.errors import InvalidInput
from apps.reviews import access
from apps.reviews import services as reviews
from apps.reviews.balancing import rebalancing_plan
from apps.reviews.queries import choice_of


@endpoint("GET", response=shown.ReviewersOut, summary="Who was considered to review, and why")
def show_reviewers(request: Request, number: int) -> Response:
    """For each requirement who is asked and why, and why each of the others is not."""
    return Response(_choice(request, number))


@endpoint("POST", scope="review", request=shapes.DeclineIn, response=shown.ReviewersOut, summary="Not me")
def decline(request: Request, number: int) -> Response:
    """Say that somebody else should review; `better` is asked at once, else the next best person is chosen in a moment."""
    body = read(shapes.DeclineIn, request)
    better = _maybe(body["better"], "better")
    reviews.decline(caller(request), change=change_of(request, number), reason=body["reason"], better=better)
    return Response(_choice(request, number))


@endpoint("POST", scope="propose", request=shapes.SwapIn, response=shown.ReviewersOut, summary="Ask somebody else")
def swap(request: Request, number: int, username: str) -> Response:
    """Ask `to`, or the next best person, instead of this one."""
    body = read(shapes.SwapIn, request)
    reviews.swap(
        caller(request),
        change=change_of(request, number),
        user=person_named(username),
        reason=body["reason"],
        to=_maybe(body["to"], "to"),
    )
    return Response(_choice(request, number))


@endpoint("POST", scope="propose", request=shapes.EmptyIn, response=shown.NudgeOut, summary="Remind a person")
def nudge(request: Request, number: int, username: str) -> Response:
    """Once a day for each person and change; the refusal says when it is possible again."""
    again_at = reviews.nudge(caller(request), change=change_of(request, number), user=person_named(username))
    return Response({"user": username.lower(), "again_at": time(again_at)})


@endpoint("GET", response=shown.PlanOut, summary="What spreading the open reviews would move")
def show_rebalancing(request: Request, name: str) -> Response:
    """The plan as it is now, with the reason of each move. Nothing is moved."""
    repository = repository_of(request, name)
    access.can_rebalance(caller(request), repository).require()
    return Response(plan_json(rebalancing_plan(repository)))


@endpoint("POST", scope="manage", request=shapes.RebalanceIn, response=shown.PlanOut, summary="Spread open reviews")
def rebalance(request: Request, name: str) -> Response:
    """Carry out moves of the plan, all together or none; 409 when the plan is a different one by now."""
    body = read(shapes.RebalanceIn, request)
    moves = reviews.rebalance(caller(request), repository=repository_of(request, name), moves=body["moves"])
    return Response(plan_json(moves))


@endpoint("GET", response=outputs.page_of(shown.AbsenceOut), summary="One's own absences")
def list_absences(request: Request) -> Response:
    """Those that last or are planned, the next one first."""
    return page(request, accounts.absences_of(caller(request), at=now()), absence_json)


@endpoint(
    "POST", scope="propose", request=shapes.AbsenceIn, response=shown.AbsenceOut, status=201, summary="Plan an absence"
)
def declare_absence(request: Request) -> Response:
    """Whole days in `time_zone` (default: one's own, else UTC). Meanwhile nobody is asked who is away."""
    return _declare(request, caller(request))


@endpoint("DELETE", scope="propose", response=shown.AbsenceOut, summary="Take an absence back")
def end_absence(request: Request, absence: int) -> Response:
    """End one that lasts, or cancel one that is planned."""
    user = caller(request)
    return Response(absence_json(absences.end_absence(user, absence=accounts.absence_of(user, absence))))


@endpoint("GET", response=outputs.page_of(shown.AbsenceOut), summary="A person's absences")
def list_absences_of(request: Request, username: str) -> Response:
    """For that person and administrators; others read on the change until when somebody is away."""
    person = accounts.user_by_handle(username)
    can_declare_absence(caller(request), person).require()
    return page(request, accounts.absences_of(person, at=now()), absence_json)


@endpoint(
    "POST",
    scope="admin",
    request=shapes.AbsenceIn,
    response=shown.AbsenceOut,
    status=201,
    summary="Plan an absence of a person",
)
def declare_absence_of(request: Request, username: str) -> Response:
    """For administrators, when somebody cannot enter it. Whole days in `time_zone` (default: the person's)."""
    return _declare(request, accounts.user_by_handle(username))


@endpoint("DELETE", scope="admin", response=shown.AbsenceOut, summary="Take a person's absence back")
def end_absence_of(request: Request, username: str, absence: int) -> Response:
    """End one that lasts, or cancel one that is planned."""
    person = accounts.user_by_handle(username)
    can_declare_absence(caller(request), person).require()
    return Response(absence_json(absences.end_absence(caller(request), absence=accounts.absence_of(person, absence))))


@endpoint("PUT", scope="propose", request=shapes.TimeZoneIn, response=outputs.MeOut, summary="One's own time zone")
def set_time_zone(request: Request) -> Response:
    """A name of the IANA list, as Europe/Berlin; empty: not told."""
    user = absences.set_time_zone(caller(request), time_zone=read(shapes.TimeZoneIn, request)["time_zone"])
    return Response(me_json(user, getattr(request.auth, "scopes", None)))


def _declare(request: Request, person: User) -> Response:
    body = read(shapes.AbsenceIn, request)
    body["deputy"] = _maybe(body["deputy"], "deputy")
    return Response(absence_json(absences.declare_absence(caller(request), user=person, **body)), status=201)


def _choice(request: Request, number: int) -> dict[str, object]:
    choice, is_being_chosen = choice_of(change_of(request, number))
    return choice_json(choice, is_being_chosen=is_being_chosen)


def _maybe(username: str, field: str) -> User | None:
    """The person of that name; ``None`` where nobody is named."""
    if not username:
        return None
    try:
        return person_named(username)
    except InvalidInput as problem:
        raise InvalidInput(problem.code, problem.message, field=field) from problem
