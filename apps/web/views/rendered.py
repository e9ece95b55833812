"""The effect of a change: rendered resources, plans, and what people do about a rendering."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from apps.changes import access, services
from apps.changes import queries as changes
from apps.core.errors import InvalidInput
from apps.presentation.change_frame import change_frame
from apps.presentation.rendered_page import Filter, rendered_page
from apps.presentation.rendered_targets import targets_of
from apps.presentation.rendered_threads import effect_threads, places_of
from apps.reviews import access as reviewing
from apps.reviews import services as reviews
from apps.web.once import new_key
from apps.web.people import signed_in
from apps.web.responding import reads, respond, see_other, wants_fragment, writes

PARTS = {False: "rendered", True: "plan"}


def _wanted(request: HttpRequest) -> Filter:
    asked = request.GET
    start = asked.get("start", "")
    return Filter(
        kind=asked.get("kind", "")[:200],
        action=asked.get("action", "")[:20],
        target=asked.get("target", "")[:200],
        name=asked.get("name", "")[:200],
        raw=asked.get("raw") == "1",
        whole=asked.get("whole", "")[:64],
        start=int(start) if start.isdecimal() and len(start) < 7 else 0,
    )


@reads
def effect(request: HttpRequest, number: int, *, is_plan: bool) -> HttpResponse:
    """Resources (or, of systems that plan, planned actions), structured, or as YAML with ``raw=1``."""
    user = signed_in(request)
    frame = change_frame(user, number, tab=PARTS[is_plan])
    context = {"frame": frame, "part": PARTS[is_plan], "page": None}
    if frame.change.revision is not None:
        can_act = access.can_render(user, frame.change).allowed
        page = rendered_page(
            user, frame.change, frame.change.revision, _wanted(request), is_plan=is_plan, can_act=can_act
        )
        may_comment = reviewing.can_comment(user, frame.change).allowed
        context |= {
            "page": page,
            "threads": effect_threads(frame.change),
            "places": places_of(page.rows, is_plan=is_plan) if may_comment else (),
            "new_key": new_key(),
        }
    return respond(request, "web/changes/rendered.html", context)


@reads
def targets(request: HttpRequest, number: int, *, is_plan: bool) -> HttpResponse:
    """The states of the targets, fetched again while they are rendered."""
    user = signed_in(request)
    change = changes.find_revised(user, number)
    partial = "web/changes/_rendered_targets.html"
    if change.revision is None:
        raise InvalidInput("no_revision", f"{change.label} has no code yet, so it has no effect.")
    can_act = access.can_render(user, change).allowed
    page = targets_of(change.revision, is_plan=is_plan, can_act=can_act)
    context = {"page": page, "number": number, "part": PARTS[is_plan], "region": partial}
    return respond(request, "web/changes/region.html", context, fragment=partial)


@writes
def again(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    row = services.render_again(user, change=changes.find(user, number), **_named(request))
    return see_other(request, _back(request, number), f"{row.label} is {row.waits_for or 'being rendered again'}.")


@writes
def cancel(request: HttpRequest, number: int) -> HttpResponse:
    user = signed_in(request)
    row = services.cancel_rendering(user, change=changes.find(user, number), **_named(request))
    return see_other(request, _back(request, number), f"The rendering of {row.label} was cancelled.")


@writes
def seen(request: HttpRequest, number: int) -> HttpResponse:
    """Mark what happens to one resource as seen, or take the mark back."""
    user = signed_in(request)
    key, *also = request.POST.getlist("resource") or [""]
    state = request.POST.get("seen", "1") == "1"
    reviews.mark_resource_seen(user, change=changes.find(user, number), resource=key, also=also, seen=state)
    url = f"{_back(request, number)}#x-{key}"
    if wants_fragment(request):
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    response = HttpResponseRedirect(url)
    response.status_code = 303
    return response


def _named(request: HttpRequest) -> dict[str, str]:
    found = {name: request.POST.get(name, "").strip()[:100] for name in ("environment", "target")}
    for name, value in found.items():
        if not value:
            raise InvalidInput(f"{name}_required", f"Name the {name}.", field=name)
    return found


def _back(request: HttpRequest, number: int) -> str:
    part = "plan" if request.POST.get("part") == "plan" else "rendered"
    return f"/changes/{number}/{part}/"
