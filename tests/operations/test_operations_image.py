"""The image's recipe, read: nothing here can build it."""

from __future__ import annotations

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.server import free_port

ROOT = Path(__file__).resolve().parents[2]
CONTAINERFILE = ROOT / "deploy" / "Containerfile"


def instructions() -> list[tuple[str, str]]:
    """Name and rest of every instruction, continued lines joined, comments left out."""
    lines = [line for line in CONTAINERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [
        (name, rest.strip()) for name, _, rest in (line.partition(" ") for line in text.splitlines() if line.strip())
    ]


def test_the_recipe_has_only_known_instructions_and_begins_with_a_base():
    known = {
        "ARG",
        "FROM",
        "WORKDIR",
        "COPY",
        "RUN",
        "ENV",
        "USER",
        "VOLUME",
        "EXPOSE",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    }
    names = [name for name, _ in instructions()]
    assert set(names) <= known
    assert names[:2] == ["ARG", "FROM"]
    for name, rest in instructions():
        if name == "CMD":
            assert json.loads(rest)[0] == "uvicorn"


def test_everything_that_is_copied_exists_or_is_made_by_the_stage_before():
    for name, rest in instructions():
        words = rest.split()
        if name != "COPY" or words[0].startswith("--from"):
            continue
        for source in words[:-1]:
            tracked = subprocess.run(["git", "ls-files", source], cwd=ROOT, capture_output=True, text=True, check=True)
            assert tracked.stdout, f"{source} is not in the repository"


def test_the_image_runs_as_nobody_special_and_carries_no_secret():
    written = instructions()
    assert [rest for name, rest in written if name == "USER"] == ["10001:10001"]
    assert [name for name, _ in written].index("USER") < [name for name, _ in written].index("CMD")
    assert not re.search(r"(PASSWORD|TOKEN|SECRET)\S*=", CONTAINERFILE.read_text())
    assert any("--require-hashes" in rest for name, rest in written if name == "RUN")


def pins(path: Path) -> set[str]:
    lines = path.read_text().splitlines()
    return {line.split(";")[0].rstrip(" \\") for line in lines if re.match(r"[A-Za-z0-9._\[\]-]+==", line)}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-traces.txt"])
def test_the_hashes_are_of_the_locked_versions(name: str):
    hashed = ROOT / "deploy" / name
    assert pins(hashed) == pins(ROOT / name), "run `make lock`"
    assert hashed.read_text().count("--hash=sha256:") >= len(pins(hashed))
    assert "://" not in hashed.read_text()


class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Quiet."""


@pytest.mark.parametrize(("answers", "status"), [("server", 0), ("worker", 0), ("nobody", 1)])
def test_each_kind_of_process_is_healthy_where_it_answers(answers: str, status: int):
    (check,) = [rest for name, rest in instructions() if name == "HEALTHCHECK"]
    command = json.loads(check.partition("CMD ")[2])
    (default,) = re.findall(r"PORTAL_PROBE_PORT=(\d+)", dict(instructions())["ENV"])
    assert default not in {"0", "8000"}
    with http.server.HTTPServer(("127.0.0.1", 0), Healthy) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        taken, free = str(listening.server_port), str(free_port())
        server, probes = {"server": (taken, free), "worker": (free, taken), "nobody": (free, free)}[answers]
        environment = {"PATH": os.environ["PATH"], "PORTAL_PROBE_PORT": probes}
        done = subprocess.run(
            [sys.executable, *(word.replace("8000", server) for word in command[1:])], env=environment, capture_output=True, check=False
        )  # fmt: skip
        listening.shutdown()
    assert done.returncode == status, done.stderr
