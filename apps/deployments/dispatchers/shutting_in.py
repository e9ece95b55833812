"""What a step of the worker sees of its machine, and whether this machine can shut it in at all."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.deployments.dispatchers.supervisor import fenced, plan_file
from apps.rendering.sandbox.commands import system
from apps.rendering.sandbox.trials import Trials

ETC = (
    "alternatives", "ca-certificates", "group", "hostname", "hosts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime",
    "mime.types", "nsswitch.conf", "passwd", "pki/ca-trust", "pki/tls/certs", "pki/tls/cert.pem", "pki/tls/openssl.cnf",
    "protocols", "resolv.conf", "services", "ssh/ssh_config", "ssh/ssh_known_hosts", "ssl/certs", "ssl/openssl.cnf", "terminfo",
    "timezone",
)  # fmt: skip
"""What programs read to find other machines, libraries and certificates, and to know who they are. No configuration of services, no
private keys, and no ``gitconfig``, which may have tokens."""
OWN = ("tree", "home", "tmp", "plan")
"""Folders of a run that its steps write."""
_TRIAL_SECONDS = 20
_trials = Trials()


def world(place: Path, more: Iterable[str | Path] = ()) -> dict[str, Any]:
    """The file system of the steps of the run in ``place``, as ``fence.py`` takes it. ``more``: what else of this machine they read."""
    seen, links = system()
    etc = (Path("/etc", name) for name in ETC)
    seen |= {str(one): str(one.resolve()) for one in etc if one.exists()}
    writable = [
        os.path.normpath(str(one)) for one in (*settings.PORTAL_STEP_WRITABLE, settings.PORTAL_DEMO_DIR / "clusters")
    ]
    readable = [os.path.normpath(str(one)) for one in (*settings.PORTAL_STEP_FOLDERS, *more)]
    named = [(one, one, "read") for one in readable if Path(one).exists() and not _is_below(one, (*seen, *writable))]
    named += [(one, one, "written") for one in writable if Path(one).is_dir()]
    named.sort(key=lambda one: len(Path(one[0]).parts))  # a folder covers what was put into it before
    data = Path(settings.PORTAL_DATA_DIR)
    within = [one for one in named if Path(one[0]).is_relative_to(data)]  # somebody has named just this
    told = place / "told"
    mounts = [
        ("/tmp", str(place / "tmp"), "written"),  # noqa: S108 - in the step's own file system
        *(one for one in named if one not in within),
        (str(data), "", "hidden"),
        *within,
        *((str(one), str(one), "written") for name in OWN if (one := place / name).is_dir()),
        *([(str(told), str(told), "read")] if told.is_dir() else []),
    ]
    return {"root": str((place / "root").resolve()), "seen": seen, "links": links, "mounts": mounts}


def _is_below(one: str, folders: Iterable[str]) -> bool:
    """Whether it is seen already with one of these."""
    return any(Path(one).is_relative_to(folder) for folder in folders)


def can_shut_in() -> bool:
    """Tried once a process; where it failed, once a minute."""
    return _trials.works("steps", _try)


def _try() -> bool:
    """Whether a step comes to run, sees what it should and nothing of the portal."""
    if not sys.platform.startswith("linux"):
        return False
    folder = Path(settings.PORTAL_DATA_DIR)
    with tempfile.TemporaryDirectory(dir=folder, prefix="fence-") as name:
        place = Path(name)
        for part in ("tree", "home", "tmp", "root"):
            (place / part).mkdir()
        (place / "secret").touch()
        trial = f'test ! -e "{place}/secret" && test -w . && test ! -w /usr && test "$$" -lt 100 && echo shut in'
        plan = {
            **world(place), "command": ["/bin/sh", "-c", trial], "directory": str(place / "tree"),
            "environment": {"PATH": os.defpath},
        }  # fmt: skip
        try:
            with plan_file(plan) as file:
                done = subprocess.run(
                    fenced(file.fileno()), pass_fds=(file.fileno(),), env={}, cwd="/", check=False,
                    stdin=subprocess.DEVNULL, capture_output=True, timeout=_TRIAL_SECONDS,
                )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return False
    return done.stdout == b"shut in\n"
