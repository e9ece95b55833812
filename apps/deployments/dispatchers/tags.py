"""A tag at exactly the approved commit, for systems that run branches and tags but no commits (``deploy.tag``).

It is named after the attempt, so a repeat finds it, and not by its key, which nobody may know before the run has it. It is created, never moved: one that is elsewhere
refuses the start. A tag starts nothing that we count, so one whose creation was not answered is looked for again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.errors import Unavailable
from apps.deployments.dispatchers import NotSent, Refused, Run
from apps.deployments.dispatchers.answers import NOT_THERE
from apps.deployments.dispatchers.http import Client
from apps.deployments.dispatchers.remote import NOT_APPROVED, mapping, plain, segment
from apps.deployments.keys import public_name

UNKNOWN_COMMIT = 422
"""What GitHub answers for a commit that it does not have."""


@dataclass(frozen=True, slots=True)
class Place:
    """One tag of one repository: paths below the connection's address.

    ``no_commit`` is the status that answers ``commit`` where the repository lacks it. ``at`` reads the commit out of what
    answers ``look``; nothing for an annotated tag, which is none of ours.
    """

    system: str
    where: str
    tag: str
    commit: str
    no_commit: int
    look: str
    create: str
    body: Mapping[str, str]
    delete: str
    at: Callable[[Mapping[str, Any]], str]


def tag_of(run: Run) -> str:
    """The tag at which this run starts, such as ``portal/production/<public name of the key>``; empty where it starts at a branch.

    A run that is repeated keeps the one that it was started at.
    """
    if not run.options.get("tag"):
        return ""
    place = run.environment["PORTAL_ENVIRONMENT"].replace(".", "-")  # dots make some names that Git does not take
    return str(run.external.get("tag") or f"portal/{place}/{public_name(run.key)}")


def kept_tag(run: Run) -> dict[str, Any]:
    """What is stored of it before anything is asked for."""
    tag = tag_of(run)
    return {"tag": tag} if tag else {}


def of_github(run: Run, repository: str) -> Place:
    """``repository`` is its path at the API."""
    tag = tag_of(run)
    ref = segment(f"tags/{tag}")
    return Place(
        system="GitHub",
        where=str(run.options["repository"]),
        tag=tag,
        commit=f"{repository}/commits/{run.commit}",
        no_commit=UNKNOWN_COMMIT,
        look=f"{repository}/git/ref/{ref}",
        create=f"{repository}/git/refs",
        body={"ref": f"refs/tags/{tag}", "sha": run.commit},
        delete=f"{repository}/git/refs/{ref}",
        at=_at_github,
    )


def of_gitlab(run: Run, project: str) -> Place:
    """``project`` is its path at the API."""
    tag = tag_of(run)
    path = f"{project}/repository/tags/{segment(tag) if tag else ''}"
    return Place(
        system="GitLab",
        where=str(run.options["project"]),
        tag=tag,
        commit=f"{project}/repository/commits/{run.commit}",
        no_commit=NOT_THERE,
        look=path,
        create=f"{project}/repository/tags",
        body={"tag_name": tag, "ref": run.commit},
        delete=path,
        at=lambda told: str(told.get("target") or ""),
    )


def pin(client: Client, run: Run, place: Place) -> str:
    """The tag, which is at the approved commit; made if it was not there.

    :class:`Refused` when it is elsewhere or may not be made, :class:`NotSent` while the commit has not arrived there, and
    when nobody can tell: nothing was started yet.
    """
    found = _found(client, place)
    if found is None:
        _create(client, run, place)
        found = _found(client, place)
    if found is None:
        raise NotSent("tag_not_shown", f"{place.system} took the tag {place.tag} and does not show it yet.")
    if found != run.commit:
        raise Refused(
            "tag_elsewhere",
            f"The tag {place.tag} in {plain(place.where, 100)} is at {plain(found, 10) or 'no commit'}, not at the approved "
            f"{run.commit[:10]}. {NOT_APPROVED}, and the portal moves no tag. Find out who made it; Retry makes another.",
        )
    return place.tag


def unpin(client: Client, run: Run, place: Place) -> None:
    """Delete the tag where it is ours; one that cannot be deleted stays."""
    if place.tag:
        with contextlib.suppress(Unavailable):
            if _found(client, place) == run.commit:
                client.change("DELETE", place.delete)


def _create(client: Client, run: Run, place: Place) -> None:
    if client.ask_first(place.commit, nothing_at=place.no_commit) is None:
        text = f"{plain(place.where, 100)} does not have the approved {run.commit[:10]}: it has not arrived in {place.system} yet."
        raise NotSent("commit_missing", text)
    try:
        client.change("POST", place.create, json=dict(place.body))
    except NotSent:
        raise
    except Refused as problem:
        if _found(client, place) is None:
            hint = "`tag: true` in portal.yaml needs the right to create tags (docs/dispatchers.md)."
            raise Refused(problem.code, f"{problem.message} {hint}") from problem
    except Unavailable as problem:
        raise NotSent(problem.code, f"{problem.message} No run was asked for yet.", **problem.details) from problem


def _found(client: Client, place: Place) -> str | None:
    """The commit of the tag, empty for one that names no commit; ``None`` when there is no such tag."""
    told = client.ask_first(place.look, nothing_at=NOT_THERE)
    return None if told is None else place.at(mapping(told))


def _at_github(told: Mapping[str, Any]) -> str:
    at = mapping(told.get("object"))
    return str(at.get("sha") or "") if at.get("type") == "commit" else ""
