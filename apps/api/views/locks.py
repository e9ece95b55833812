"""Locks that people hold on environments."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.endpoints import endpoint, read
from apps.api.lock_outputs import LockIn, LockOut, TakeOverIn, lock_json
from apps.api.lookups import caller, environment_of
from apps.deployments import services as deployments


@endpoint("PUT", scope="deploy", request=LockIn, response=LockOut, summary="Lock an environment")
def lock_environment(request: Request, repository: str, environment: str) -> Response:
    """Until then only the holder's deployments start there, and roll-backs. One's own lock is prolonged."""
    row = environment_of(request, repository, environment)
    return Response(lock_json(deployments.lock_environment(caller(request), environment=row, **read(LockIn, request))))


@endpoint("POST", scope="deploy", request=TakeOverIn, response=LockOut, summary="Take a lock over")
def take_over_lock(request: Request, repository: str, environment: str) -> Response:
    """``lock`` is the one that was seen: if it is not the present one any more, 409."""
    row = environment_of(request, repository, environment)
    found = deployments.take_over_lock(caller(request), environment=row, **read(TakeOverIn, request))
    return Response(lock_json(found))


@endpoint("DELETE", scope="deploy", status=204, summary="Unlock an environment")
def unlock_environment(request: Request, repository: str, environment: str) -> Response:
    """For the holder and maintainers; another deployer takes it over."""
    row = environment_of(request, repository, environment)
    deployments.unlock_environment(caller(request), environment=row)
    return Response(status=204)
