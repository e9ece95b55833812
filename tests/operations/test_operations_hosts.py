"""One portal on several hosts: servers in one, workers in two others, PostgreSQL and Redis in a fourth, Git elsewhere.

Hosts are network namespaces, processes are containers with a disk of their own; they share the data directory, as
docs/scaling-out.md says, and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.engine_process import wait_until
from tests.support.git import GitRepo, bare_remote
from tests.support.git_http import GitHttp
from tests.support.hosts import Container, Host, Network, network, own_postgres
from tests.support.onlookers import Viewer
from tests.support.redis_server import own_redis
from tests.support.server import PASSWORD, Api

pytestmark = [pytest.mark.slow, pytest.mark.redis]
PORT = 8000
# Each step says on which host it runs, prints until it may end, and never wrote to a disk that others see but this one.
STEP = "hostname >> {marks}/{name}; i=0; until [ -e {marks}/{name}-enough ]; do i=$((i+1)); echo line $i; sleep 0.05; done; echo $i > {marks}/{name}-lines"
PORTAL_YAML = """\
apiVersion: portal/v1
environments:
  staging:
    deploy: {{steps: [{{name: apply, run: '{staging}', timeout: 2m}}]}}
  production:
    after: [staging]
    deploy: {{steps: [{{name: apply, run: '{production}', timeout: 2m}}]}}
rules:
  - {{name: a reviewer, needs: {{approvals: 1, from: [role/reviewer]}}}}
