"""One of several processes that act at the same moment; started once, told what to do line by line (see ``racing``)."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest  # noqa: F401  its presence is how the settings know tests: no power fails here, so nothing is flushed to disk

SPIN = 0.0005


def main() -> None:
    import django

    django.setup()
    from tests.support import race_acts

    taken_out = os.environ.get("RACE_WITHOUT", "")
    if taken_out:
        race_acts.GUARDS[taken_out]()
    answer({"ready": os.getpid()})
    for line in sys.stdin:
        task = json.loads(line)
        wait_for(task["at"])
        answer({"came": outcome(race_acts.ACTS[task["act"]], task["given"])})


def wait_for(moment: float) -> None:
    left = moment - time.monotonic()
    if left > SPIN:
        time.sleep(left - SPIN)
    while time.monotonic() < moment:
        pass


def outcome(act: Callable[..., object], given: dict[str, Any]) -> str:
    from apps.core.errors import PortalError

    try:
        act(**given)
    except PortalError as refused:
        return refused.code
    except Exception as wrong:  # noqa: BLE001  the test must see it, whatever it is
        return f"broke: {type(wrong).__name__}: {wrong}"
    return "done"


def answer(said: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
