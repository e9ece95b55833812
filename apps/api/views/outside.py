"""What was pushed to target branches past the portal."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.answers import change_row_json
from apps.api.endpoints import endpoint
from apps.api.lookups import caller, change_of, outside_change_of, repository_of
from apps.api.outputs import ChangeRowOut, page_of
from apps.api.outside_outputs import OutsideChangeOut, outside_change_json
from apps.api.pages import AFTER, LIMIT, number_parameter, page, page_size
from apps.api.shapes import EmptyIn
from apps.changes.models import ChangeRequest
from apps.changes.outside import rows_of
from apps.core.paging import keyset_page
from apps.deployments import services as deployments


@endpoint("GET", response=page_of(OutsideChangeOut), summary="Outside changes of a repository",
          parameters=[AFTER, LIMIT])  # fmt: skip
def list_outside_changes(request: Request, name: str) -> Response:
    """Pushes to target branches that no change of the portal made, newest first, settled ones too."""
    rows = rows_of(repository_of(request, name))
    found = keyset_page(rows, key="pk", after=number_parameter(request, "after"), limit=page_size(request))
    return page(request, found.items, outside_change_json, found.next_after)


@endpoint("POST", scope="propose", request=EmptyIn, response=ChangeRowOut, status=201,
          summary="Propose to adopt an outside change")  # fmt: skip
def adopt(request: Request, name: str, outside: int) -> Response:
    """A change of exactly what was pushed, judged by the policy from before; landing it pushes nothing and deploys it."""
    row = outside_change_of(request, name, outside)
    return _made(request, deployments.adopt_outside_change(caller(request), outside=row))


@endpoint("POST", scope="propose", request=EmptyIn, response=ChangeRowOut, status=201,
          summary="Propose to revert an outside change")  # fmt: skip
def revert(request: Request, name: str, outside: int) -> Response:
    """The inverse of what was pushed, on the present tip, as a change with the ordinary gate."""
    row = outside_change_of(request, name, outside)
    return _made(request, deployments.revert_outside_change(caller(request), outside=row))


def _made(request: Request, change: ChangeRequest) -> Response:
    return Response(change_row_json(change_of(request, change.number)), status=201)
