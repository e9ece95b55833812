"""Who may merge, deploy, decide and keep secrets: one function per verb, used by page, API and socket."""

from __future__ import annotations

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.core.verdict import ALLOWED, Verdict, refused
from apps.deployments.models import Connection, Deployment, Environment, EnvironmentLock
from apps.repositories import access as repositories
from apps.repositories.models import Repository
from apps.repositories.roles import DEPLOY


def _is_owner(user: User, change: ChangeRequest) -> bool:
    return user.pk in {change.owner_id, change.requester_id} - {None}


def can_merge(user: User, change: ChangeRequest) -> Verdict:
    """Owner or requester who writes here, or a deployer; a reviewer alone may not."""
    return _owner_or_deployer(user, change, "merging it")


def can_abort(user: User, change: ChangeRequest) -> Verdict:
    """Stopping a merge before it is pushed: who may merge, and who may review; it only closes what they opened."""
    may = can_merge(user, change)
    return may if may.allowed or may.code == "not_visible" else repositories.can_review(user, change.repository)


def can_deploy(user: User, change: ChangeRequest) -> Verdict:
    """Start, cancel, retry and roll back deployments of ``change``."""
    return _owner_or_deployer(user, change, "deploying it")


def _owner_or_deployer(user: User, change: ChangeRequest, doing: str) -> Verdict:
    deploys = repositories.can_deploy(user, change.repository)
    if deploys.allowed or deploys.code == "not_visible":
        return deploys
    if _is_owner(user, change) and repositories.can_write(user, change.repository).allowed:
        return repositories.can_write(user, change.repository)
    return refused(
        "not_deployer",
        f"{change.label} belongs to somebody else, and {doing} needs the role deployer in "
        f"{change.repository.name}. Its owner, a deployer or a maintainer can do it.",
        repository=change.repository.name,
        role=repositories.NEEDED[DEPLOY],
    )


def can_run(user: User, deployment: Deployment) -> Verdict:
    """Start, cancel, retry or roll back this deployment."""
    return can_deploy(user, deployment.change)


def can_bring_back(user: User, environment: Environment) -> Verdict:
    """Take an environment back to an earlier state, whoever's changes came since: deployers."""
    return repositories.can_deploy(user, environment.repository)


def can_resolve(user: User, deployment: Deployment) -> Verdict:
    """Say how a deployment with unknown outcome ended: deployers and maintainers, not the author alone."""
    return repositories.can_deploy(user, deployment.environment.repository)


def can_keep_secrets(user: User, environment: Environment) -> Verdict:
    return repositories.can_maintain(user, environment.repository)


def can_manage_connections(user: User) -> Verdict:
    """Make, change, allow and remove connections: with their credentials whole environments can be changed."""
    if user.is_active and user.is_superuser:
        return ALLOWED
    return refused("not_administrator", "Connections are kept by administrators. One of them can do it for you.")


def can_see_connection(user: User, connection: Connection) -> Verdict:
    """Its name, kind, address and state: administrators, and maintainers of a repository that may use it."""
    if can_manage_connections(user).allowed:
        return ALLOWED
    granted = (grant.repository for grant in connection.grants.all())
    if any(repositories.can_maintain(user, repository).allowed for repository in granted):
        return ALLOWED
    return refused("not_visible", "There is no such connection, or you may not see it.")


def can_test_connection(user: User, connection: Connection) -> Verdict:
    """Who sees it may try it: a try changes nothing there."""
    return can_see_connection(user, connection)


def can_publish_status(user: User, environment: Environment) -> Verdict:
    """What strangers may read of an environment: maintainers decide."""
    return repositories.can_maintain(user, environment.repository)


def can_compare(user: User, environment: Environment) -> Verdict:
    """Asking for renderings costs time of the workers: whoever may ask for a change may."""
    return repositories.can_ask(user, environment.repository)


def can_check_drift(user: User, environment: Environment) -> Verdict:
    """A look changes nothing there, but asks another system and costs time of the workers: whoever may ask for a change."""
    return repositories.can_ask(user, environment.repository)


def can_settle_drift(user: User, environment: Environment) -> Verdict:
    """Letting drift be for a while: deployers, who would put it right otherwise."""
    return repositories.can_deploy(user, environment.repository)


def can_lock(user: User, environment: Environment) -> Verdict:
    """Keep an environment for one's own deployments, and take such a lock over: deployers."""
    return repositories.can_deploy(user, environment.repository)


def can_unlock(user: User, lock: EnvironmentLock) -> Verdict:
    """Its holder, and maintainers; another deployer takes it over, by name and with a reason."""
    if lock.holder_id == user.pk and can_lock(user, lock.environment).allowed:
        return ALLOWED
    return repositories.can_maintain(user, lock.environment.repository)


def can_guard(user: User, repository: Repository) -> Verdict:
    """Asking what a Git host may take: its service account, and maintainers."""
    see = repositories.can_ask(user, repository)
    if not see.allowed or not user.is_human:
        return see
    return repositories.can_maintain(user, repository)


def require_merge(user: User, change: ChangeRequest) -> None:
    can_merge(user, change).require()


def require_deploy(user: User, change: ChangeRequest) -> None:
    can_deploy(user, change).require()


def require_bring_back(user: User, environment: Environment) -> None:
    can_bring_back(user, environment).require()


def require_run(user: User, deployment: Deployment) -> None:
    can_run(user, deployment).require()


def require_resolve(user: User, deployment: Deployment) -> None:
    can_resolve(user, deployment).require()


def require_manage_connections(user: User) -> None:
    can_manage_connections(user).require()


def require_test_connection(user: User, connection: Connection) -> None:
    can_test_connection(user, connection).require()


def require_lock(user: User, environment: Environment) -> None:
    can_lock(user, environment).require()


def require_unlock(user: User, lock: EnvironmentLock) -> None:
    can_unlock(user, lock).require()


def require_keep_secrets(user: User, environment: Environment) -> None:
    can_keep_secrets(user, environment).require()


def require_publish_status(user: User, environment: Environment) -> None:
    can_publish_status(user, environment).require()


def require_compare(user: User, environment: Environment) -> None:
    can_compare(user, environment).require()


def require_check_drift(user: User, environment: Environment) -> None:
    can_check_drift(user, environment).require()


def require_settle_drift(user: User, environment: Environment) -> None:
    can_settle_drift(user, environment).require()
