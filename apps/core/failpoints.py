"""Points at which tests kill the portal: ``failpoint("K11")`` stands where RELIABILITY §3.6 names a crash.

``PORTAL_FAILPOINT=K11:kill`` arms one of them for a process: ``kill`` (as kill -9), ``raise``, ``hang``, ``enospc`` (the disk is
full) or ``delay=SECONDS``. ``K11:kill:3`` strikes at the third time. Settings refuse it outside of tests and debugging. Unarmed, a
point costs one comparison.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from dataclasses import dataclass
from threading import Lock

POINTS: dict[str, str] = {
    "K1": "an approval, before its commit",
    "K2": "an approval, committed and not answered",
    "K4": "a fetch, branches moved and nothing recorded",
    "K5": "a revision, pinned and not written",
    "K6": "a rendering, made and not stored",
    "K7": "a decision to merge, before its commit",
    "K8": "a decision to merge, committed and nobody woken",
    "K9": "a merge, leased and not claimed",
    "K10": "a merge, claimed and that not recorded",
    "K11": "a merge, pushed and that not recorded",
    "K13": "a run, dispatched and that not recorded",
    "K13S": "a run that another system is to start, its request recorded and not sent",
    "K13P": "a wish for a step, passed on and that not recorded",
    "K14": "a run of one environment over, the next not begun",
    "K15": "entries, committed and not published",
    "K16": "entries, in a commit that no ref leads to",
    "K16N": "a log begun anew, published and its entry not committed",
    "K16P": "entries, published here and not copied elsewhere",
    "K18": "a merge, its commit being written",
    "S4": "a landed merge, compared and that not recorded",
}
"""Where one stands. The others of the table are no places in this code: K3 and K19 are the database's, K12 Git's, K20 Redis's,
K17 is a second publisher's, K21 and K22 the operator's."""


class BadFailpoint(ValueError):
    """What ``PORTAL_FAILPOINT`` says cannot be understood."""


class Struck(Exception):
    """Raised by ``raise``; nothing in the portal knows it."""


@dataclass
class Armed:
    name: str
    how: str
    left: int

    def strike(self) -> None:
        with _lock:
            self.left -= 1
            if self.left:
                return
        kind, _, value = self.how.partition("=")
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif kind == "raise":
            raise Struck(self.name)
        elif kind == "enospc":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        elif kind == "delay":
            time.sleep(float(value))
        else:
            time.sleep(3600)


_lock = Lock()
_armed: Armed | None = None


def failpoint(name: str) -> None:
    """Do what is armed for ``name``, if anything is."""
    if _armed is not None and _armed.name == name:
        _armed.strike()


def arm(text: str) -> None:
    """Arm one point, ``NAME:HOW`` or ``NAME:HOW:COUNT``; the empty text disarms. :class:`BadFailpoint`."""
    global _armed  # noqa: PLW0603  # one per process, set before work begins
    if not text:
        _armed = None
        return
    name, _, rest = text.partition(":")
    how, _, count = rest.partition(":")
    kind = how.partition("=")[0]
    if name not in POINTS or kind not in {"kill", "raise", "hang", "enospc", "delay"} or not (count or "1").isdigit():
        raise BadFailpoint(
            f"PORTAL_FAILPOINT={text!r}: say NAME:HOW with one of {', '.join(POINTS)}, such as K11:kill."
        )
    _armed = Armed(name, how, max(int(count or 1), 1))
