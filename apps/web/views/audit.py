"""The audit log as a page: what was done, by whom, and whether the record is whole."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse

from apps.accounts.models import User
from apps.audit.actions import ACTIONS
from apps.audit.queries import PAGE_SIZE, visible_entries
from apps.core.errors import InvalidInput, NotVisible
from apps.presentation.audit_chain import chain, check_chain
from apps.presentation.audit_pages import FILTERS, entry_filter, facts_of, find_entries, left_out
from apps.repositories.queries import auditable
from apps.web.numbers import number_in
from apps.web.people import signed_in
from apps.web.responding import page, reads, respond, see_other


@reads
def entries(request: HttpRequest) -> HttpResponse:
    """The table; filters are in the address. A filter that is not understood says which, and keeps the rest."""
    user = signed_in(request)
    given = {name: value for name in FILTERS if (value := request.GET.get(name, "").strip())}
    context: dict[str, Any] = {"given": given, "actions": _actions(), "chain": chain(), "problem": None, "rows": ()}
    after = number_in(request, "after")
    try:
        found = find_entries(user, given, after=after, limit=PAGE_SIZE)
    except InvalidInput as problem:
        context["problem"] = problem
        return respond(request, "web/audit/list.html", context, fragment="web/audit/_rows.html", status=422)
    following = urlencode({**given, "after": found.next_after}) if found.next_after else ""
    context |= {
        "rows": found.items,
        "next_url": f"?{following}" if following else "",
        "left_out": 0 if given else left_out(user, found, after=after, last=context["chain"].seq),
        "is_partial": not user.is_superuser,
        "repositories": auditable(user).order_by("name").values_list("name", flat=True),
    }
    return respond(request, "web/audit/list.html", context, fragment="web/audit/_rows.html")


def _actions() -> list[tuple[str, str]]:
    """Groups of actions (``deployment``) and their single actions, for the filter."""
    groups = sorted({action.split(".")[0] for action in ACTIONS})
    return [*((group, f"{group}: everything") for group in groups), *sorted(ACTIONS.items())]


@reads
def entry(request: HttpRequest, seq: int) -> HttpResponse:
    """One entry as it was recorded, with its place in the chain."""
    user = signed_in(request)
    entry_filter(user, {})  # only those who may audit something get further
    row = visible_entries(user, _names(user)).filter(seq=seq).first()
    if row is None:
        raise NotVisible("unknown_entry", f"There is no entry {seq} that you may read.")
    raw = json.dumps(row.document(), indent=2, sort_keys=True, ensure_ascii=False)
    context = {"row": row, "meaning": ACTIONS.get(row.action, row.action), "raw": raw, "chain": chain(),
               "facts": facts_of(row.data)}  # fmt: skip
    return respond(request, "web/audit/entry.html", context)


def _names(user: User) -> list[str]:
    return list(auditable(user).values_list("name", flat=True))


@page("GET", "HEAD", "POST")
def verify(request: HttpRequest) -> HttpResponse:
    """POST: check the whole chain now; everybody who may audit something may ask for it. GET: see the last result."""
    user = signed_in(request)
    entry_filter(user, {})
    if request.method != "POST":
        return see_other(request, "/audit/")
    found = check_chain(user)
    said = f"The chain of {found.entries} entries is whole." if found.ok else ""
    return see_other(request, "/audit/", said)
