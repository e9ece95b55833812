"""The environment that the chart gives its containers: each name once, and nothing lost without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.operations.test_operations_chart import CASES, helm, pods, rendered
from tests.operations.test_operations_settings import answered

GIVEN: dict[str, dict[str, Any]] = {
    **CASES,
    "further names": {
        "env": {"PORTAL_ALLOWED_HOSTS": "portal.internal", "PORTAL_TRUSTED_ORIGINS": "https://portal.internal"}
    },
    "over the chart's own": {"env": {"HOME": "/data/home", "PORTAL_TRUSTED_PROXIES": 0}, "ingress": {"enabled": True}},
    "for a restore": {"maintenance": True, "env": {"PORTAL_ALLOWED_HOSTS": "portal.internal"}},
    "large and small": {"env": {"LARGE": 2500000, "SMALL": 0.5, "NO": False, "NONE": ""}, "web": {"drainSeconds": 0}},
}
TOKEN = {"PORTAL_METRICS_TOKEN": "t", "PORTAL_METRICS_TOKEN_FILE": "/run/secrets/elsewhere/token"}


def environments(values: dict[str, Any], tmp_path: Path) -> dict[str, dict[str, str]]:
    """Of each pod."""
    found = pods(rendered(values, tmp_path))
    return {name: {row["name"]: row["value"] for row in pod["containers"][0]["env"]} for name, pod in found.items()}


def refused(values: dict[str, Any], tmp_path: Path) -> str:
    done = helm("template", "portal", values=values, tmp_path=tmp_path)
    assert done.returncode != 0, "it was accepted"
    return done.stderr


@pytest.mark.parametrize("case", GIVEN)
def test_every_name_is_given_once_and_every_value_is_text(case: str, tmp_path: Path) -> None:
    for pod in pods(rendered(GIVEN[case], tmp_path)).values():
        (container,) = pod["containers"]
        names = [row["name"] for row in container["env"]]
        assert len(names) == len(set(names)), sorted(names)
        assert {type(row["value"]) for row in container["env"]} == {str}


def test_what_is_given_comes_over_what_is_only_a_default(tmp_path: Path) -> None:
    for given in environments(GIVEN["over the chart's own"], tmp_path).values():
        assert (given["HOME"], given["PORTAL_TRUSTED_PROXIES"]) == ("/data/home", "0")


def test_numbers_stay_as_they_were_written(tmp_path: Path) -> None:
    given = environments(GIVEN["large and small"], tmp_path)["portal-web"]
    assert [given[name] for name in ("LARGE", "SMALL", "NO", "NONE")] == ["2500000", "0.5", "false", ""]
    assert given["PORTAL_DRAIN_SECONDS"] == "0"
    large = environments({"worker": {"stepsWaitSeconds": 1000000}}, tmp_path)["portal-worker"]
    assert large["PORTAL_STEPS_WAIT_SECONDS"] == "1000000"


@pytest.mark.parametrize("case", ["as it is", "further names"])
def test_the_portal_answers_by_its_own_name_whatever_names_come_to_it(case: str, tmp_path: Path) -> None:
    given = environments(GIVEN[case], tmp_path)["portal-web"]
    secret = {name: value for name, value in given.items() if name.endswith("_FILE")}
    here = {name: value for name, value in given.items() if name not in secret}
    hosts, origins = answered(tmp_path, **here | {"PORTAL_DATA_DIR": str(tmp_path), "PORTAL_ENGINE": "none"})
    further = ["portal.internal"] if case == "further names" else []
    assert [name for name in hosts if "portal" in name] == ["portal.example.org", *further]
    assert origins == ["https://portal.example.org", *(f"https://{name}" for name in further)]


@pytest.mark.parametrize("place", ["env", "secret.keys"])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("PORTAL_URL", "set url instead"),
        ("PORTAL_URL_FILE", "set url instead"),
        ("PORTAL_METRICS", "set metrics.enabled instead"),
        ("PORTAL_DRAIN_SECONDS", "set web.drainSeconds instead"),
        ("PORTAL_STEPS_WAIT_SECONDS", "set worker.stepsWaitSeconds instead"),
        ("PORTAL_PROBE_PORT", "its probes go there"),
        ("PORTAL_PROBE_HOST", "its probes go there"),
        ("PORTAL_DATA_DIR", "its volume is there"),
        ("PORTAL_ENGINE", "its workers are the engine"),
    ],
)
def test_a_setting_that_belongs_to_the_chart_is_refused(place: str, name: str, said: str, tmp_path: Path) -> None:
    given = {name: "x"}
    values = {"env": given} if place == "env" else {"secret": {"keys": given}}
    assert f"{place}.{name} belongs to the chart: {said}" in refused(values, tmp_path)


@pytest.mark.parametrize("name", ["PORTAL_QUEUE_PREFIX", "PORTAL_PLAN_SECONDS"])
def test_what_the_chart_itself_reads_is_given_where_it_sees_it(name: str, tmp_path: Path) -> None:
    said = f"{name} is read by the chart, which sees no file: give it by env.{name}"
    assert said in refused({"secret": {"keys": {name: "settings"}}}, tmp_path)
    assert said in refused({"env": {f"{name}_FILE": "/run/settings/one"}}, tmp_path)


@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_URL_FILE"])
def test_a_setting_that_is_also_a_secret_is_refused(name: str, tmp_path: Path) -> None:
    said = refused({"env": {name: "x"}}, tmp_path)
    assert 'leave it out of env, or set secret.keys.DATABASE_URL to ""' in said
    values = {"env": {name: "x"}, "secret": {"keys": {"DATABASE_URL": ""}}}
    for given in environments(values, tmp_path).values():
        assert {one: value for one, value in given.items() if one.startswith("DATABASE_URL")} == {name: "x"}


@pytest.mark.parametrize("name", TOKEN)
def test_the_token_of_metrics_may_come_from_elsewhere(name: str, tmp_path: Path) -> None:
    values = {"metrics": {"enabled": True}, "env": {name: TOKEN[name]}}
    for given in environments(values, tmp_path).values():
        assert (given["PORTAL_METRICS"], given[name]) == ("true", TOKEN[name])
    said = refused({**values, "metrics": {"enabled": True, "serviceMonitor": True}}, tmp_path)
    assert "metrics.serviceMonitor needs secret.keys.PORTAL_METRICS_TOKEN" in said
