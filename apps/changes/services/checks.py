"""What pipelines report of a merge result."""

from __future__ import annotations

import re

from django.db import transaction

from apps.accounts.models import User
from apps.changes import access
from apps.changes.models import ChangeRequest, CheckReport
from apps.changes.transitions import Entry, announce, lock_change, record
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/:-]{0,99}")
LONGEST_SUMMARY, LONGEST_URL = 500, 1000
MOST_REPORTS = 1_000


@transaction.atomic
def report_check(
    actor: User, *, change: ChangeRequest, tree: str, name: str, state: str, summary: str = "", url: str = ""
) -> CheckReport:
    """Record how check ``name`` ended for the merge result ``tree`` of ``change``; the newest report of a name counts.

    ``tree`` has to be the result of the present revision: :class:`Conflict` ``stale_revision`` names the present one
    otherwise, so that a slow pipeline never speaks for code that it has not seen.
    """
    access.require_visible(access.can_report(actor, change))
    _check_shape(name, state, summary, url)
    row = lock_change(change)
    revision = row.revision
    if revision is None or not revision.result_tree or revision.result_tree != tree:
        present = revision.result_tree if revision is not None else ""
        raise Conflict(
            "stale_revision",
            f"{tree[:12]} is not the merge result of {row.label} now"
            + (f" (that is {present[:12]}, {revision.label})" if revision is not None and present else "")
            + ". Run the check on the present one and report that.",
            current=present,
        )
    if row.check_reports.filter(tree=tree).count() >= MOST_REPORTS:
        raise Conflict("too_many_reports", f"There are {MOST_REPORTS} reports of this result already.")
    report = CheckReport.objects.create(
        repository=row.repository,
        change=row,
        tree=tree,
        target_branch=revision.target_branch,
        name=name,
        state=state,
        summary=summary,
        url=url,
        reported_by=actor,
        created_at=now(),
    )
    said = f"{actor.username} reported {name} of {row.label} {revision.label}: {report.get_state_display().lower()}"
    data = {"revision": revision.number, "tree": tree, "check": name, "state": state, "url": url}
    record(row, actor, Entry("check.reported", said, data, name))
    announce(row)
    return report


def _check_shape(name: str, state: str, summary: str, url: str) -> None:
    if not NAME.fullmatch(name):
        text = "A check is named with letters, digits, spaces and ._/:-, at most 100, as portal.yaml names it."
        raise InvalidInput("bad_check_name", text, field="name")
    if state not in CheckReport.State.values:
        raise InvalidInput("bad_check_state", "The state is pending, success or failure.", field="state")
    if len(summary) > LONGEST_SUMMARY:
        raise InvalidInput("too_long", f"A summary has at most {LONGEST_SUMMARY} characters.", field="summary")
    if url and (len(url) > LONGEST_URL or not re.match(r"https?://[^\s]+\Z", url)):
        raise InvalidInput("bad_url", "The address starts with https:// or http:// and has no spaces.", field="url")
