"""``via: kubernetes`` with a job: one Job whose name comes from the key of the attempt, so that there can be only one.

A second request to create it is answered by "already exists"; the annotation with the whole key then tells that it is ours.
The cluster removes a Job a day after its end; one that is not there any more is never made again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from apps.core.clock import now
from apps.core.errors import Unavailable
from apps.deployments.dispatchers import (
    LOOK_FOR,
    InDoubt,
    Progress,
    Refused,
    ResourceState,
    Run,
    RunState,
    StepProgress,
    StepState,
)
from apps.deployments.dispatchers.kube_api import MANAGER, Answered, KubeApi, condition, metadata, option
from apps.deployments.dispatchers.remote import LOG_MOST, as_ended, log_window, mapping, moment, plain
from apps.deployments.dispatchers.words import minutes
from apps.policies.config.kube_jobs import why_no_job

DEFAULT_TIMEOUT = 3600.0
KEEP = 24 * 3600
"""Seconds for which the cluster keeps a Job that has ended."""
GONE_WITHIN = 600.0
"""Seconds in which a Job that was deleted is gone, with its pods; the cluster gives these 30 to end by themselves."""
KEY = f"{MANAGER}/key"
CONTAINER = "job"
MOST_CODE = 2**31 - 1


def name_of_job(run: Run) -> str:
    return f"{MANAGER}-{run.key[:40]}".lower()


def _many(run: Run) -> str:
    return f"/apis/batch/v1/namespaces/{quote(option(run, 'namespace') or 'default', safe='')}/jobs"


def _one(run: Run) -> str:
    return f"{_many(run)}/{quote(name_of_job(run), safe='')}"


def _asked(run: Run) -> dict[str, Any]:
    """What portal.yaml says of the job; :class:`Refused` where it cannot be run."""
    job: dict[str, Any] = run.options.get("job") or {}
    if problem := why_no_job(job):
        raise Refused("bad_job", f"{problem}. A maintainer changes `deploy` in .gitops/portal.yaml.")
    return {
        "image": job["image"],
        "command": job.get("command", []),
        "env": job.get("env", {}),
        "account": job.get("serviceAccount"),
        "limit": job.get("backoffLimit", 0),
    }


def body_of(run: Run) -> dict[str, Any]:
    """The Job. Secrets of the environment are not in it."""
    asked = _asked(run)
    env = {
        **{str(key): _spelled(value) for key, value in asked["env"].items()},
        **run.environment,
        "PORTAL_KEY": run.key,
    }
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": asked["image"],
        "env": [{"name": name, "value": value} for name, value in sorted(env.items())],
    }
    if asked["command"]:
        container["command"] = asked["command"]
    pod: dict[str, Any] = {"restartPolicy": "Never", "containers": [container]}
    if asked["account"]:
        pod["serviceAccountName"] = asked["account"]
    marks = {f"{MANAGER}/job": run.key[:40].lower()}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name_of_job(run), "labels": marks, "annotations": {KEY: run.key}},
        "spec": {
            "backoffLimit": asked["limit"],
            "activeDeadlineSeconds": int(float(run.options.get("timeout") or DEFAULT_TIMEOUT)),
            "ttlSecondsAfterFinished": KEEP,
            "template": {"metadata": {"labels": marks}, "spec": pod},
        },
    }


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def dispatch(run: Run) -> Mapping[str, Any]:
    body = body_of(run)
    with KubeApi(run.outside) as api:
        try:
            _, made = api.change("POST", _many(run), params={"fieldManager": MANAGER}, json=body)
        except Answered as problem:
            if problem.status != 409:
                raise Refused("outside_refused", f"The job was not taken: {problem.words}") from problem
            made = _existing(run, api)
    return {"uid": str(metadata(made).get("uid") or "")}


def _existing(run: Run, api: KubeApi) -> dict[str, Any]:
    """The Job that has our name, if it is ours."""
    found = _get(run, api)
    if found is None:
        raise InDoubt("job_gone", "The job is there and is not; it is looked for again.")
    if mapping(metadata(found).get("annotations")).get(KEY) != run.key:
        raise Refused("not_ours", f"A job named {name_of_job(run)} exists that is not of this attempt.")
    return found


def _get(run: Run, api: KubeApi) -> dict[str, Any] | None:
    try:
        return api.get(_one(run))
    except Answered as problem:
        raise Unavailable("outside_refused", f"The job cannot be read: {problem.words}") from problem


def observe(run: Run) -> Progress:
    if not run.is_sent:
        return Progress(RunState.NOT_STARTED)
    with KubeApi(run.outside) as api:
        job = _get(run, api)
        uid = str(run.external.get("uid") or "")
        if job is None:
            return _not_there(run, uid)
        if mapping(metadata(job).get("annotations")).get(KEY) != run.key or (uid and metadata(job).get("uid") != uid):
            return Progress(RunState.LOST, problem=f"{name_of_job(run)} is another job than the one that was started.")
        pods = _pods(run, api)
    return _progress(run, job, pods)


def _not_there(run: Run, uid: str) -> Progress:
    """Deleted by us, by somebody, or never made: only in the first minute the last is sure enough to ask again."""
    if run.is_cancelled and (uid or run.age(now()) > LOOK_FOR):
        return Progress(RunState.ENDED, outcome="cancelled", text="The job was deleted.")
    if uid:
        return Progress(
            RunState.LOST, problem=f"The job {name_of_job(run)} was deleted; how far it came nobody can say."
        )
    if run.age(now()) <= LOOK_FOR:
        return Progress(RunState.RUNNING if run.is_cancelled else RunState.NOT_STARTED)
    return Progress(RunState.LOST, problem=f"The answer was lost, and there is no job {name_of_job(run)}.")


def _pods(run: Run, api: KubeApi) -> list[dict[str, Any]]:
    """The pods of the job, oldest first."""
    path = f"/api/v1/namespaces/{quote(option(run, 'namespace') or 'default', safe='')}/pods"
    found = api.items(path, f"job-name={name_of_job(run)}")
    return sorted(found, key=lambda pod: (str(metadata(pod).get("creationTimestamp")), str(metadata(pod).get("name"))))


def _progress(run: Run, job: Mapping[str, Any], pods: list[dict[str, Any]]) -> Progress:
    failed = condition(job, "Failed") if condition(job, "Failed").get("status") == "True" else {}
    complete = condition(job, "Complete").get("status") == "True"
    is_over = bool(failed) or complete
    is_last = [pod is pods[-1] for pod in pods]
    steps = tuple(_step(number, pod, job_failed=bool(failed), over=is_over or not last)
                  for number, (pod, last) in enumerate(zip(pods, is_last, strict=True)))  # fmt: skip
    state = ResourceState("Job", name_of_job(run), option(run, "namespace") or "default", "batch", "synced")
    if complete:
        return Progress(
            RunState.ENDED, steps, "succeeded", "The job is complete.", resources=(_with(state, "healthy"),)
        )
    if failed and not metadata(job).get("deletionTimestamp"):
        said = plain(failed.get("message")) or "it failed"
        problem = f"The job failed: {said}"
        if failed.get("reason") == "DeadlineExceeded":
            problem = f"The job did not end in {minutes(float(run.options.get('timeout') or DEFAULT_TIMEOUT))} and was stopped."
        return Progress(RunState.ENDED, steps, "failed", problem=problem, resources=(_with(state, "degraded"),))
    return _going_on(job, pods, steps, _with(state, "progressing"))


def _going_on(
    job: Mapping[str, Any], pods: list[dict[str, Any]], steps: tuple[StepProgress, ...], state: ResourceState
) -> Progress:
    """It runs, or its deletion waits for its pods; one that is not gone in time can still be at work."""
    deleted = moment(metadata(job).get("deletionTimestamp"))
    if deleted is None:
        waiting = _why_waiting(pods[-1]) if pods else "no pod has begun"
        return Progress(RunState.RUNNING, steps, text=f"The job runs: {waiting}.", resources=(state,))
    name = metadata(job).get("name")
    if (now() - deleted).total_seconds() > GONE_WITHIN:
        problem = f"The job {name} was deleted, and is not gone after {minutes(GONE_WITHIN)}: its pods may still work."
        return Progress(RunState.LOST, steps, problem=problem, resources=(state,))
    return Progress(RunState.RUNNING, steps, text="The job is deleted; its pods are stopped.", resources=(state,))


def _with(state: ResourceState, health: str) -> ResourceState:
    return ResourceState(state.kind, state.name, state.namespace, state.group, state.sync, health)


def _container(pod: Mapping[str, Any]) -> dict[str, Any]:
    """What the kubelet says of our container."""
    found = mapping(pod.get("status")).get("containerStatuses")
    ours = (
        [one for one in found if isinstance(one, dict) and one.get("name") == CONTAINER]
        if isinstance(found, list)
        else []
    )
    return mapping(ours[0].get("state")) if ours else {}


def _why_waiting(pod: Mapping[str, Any]) -> str:
    waiting = mapping(_container(pod).get("waiting"))
    words = plain(waiting.get("message") or waiting.get("reason"))
    return words or f"its pod is {plain(mapping(pod.get('status')).get('phase'), 40) or 'not known'}"


def _step(number: int, pod: Mapping[str, Any], *, job_failed: bool, over: bool) -> StepProgress:
    """One pod; those after the first are repetitions that ``backoffLimit`` allows."""
    key = f"pod-{plain(metadata(pod).get('name'), 90)}"
    name = "job" if number == 0 else f"job, try {number + 1}"
    ended = mapping(_container(pod).get("terminated"))
    began = moment(ended.get("startedAt") or mapping(_container(pod).get("running")).get("startedAt"))
    code = ended.get("exitCode")
    if isinstance(code, int):
        return StepProgress(
            StepState.ENDED, key, name, reason="exited", exit_code=min(max(code, -1), MOST_CODE), began=began, ended=moment(ended.get("finishedAt")),
            is_optional=not job_failed,
        )  # fmt: skip
    if over:
        return StepProgress(
            key=key, name=name, is_optional=not job_failed, **as_ended("its pod was stopped" if job_failed else "")
        )
    state = StepState.RUNNING if _container(pod).get("running") else StepState.WAITING
    return StepProgress(state, key, name, began=began)


def read_log(run: Run, key: str, offset: int, limit: int) -> bytes:
    """What a pod printed. A pod that is gone took the rest with it."""

    def fetch() -> bytes:
        path = f"/api/v1/namespaces/{quote(option(run, 'namespace') or 'default', safe='')}/pods/{quote(key[4:], safe='')}/log"
        with KubeApi(run.outside) as api:
            params = {"container": CONTAINER, "limitBytes": str(LOG_MOST)}
            answer = api.client.read(path, allow=(400, 404), most=LOG_MOST, params=params, headers={"Accept": "*/*"})
        return answer.body if answer.status < 300 else b""

    return log_window(run, key, fetch, offset, limit)


def cancel(run: Run) -> bool:
    if not run.is_sent:
        return False
    with KubeApi(run.outside) as api:
        job = _get(run, api)
        if job is None or mapping(metadata(job).get("annotations")).get(KEY) != run.key:
            return True
        if metadata(job).get("deletionTimestamp"):
            return True
        if condition(job, "Complete").get("status") == "True" or condition(job, "Failed").get("status") == "True":
            return True
        options = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": "Foreground",
            "preconditions": {"uid": metadata(job).get("uid")},
        }
        try:
            api.change("DELETE", _one(run), json=options)
        except Answered as problem:
            if problem.status not in {404, 409}:
                raise Unavailable("outside_refused", f"The job could not be deleted: {problem.words}") from problem
    return True
