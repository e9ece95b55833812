"""The environment is understood or refused with a sentence: nothing is silently another configuration."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.http.request import validate_host

from apps.worker import connections, embedded
from apps.worker.embedded import THREADS
from gitops_portal import celery, env
from gitops_portal.env import BadEnvironment
from gitops_portal.settings import ENGINE_THREADS
from tests.support.server import ROOT

POSTGRES, REDIS = "postgres://portal@db/portal", "redis://redis/0"
SECRET = {"PORTAL_SECRET_KEY": "k" * 50}


WHAT_IT_DOES = (
    "from django.conf import settings as s; pool = s.DATABASES['default'].get('OPTIONS', {}).get('pool', {});"
    "print(s.PORTAL_ENGINE, s.DATABASES['default']['ENGINE'].rpartition('.')[2], pool.get('max_size'), s.PORTAL_URL)"
)
WHOM_IT_ANSWERS = "from django.conf import settings as s; print(*s.ALLOWED_HOSTS); print(*s.CSRF_TRUSTED_ORIGINS)"


def started(tmp_path: Path, code: str = WHAT_IT_DOES, **given: str) -> subprocess.CompletedProcess[str]:
    """A process that reads the settings of this environment, and prints what it would do with them."""
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "gitops_portal.settings",
        "PORTAL_DATA_DIR": str(tmp_path / "data"), **given,
    }  # fmt: skip
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


def assert_refused(done: subprocess.CompletedProcess[str], said: str) -> None:
    assert done.returncode != 0, done.stdout
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_set_is_a_portal_in_one_process(tmp_path: Path) -> None:
    assert started(tmp_path).stdout.split() == ["embedded", "sqlite3", "None", "http://127.0.0.1:8000"]
    assert started(tmp_path, HOST="::1", PORTAL_URL="").stdout.split()[-1] == "http://[::1]:8000"
    assert started(tmp_path, HOST="", PORT="").stdout.split()[-1] == "http://127.0.0.1:8000"
    assert started(tmp_path, PORT="0").stdout.split()[-1] == "http://127.0.0.1:0", (
        "any free port, and nobody set PORTAL_URL"
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"PORTAL_ENGINE": "celery"}, "needs REDIS_URL"),
        ({"PORTAL_ENGINE": "celery", "DATABASE_URL": POSTGRES}, "needs REDIS_URL"),
        ({"PORTAL_ENGINE": "celery", "REDIS_URL": REDIS}, "set DATABASE_URL"),
        ({"REDIS_URL": REDIS}, "set DATABASE_URL"),
        ({"REDIS_URL": REDIS}, "(DATABASE_URL=sqlite:///{data}/portal.sqlite3)"),
        (
            {"REDIS_URL": REDIS, "DATABASE_URL": "sqlite:////portal.sqlite3", "PORTAL_SECRET_KEY": ""},
            "must be set when",
        ),
    ],
)
def test_celery_without_what_it_needs_does_not_start_and_look_healthy(
    tmp_path: Path, given: dict[str, str], said: str
) -> None:
    done = started(tmp_path, **{**SECRET, **given})
    assert_refused(done, said.format(data=tmp_path / "data"))


@pytest.mark.parametrize(
    ("given", "engine", "database"),
    [
        ({"DATABASE_URL": POSTGRES, "REDIS_URL": REDIS}, "celery", "postgresql"),
        ({"DATABASE_URL": "sqlite:////tmp/portal.sqlite3", "REDIS_URL": REDIS}, "celery", "sqlite3"),
        ({"REDIS_URL": REDIS, "PORTAL_ENGINE": "embedded"}, "embedded", "sqlite3"),
        ({"DATABASE_URL": POSTGRES}, "embedded", "postgresql"),
    ],
)
def test_what_can_work_starts(tmp_path: Path, given: dict[str, str], engine: str, database: str) -> None:
    assert started(tmp_path, **given, **SECRET).stdout.split()[:2] == [engine, database]


def test_whoever_scales_out_is_told_where_the_key_is_that_was_made_before(tmp_path: Path) -> None:
    started(tmp_path)
    given = {"REDIS_URL": REDIS, "DATABASE_URL": f"sqlite:///{tmp_path}/data/portal.sqlite3"}
    assert_refused(started(tmp_path, **given), f"made here is in {tmp_path}/data/secret.key")


@pytest.mark.parametrize("level", ["WARN", "FATAL"])
def test_names_of_levels_that_python_knows_are_known(tmp_path: Path, level: str) -> None:
    assert started(tmp_path, PORTAL_LOG_LEVEL=level).returncode == 0


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "PORTAL_ENCRYPTION_KEY", "PORTAL_SECRET_KEY"])
@pytest.mark.parametrize(
    ("content", "said"), [(b"", "is empty"), (b" \n\t", "is empty"), (b"\xff\xfek", "is no text in UTF-8")]
)
def test_a_secret_file_with_nothing_to_read_is_no_other_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, said: str
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    monkeypatch.setenv(name, "and not this one")
    monkeypatch.setenv(f"{name}_FILE", str(file))
    with pytest.raises(BadEnvironment, match=f"{name}_FILE: {file} {said}"):
        env.text(name)


@pytest.mark.parametrize(
    ("name", "content", "read", "expected"),
    [
        ("PORTAL_METRICS", "true", env.flag, True),
        ("PORTAL_POLL_SECONDS", "7.5", lambda name: env.number(name, 15), 7.5),
        ("PORTAL_PORT", "7", lambda name: env.whole(name, 15), 7),
        ("PORTAL_ENGINE", "none", lambda name: env.choice(name, "embedded", ("embedded", "none")), "none"),
    ],
)
def test_whatever_the_kind_of_a_setting_its_file_is_read(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: str,
    read: Callable[[str], object],
    expected: object,
) -> None:
    file = tmp_path / "setting"
    file.write_text(f"{content}\n")
    monkeypatch.setenv(f"{name}_FILE", str(file))
    assert read(name) == expected


def test_an_empty_file_stops_the_start_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "url").touch()
    assert_refused(started(tmp_path, DATABASE_URL_FILE=str(tmp_path / "url")), f"DATABASE_URL_FILE: {tmp_path}/url is")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORTAL_LEASE_SECONDS", "-5", "between 1 and 3600"),
        ("PORTAL_LEASE_SECONDS", "0", "between 1 and 3600"),
        ("PORTAL_LEASE_SECONDS", "nan", "between 1 and 3600"),
        ("PORTAL_LEASE_SECONDS", "inf", "between 1 and 3600"),
        ("PORTAL_LEASE_SECONDS", "soon", "must be a number"),
        ("PORTAL_HTTP_THREADS", "0", "between 1 and 1000"),
        ("PORTAL_HTTP_THREADS", "2.5", "a whole number"),
        ("PORTAL_PROBE_PORT", "99999", "between 0 and 65535"),
        ("PORTAL_TRUSTED_PROXIES", "-1", "0 or more"),
        ("PORTAL_RUNS_KEEP_DAYS", "-1", "0 or more"),
        ("PORTAL_LOG_LEVEL", "verbose", "one of DEBUG, INFO"),
        ("PORTAL_URL", "portal.example.org", "begins with https://, http://"),
        ("PORTAL_URL", "https://", "begins with https://, http://"),
        ("PORTAL_URL", "https:///queue", "must be scheme and host"),
        ("PORTAL_URL", "https://portal.example.org/portal", "must be scheme and host"),
        ("PORTAL_URL", "https://portal.example.org:port", "must be scheme and host"),
        ("PORTAL_URL", "https://portal.example.org:0", "must be scheme and host"),
        ("PORTAL_URL", "https://*", "must be scheme and host"),
        ("PORTAL_URL", "https://.example.org", "must be scheme and host"),
    ],
)
def test_a_value_without_sense_stops_the_start(tmp_path: Path, name: str, value: str, said: str) -> None:
    assert_refused(started(tmp_path, **{name: value}), said)


def test_a_server_has_a_connection_for_each_of_its_threads(tmp_path: Path) -> None:
    for threads, engine, most in (
        ("16", "none", "20"),
        ("4", "none", "20"),
        ("60", "none", "64"),
        ("16", "embedded", "42"),
    ):
        done = started(tmp_path, DATABASE_URL=POSTGRES, PORTAL_HTTP_THREADS=threads, PORTAL_ENGINE=engine)
        assert done.stdout.split()[2] == most, done.stderr


def test_the_settings_count_the_threads_of_an_embedded_engine() -> None:
    assert sum(THREADS.values()) == ENGINE_THREADS


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """That of a server, which nothing has connected by yet."""
    found = {"max_size": 20}
    monkeypatch.setattr(connections, "settings", SimpleNamespace(DATABASES={"default": {"OPTIONS": {"pool": found}}}))
    return found


def test_a_worker_has_a_connection_for_each_of_its_threads(pool: dict[str, int]) -> None:
    for threads, most in ((8, 20), (40, 44)):
        celery.have_a_connection_for_every_thread(SimpleNamespace(concurrency=threads))
        assert pool["max_size"] == most


@pytest.mark.parametrize(("options", "most"), [((), 26), (("--send-to-celery",), 20)])
def test_an_engine_of_its_own_has_a_connection_for_each_of_its_threads(
    pool: dict[str, int], monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], most: int
) -> None:
    class Started(Exception):
        """Before a thread of it may ask for a connection."""

    def start(_engine: object) -> None:
        raise Started

    monkeypatch.setattr(embedded.Engine, "start", start)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(Started):
        call_command("run_engine", *options)
    assert pool["max_size"] == most


def test_an_address_is_kept_without_the_slash_behind_it(tmp_path: Path) -> None:
    assert (
        started(tmp_path, PORTAL_URL="https://portal.example.org/").stdout.split()[-1] == "https://portal.example.org"
    )


def answered(tmp_path: Path, **given: str) -> tuple[list[str], list[str]]:
    """The hosts that requests may name, and the origins that forms may come from."""
    hosts, origins = started(tmp_path, WHOM_IT_ANSWERS, **given).stdout.splitlines()
    return hosts.split(), origins.split()


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://portal.example.org", "portal.example.org"),
        ("https://portal.example.org:8443/", "portal.example.org"),
        ("http://[fd00::7]:8000", "[fd00::7]"),
    ],
)
def test_the_portals_own_name_is_answered_beside_further_ones(tmp_path: Path, url: str, host: str) -> None:
    hosts, origins = answered(tmp_path, PORTAL_URL=url)
    assert validate_host(host, hosts)
    assert origins == [url.removesuffix("/")]
    further = {"PORTAL_ALLOWED_HOSTS": "portal.internal", "PORTAL_TRUSTED_ORIGINS": "https://portal.internal"}
    hosts, origins = answered(tmp_path, PORTAL_URL=url, **further)
    assert validate_host(host, hosts)
    assert validate_host("portal.internal", hosts)
    assert origins == [url.removesuffix("/"), "https://portal.internal"]
    assert not validate_host("elsewhere.example.org", hosts)


def test_an_address_to_listen_at_that_is_none_is_left_to_the_server(tmp_path: Path) -> None:
    hosts, origins = answered(tmp_path, HOST="localhost:8000")
    assert not validate_host("elsewhere.example.org", hosts)
    assert len(origins) == 1
