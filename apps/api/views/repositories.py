"""Repositories, their members, and the notices that forges send."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api import repository_outputs as shown
from apps.api import shapes
from apps.api.answers import member_json, repository_json
from apps.api.bodies import require_length
from apps.api.endpoints import endpoint, read
from apps.api.lookups import caller, repository_of
from apps.api.outputs import page_of
from apps.api.pages import AFTER_NAME, LIMIT, names_page
from apps.api.signed import signed_call
from apps.repositories import access
from apps.repositories import services as repositories
from apps.repositories.models import Repository

MAX_DELIVERY = 1_000_000
MEMBER_RELATED = ("user", "team")


@endpoint("GET", response=page_of(shown.RepositoryOut), summary="Repositories", parameters=[AFTER_NAME, LIMIT])
def list_repositories(request: Request) -> Response:
    """The repositories that the caller may see."""
    return names_page(request, Repository.objects.visible_to(caller(request)), repository_json, key="name")


@endpoint(
    "POST",
    scope="manage",
    request=shapes.RepositoryIn,
    response=shown.RepositoryDetailOut,
    status=201,
    summary="Connect a repository",
)
def connect_repository(request: Request) -> Response:
    """Mirror a repository; the caller becomes its maintainer. All or nothing."""
    row = repositories.connect_repository(caller(request), **read(shapes.RepositoryIn, request))
    return Response(_detail(request, row), status=201)


@endpoint("GET", response=shown.RepositoryDetailOut, summary="One repository")
def show_repository(request: Request, name: str) -> Response:
    """A repository with its members and branches."""
    return Response(_detail(request, repository_of(request, name)))


@endpoint(
    "POST", scope="propose", request=shapes.EmptyIn, response=shown.RepositoryOut, status=202, summary="Fetch now"
)
def sync_repository(request: Request, name: str) -> Response:
    """Have the mirror brought up to date as soon as possible."""
    row = repositories.request_sync(caller(request), repository=repository_of(request, name))
    return Response(repository_json(row), status=202)


@endpoint("PUT", scope="manage", request=shapes.MemberIn, response=shown.MemberOut, summary="Give a role")
def set_member(request: Request, name: str, member: str) -> Response:
    """Give a person (``alice``) or a team (``team/sre``) a role in the repository."""
    body = read(shapes.MemberIn, request)
    repository = repository_of(request, name)
    repositories.set_member(caller(request), repository=repository, member=member, role=body["role"])
    name = member.removeprefix("team/") if member.startswith("team/") else member.removeprefix("user/").strip().lower()
    column = "team__name" if member.startswith("team/") else "user__username"
    return Response(member_json(repository.roles.select_related(*MEMBER_RELATED).get(**{column: name})))


@endpoint("DELETE", scope="manage", response=shown.RepositoryDetailOut, summary="Take a role away")
def remove_member(request: Request, name: str, member: str) -> Response:
    """Take the role of a person or a team in the repository away."""
    repository = repository_of(request, name)
    repositories.remove_member(caller(request), repository=repository, member=member)
    return Response(_detail(request, repository))


@endpoint(
    "PUT",
    scope="manage",
    request=shapes.CredentialsIn,
    response=shown.RepositoryOut,
    summary="Replace the credentials",
)
def change_credentials(request: Request, name: str) -> Response:
    """Tried first: wrong ones are refused and the old ones stay. They are never shown."""
    body = read(shapes.CredentialsIn, request)
    row = repositories.change_credentials(caller(request), repository=repository_of(request, name), **body)
    return Response(repository_json(row))


@endpoint(
    "POST",
    scope="manage",
    request=shapes.EmptyIn,
    response=shown.WebhookSecretOut,
    status=201,
    summary="New webhook secret",
    withheld=["secret"],
)
def rotate_webhook_secret(request: Request, name: str) -> Response:
    """The old one stops working at once; the new one is in this answer and nowhere else."""
    secret = repositories.rotate_webhook_secret(caller(request), repository=repository_of(request, name))
    return Response({"secret": secret}, status=201)


def _detail(request: Request, row: Repository) -> dict[str, object]:
    branches = {tip.name: tip.oid for tip in row.branch_tips.order_by("name")}
    members = [member_json(role) for role in row.roles.select_related(*MEMBER_RELATED).order_by("pk")]
    mine = sorted(access.capabilities(caller(request), row))
    return repository_json(row) | {"branches": branches, "members": members, "may": mine}


@signed_call(
    "accept_delivery",
    summary="Notice of a Git host",
    description="Signed with the webhook secret of the repository. It only makes the portal look at Git; "
    "the same delivery counts once.",
    request={"type": "object"},
    response=shown.DeliveryOut,
    refusals={
        403: "Not signed with the secret of this repository.",
        404: "No such kind of host.",
        422: "No JSON object.",
    },
    tag="webhooks",
)
def accept_delivery(request: Request, provider: str, name: str) -> Response:
    """A forge says that something was pushed. Believed only as far as its signature, and only as a hint."""
    require_length(request, most=MAX_DELIVERY)
    row = repositories.accept_delivery(
        repository_name=name, provider=provider, headers=dict(request.headers), body=request.body
    )
    return Response({"delivery": row.delivery_id, "status": row.status}, status=202)
