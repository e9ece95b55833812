"""Set up what a checkout needs: virtual environment, locked packages, browser assets.

Run by `make` with the system's own Python and only the standard library. Everything is
skipped when it is already there, so that a second start costs a fraction of a second.
The syntax of this file stays old on purpose: a Python that is too old must still be
able to read it and say so.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
PYTHON_NEEDED = (3, 11)
GIT_NEEDED = (2, 38)  # `git merge-tree --write-tree`


def stop(message):
    sys.exit("\nmake: " + message + "\n")


def say(message):
    print(message, flush=True)


def require_python():
    """Go on with a Python that is new enough, looking beside the one that was called."""
    if sys.version_info >= PYTHON_NEEDED:
        return
    for minor in (14, 13, 12, 11):
        newer = shutil.which("python3.{}".format(minor))
        if newer:
            os.execv(newer, [newer, *sys.argv])
    found = ".".join(str(part) for part in sys.version_info[:3])
    stop(
        "Python 3.11 or newer is needed, and "
        + sys.executable
        + " is "
        + found
        + ". Install one, or name it: make PYTHON=…"
    )


def require_git():
    git = shutil.which("git")
    if git is None:
        stop("Git 2.38 or newer is needed, and there is no `git` on PATH. Install it and call make again.")
    text = subprocess.run([git, "--version"], stdout=subprocess.PIPE, check=True).stdout.decode()
    numbers = tuple(int(part) for part in re.findall(r"\d+", text)[:2])
    if numbers < GIT_NEEDED:
        stop("Git 2.38 or newer is needed (merge-tree --write-tree), and this is " + text.strip() + ".")


def works(command):
    """Whether ``command`` can be run and succeeds."""
    try:
        return (
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0
        )
    except OSError:
        return False


def ways_to_make_a_venv(target):
    """Commands that make a virtual environment, the usual one first.

    Debian splits ``ensurepip`` off into python3-venv, so `python3 -m venv` alone may fail.
    """
    me = sys.executable
    if works([me, "-c", "import ensurepip"]):
        yield [[me, "-m", "venv", str(target)]]
    if works([me, "-m", "virtualenv", "--version"]):
        yield [[me, "-m", "virtualenv", "-q", str(target)]]
    bare = [me, "-m", "venv", "--without-pip", str(target)]
    if works([me, "-m", "pip", "--version"]):
        yield [bare, [me, "-m", "pip", "-q", "--python", str(target / "bin" / "python"), "install", "pip"]]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        yield [
            ["apt-get", "update", "-qq"],
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "python3-venv"],
            [me, "-m", "venv", str(target)],
        ]


def ensure_venv(target):
    python = target / "bin" / "python"
    if works([str(python), "-m", "pip", "--version"]):
        return
    if target.exists():
        say(
            "The virtual environment "
            + target.name
            + " does not work any more (moved, or its Python is gone): making it anew."
        )
        shutil.rmtree(str(target))
    say("Making the virtual environment " + target.name + " …")
    for way in ways_to_make_a_venv(target):
        if all(subprocess.run(command, check=False).returncode == 0 for command in way):
            return
        shutil.rmtree(str(target), ignore_errors=True)
    stop(
        "no virtual environment could be made: this Python has no `ensurepip`. On Debian and Ubuntu: apt install python3-venv"
    )


def fingerprint(path):
    """What a finished step is remembered by: its input and the Python that did it."""
    return hashlib.sha256(sys.version.encode() + path.read_bytes()).hexdigest()


def is_installed(path):
    stamp = VENV / ("." + path.stem)
    return stamp.exists() and stamp.read_text() == fingerprint(path)


def install(files):
    """Install the locked packages of ``files``, unless exactly these were installed before."""
    if all(is_installed(path) for path in files):
        return
    say("Installing the packages of " + " and ".join(path.name for path in files) + " (a minute or two, once) …")
    arguments = [part for path in files for part in ("-r", str(path))]
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    if subprocess.run(pip + arguments, check=False).returncode != 0:
        stop(
            "pip could not install the packages; its own message is above. Check the network or proxy and call make again."
        )
    for path in files:
        (VENV / ("." + path.stem)).write_text(fingerprint(path))


def get_tools():
    """helm and kubectl, with which effects are rendered. Without them the portal works, and says what it cannot tell."""
    found = subprocess.run([str(PYTHON), str(ROOT / "scripts" / "get_tools.py")], check=False)
    if found.returncode != 0:
        say("Without these tools charts and overlays cannot be rendered; the pages of a change say so. Going on.")


def main(arguments):
    require_python()
    require_git()
    with (ROOT / ".setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two `make run` on one checkout must not build the same folder
        ensure_venv(VENV)
        runtime, dev = ROOT / "requirements.txt", ROOT / "requirements-dev.txt"
        install([runtime, dev] if "--dev" in arguments else [runtime])
        assets = subprocess.run([str(PYTHON), str(ROOT / "scripts" / "assets.py")], check=False)
        if assets.returncode != 0:
            sys.exit(assets.returncode)
        get_tools()


if __name__ == "__main__":
    main(sys.argv[1:])