"""
PEOPLE = """
import json
from apps.accounts.services import create_token
from tests.support.people import person
people = [person("alice"), person("bob"), person("carol", can_connect_repositories=True)]
print(json.dumps({one.username: create_token(one, user=one, name="hosts")[1] for one in people}))
"""


@dataclass
class Portal:
    """What runs where. ``shared`` is the data directory, the same on every host."""

    net: Network
    shared: Path
    git: GitHttp
    tokens: dict[str, str]

    @property
    def marks(self) -> Path:
        """What steps leave behind; of the data directory they see nothing else."""
        return self.shared / "marks"

    @property
    def web(self) -> Host:
        return self.net.host("web")

    def api(self, name: str) -> Api:
        headers = {"Authorization": f"Bearer {self.tokens[name]}"}
        return Api(httpx.Client(base_url=f"http://{self.web.address}:{PORT}/api/v1", headers=headers, timeout=60))

    def worker(self, host: str) -> Container:
        command = ("-m", "celery", "-A", "gitops_portal", "worker", "--pool=threads", "--concurrency=4", "-l", "INFO")
        made = self.net.host(host).start(*command, "-Q", "portal-short,portal-slow")
        wait_until(lambda: " ready." in made.log.read_text() or not made.runs, 60)
        assert made.runs, made.log.read_text()[-3000:]
        return made

    def cookie(self, name: str) -> str:
        """The session of somebody who signs in with a password."""
        with httpx.Client(base_url=f"http://{self.web.address}:{PORT}", timeout=30) as browser:
            token = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', browser.get("/accounts/login/").text)
            assert token
            form = {"csrfmiddlewaretoken": token[1], "login": name, "password": PASSWORD}
            assert browser.post("/accounts/login/", data=form).status_code == 302
            return f"sessionid={browser.cookies['sessionid']}"


@contextmanager
def scaled_out(tmp_path: Path) -> Iterator[Portal]:
    shared = tmp_path / "shared"
    (shared / "marks").mkdir(parents=True)
    with network(shared) as net, ExitStack() as stack:
        data = net.host("data")
        database = stack.enter_context(own_postgres(data))
        redis = stack.enter_context(own_redis(tmp_path, host=data.address, prefix=data.inside))
        net.environment |= {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/tmp",
            "LANG": "C.UTF-8",
            "PYTHONWARNINGS": "ignore",
            "DATABASE_URL": database,
            "REDIS_URL": redis,
            "PORTAL_SECRET_KEY": "of-several-hosts-" + "x" * 40,
            "PORTAL_DATA_DIR": str(shared),
            "PORTAL_STEP_WRITABLE": str(shared / "marks"),
            "PORTAL_STEPS_UNFENCED": "1",
            "PORTAL_GIT_ALLOWED_HOSTS": net.here,
            "PORTAL_GIT_PLAIN_HTTP": "true",
            "PORTAL_LEASE_SECONDS": "2",
            "PORTAL_POLL_SECONDS": "2",
            "PORTAL_STEPS_WAIT_SECONDS": "60",
        }
        web = net.host("web")
        net.environment |= {"PORTAL_ALLOWED_HOSTS": web.address, "PORTAL_URL": f"http://{web.address}:{PORT}"}
        web.run("manage.py", "migrate", "--verbosity", "0")
        tokens = json.loads(web.run("manage.py", "shell", "-v", "0", "-c", PEOPLE).splitlines()[-1])
        server = web.start(
            "-m", "uvicorn", "gitops_portal.asgi:application", "--host", web.address, "--port", str(PORT)
        )
        wait_until(lambda: not server.runs or _answers(web), 60)
        assert server.runs, server.log.read_text()[-3000:]
        yield Portal(net, shared, stack.enter_context(GitHttp(tmp_path, host=net.here)), tokens)


def _answers(web: Host) -> bool:
    try:
        return httpx.get(f"http://{web.address}:{PORT}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def test_a_change_is_merged_deployed_and_watched_across_hosts(tmp_path: Path) -> None:
    with scaled_out(tmp_path) as portal:
        number = merged(portal, tmp_path)
        staging = begun(portal, number, "staging", on="one")
        viewer = Viewer(PORT, staging, portal.cookie("alice"), host=portal.web.address)
        with viewer:
            wait_until(lambda: any(event["kind"] == "log" for event in viewer.events))
            first = portal.net.host("one").started[0]
            second = portal.worker("two")
            first.stop()  # in the middle of its step, as an upgrade does
            seen = viewer.seq
            wait_until(lambda: "stays_for_steps" in first.log.read_text())
            wait_until(lambda: viewer.seq > seen)
            assert first.runs, "a container that ends takes its steps with it"
            (portal.marks / "staging-enough").touch()
            first.wait(30)
            done = portal.api("alice").until(f"/deployments/{staging}/", lambda body: body["state"] != "running")
            assert done["state"] == "succeeded", done
            wait_until(lambda: viewer.seq == done["last_event"], 20)
        assert [event["seq"] for event in viewer.events] == list(range(1, done["last_event"] + 1))
        log = portal.api("alice").get(f"/deployments/{staging}/log/")
        lines = int((portal.marks / "staging-lines").read_text())
        assert [line for line in log.splitlines() if line.startswith("line ")] == [
            f"line {at + 1}" for at in range(lines)
        ]

        production = begun(portal, number, "production", on="two")
        second.kill()  # the host is gone, and what ran on it
        portal.worker("three")
        lost = portal.api("alice").until(f"/deployments/{production}/", lambda body: body["state"] != "running")
        assert lost["state"] == "unknown", lost
        assert (portal.marks / "production").read_text().split() == ["two"], "what may have run is not run again"


def merged(portal: Portal, tmp_path: Path) -> int:
    """The number of a change that alice wrote, bob approved and alice merged; one worker and the sweeper run since."""
    steps = {name: STEP.format(marks=portal.marks, name=name) for name in ("staging", "production")}
    files = {".gitops/portal.yaml": PORTAL_YAML.format(**steps), "app.txt": "one\n"}
    _, work = bare_remote(tmp_path, files, name="infra")
    portal.worker("one")
    portal.net.host("one").start("manage.py", "run_engine", "--send-to-celery")
    members = {"alice": "author", "bob": "reviewer"}
    portal.api("carol").post(
        "/repositories/", {"name": "infra", "url": portal.git.url("infra.git"), "members": members}, 201
    )
    _push(work)
    body = {"repository": "infra", "title": "Two", "source_branch": "two"}
    number = int(portal.api("alice").post("/changes/", body, 201)["number"])
    portal.api("bob").post(f"/changes/{number}/reviews/", {"revision": 1, "verdict": "approve"}, 201)
    portal.api("alice").post(f"/changes/{number}/merge/", status=202)
    return number


def _push(work: GitRepo) -> None:
    work.run("checkout", "-q", "-b", "two")
    work.commit("two", files={"app.txt": "two\n"}, author="Alice <alice@example.org>")
    work.push("HEAD:refs/heads/two")


def begun(portal: Portal, change: int, environment: str, *, on: str) -> int:
    """The deployment whose step has begun, on that host."""
    mark = portal.marks / environment
    wait_until(mark.exists, 60)
    assert mark.read_text().split() == [on]
    path = f"/deployments/?change={change}&environment={environment}"
    found: Any = portal.api("alice").until(path, lambda body: [row["state"] for row in body["results"]] == ["running"])
    return int(found["results"][0]["number"])
