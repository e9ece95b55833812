"""A small repository per story, connected over the API, with the ways that people push to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.git import GitRepo, bare_remote
from tests.support.server import Api, PortalServer

MEMBERS = {"alice": "author", "bob": "reviewer", "kim": "reviewer", "dave": "auditor"}
PORTAL_YAML = """\
apiVersion: portal/v1
environments:
  staging:
    deploy:
      steps:
        - {name: apply, run: 'sh pipeline.sh', timeout: 1m}
        - {name: verify, run: 'echo verified', timeout: 1m}
  production:
    after: [staging]
    protected: true
    deploy: {steps: [{name: apply, run: 'echo production gets $PORTAL_COMMIT', timeout: 1m}]}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""


@dataclass
class Scene:
    """One connected repository. ``work`` is where people commit; ``bare`` is what the portal talks to."""

    server: PortalServer
    name: str
    bare: GitRepo
    work: GitRepo

    @classmethod
    def open(cls, stage: tuple[PortalServer, Path], name: str, files: dict[str, str] | None = None) -> Scene:
        server, place = stage
        content = {".gitops/portal.yaml": PORTAL_YAML, "pipeline.sh": "echo applied\n", "app.txt": "one\n"}
        bare, work = bare_remote(place / name, {**content, **(files or {})}, name=name)
        body = {"name": name, "url": str(bare.path), "members": MEMBERS}
        server.api("carol").post("/repositories/", body, status=201)
        return cls(server, name, bare, work)

    def api(self, person: str) -> Api:
        return self.server.api(person)

    def push(self, branch: str, files: dict[str, str], *, message: str = "Change it", author: str = "Alice") -> str:
        """Commit ``files`` on ``branch`` (from main when it is new) as ``author`` and push it."""
        self.work.run("fetch", "-q", "origin")
        known = self.work.run("branch", "--list", branch).strip()
        self.work.run("checkout", "-q", *([branch] if known else ["--no-track", "-b", branch, "origin/main"]))
        oid = self.work.commit(message, files=files, author=f"{author} <{author.lower()}@example.org>")
        self.work.push(f"HEAD:refs/heads/{branch}", force=True)
        return oid

    def propose(self, branch: str, files: dict[str, str], person: str = "alice") -> int:
        self.push(branch, files)
        body = {"repository": self.name, "title": f"Bring {branch}", "source_branch": branch}
        return int(self.api(person).post("/changes/", body, status=201)["number"])

    def approve(self, number: int, person: str = "bob") -> None:
        revision = self.api(person).get(f"/changes/{number}/")["revisions"][-1]["number"]
        self.api(person).post(f"/changes/{number}/reviews/", {"revision": revision, "verdict": "approve"}, status=201)

    def deployed(self, number: int, environment: str, state: str) -> Any:
        """Wait until the newest deployment of the change to ``environment`` is in ``state``."""
        path = f"/deployments/?change={number}&environment={environment}"
        return self.api("carol").until(path, lambda body: [r["state"] for r in body["results"][:1]] == [state])[
            "results"
        ][0]
