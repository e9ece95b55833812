"""The checkers of rendered effects into .tools/checks/, which Git ignores: schemas of Kubernetes, and cfn-lint.

They are large, and run apart from the portal, so they have a folder and locked requirements of their own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKED = ROOT / "requirements-checks.txt"
FOLDER = ROOT / ".tools" / "checks"


def main() -> None:
    stamp = FOLDER / ".version"
    wanted = LOCKED.read_text(encoding="utf-8")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
    FOLDER.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--disable-pip-version-check"]
    done = subprocess.run([*pip, "--target", str(FOLDER), "-r", str(LOCKED)], check=False)
    if done.returncode != 0:
        sys.exit("make checks: the packages could not be installed; pip's own message is above.")
    for path in (FOLDER, *FOLDER.rglob("*")):
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))  # a tool is a user that owns nothing
    stamp.write_text(wanted, encoding="utf-8")
    print("kubernetes-validate and cfn-lint are in .tools/checks/")


if __name__ == "__main__":
    main()
