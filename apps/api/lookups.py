"""Finding the object that a URL names, as this person may see it: otherwise it does not exist (404)."""

from __future__ import annotations

from rest_framework.request import Request

from apps.accounts.models import User
from apps.accounts.queries import users_by_handle
from apps.changes import outside
from apps.changes import queries as changes
from apps.changes.models import ChangeRequest, OutsideChange
from apps.core.errors import InvalidInput, NotVisible
from apps.deployments import queries as deployments
from apps.deployments.models import Deployment, Environment
from apps.repositories.models import Repository
from apps.reviews.drafts import drafts_of
from apps.reviews.models import DraftComment, Thread


def caller(request: Request) -> User:
    """The signed-in person; the permission class has already refused everybody else."""
    user = request.user
    if not isinstance(user, User):
        raise NotVisible("not_found", "There is nothing here that you can see.")
    return user


def repository_of(request: Request, name: str) -> Repository:
    row = Repository.objects.visible_to(caller(request)).filter(name=name).first()
    if row is None:
        raise NotVisible("not_found", f"There is no repository {name} that you can see.")
    return row


def change_of(request: Request, number: int) -> ChangeRequest:
    return changes.find(caller(request), number)


def deployment_of(request: Request, number: int) -> Deployment:
    return deployments.find(caller(request), number)


def environment_of(request: Request, repository: str, name: str) -> Environment:
    row = Environment.objects.filter(repository=repository_of(request, repository), name=name).first()
    if row is None:
        raise NotVisible("not_found", f"{repository} has no environment {name}.")
    return row


def outside_change_of(request: Request, name: str, key: int) -> OutsideChange:
    return outside.find(caller(request), name, key)


def thread_of(request: Request, number: int, thread: int) -> Thread:
    rows = Thread.objects.filter(change=change_of(request, number), number=thread)
    row = rows.select_related("change__repository", "created_by").first()
    if row is None:
        raise NotVisible("not_found", f"CHG-{number} has no thread {thread}.")
    return row


def draft_of(request: Request, number: int, draft: int) -> DraftComment:
    row = drafts_of(caller(request), change_of(request, number)).filter(pk=draft).first()
    if row is None:
        raise NotVisible("not_found", f"You have no such draft on CHG-{number}.")
    return row


def person_named(username: str) -> User:
    row = User.objects.filter(username=username.lower()).first()
    if row is None:
        raise InvalidInput("unknown_user", f"There is nobody called {username}.", field="user")
    return row


def people_named(usernames: list[str]) -> list[User]:
    """The people behind a list of handles; the first unknown one is named."""
    found = users_by_handle(usernames)
    missing = [name for name in usernames if name not in found]
    if missing:
        raise InvalidInput("unknown_user", f"There is nobody called {missing[0]}.", field="members")
    return list(found.values())
