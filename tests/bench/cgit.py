"""cgit as a peer: Debian's binary, asked as a CGI program, with and without its own page cache.

Asked directly, without a web server in front of it, so every comparison is in its favour: what HTTP would add is left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

BINARY = Path("/usr/lib/cgit/cgit.cgi")


def install() -> str:
    """Make cgit available where that is allowed; why it is not, or the empty string."""
    if not BINARY.exists() and os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing cgit to compare with (once) …", flush=True)
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "cgit"]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return "" if BINARY.exists() else "there is no cgit, and it could not be installed (apt-get install cgit)"


class Cgit:
    """One repository as cgit shows it; ``cached`` keeps its pages, as a busy site would."""

    def __init__(self, repo: Path, place: Path, *, cached: bool = False) -> None:
        name = f"{repo.stem}-{'cached' if cached else 'plain'}"
        cache = place / f"{name}-cache"
        cache.mkdir(parents=True)
        self._config = place / f"{name}.rc"
        lines = [
            f"cache-size={1000 if cached else 0}",
            f"cache-root={cache}",
            "virtual-root=/",
            "cache-static-ttl=-1",
        ]
        self._config.write_text("\n".join([*lines, "repo.url=r", f"repo.path={repo}", ""]))

    def diff(self, old: str, new: str, *, side_by_side: bool = True) -> bytes:
        """The whole page with the difference of two commits, headers included."""
        return self._ask("/r/diff/", f"id={new}&id2={old}&dt={int(side_by_side)}")

    def log(self, path: str = "") -> bytes:
        """The first page of the history, of one file if ``path`` is given."""
        return self._ask(f"/r/log/{path}", "")

    def _ask(self, path: str, query: str) -> bytes:
        environment = {
            "PATH": os.environ.get("PATH", ""), "CGIT_CONFIG": str(self._config), "REQUEST_METHOD": "GET", "HTTP_HOST": "x",
            "SCRIPT_NAME": "/", "PATH_INFO": path, "QUERY_STRING": query,
        }  # fmt: skip
        answer = subprocess.run([str(BINARY)], env=environment, capture_output=True, check=True).stdout
        assert b"text/html" in answer[:200], answer[:300]
        return answer
