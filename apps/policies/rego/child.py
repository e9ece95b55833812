"""The process in which Rego is evaluated: one question, one answer, and it is gone.

The library may run for ever, eat all memory or overflow its stack (it does, and takes its process with it), so it never runs
inside the portal. This process is started anew (never forked from one with an open database), gets its question on its
standard input, and is shut in before it reads a line of a module: no file, no connection and no process can be opened any
more, memory and processor time are bounded. It starts for every question, so it imports next to nothing.
"""

from __future__ import annotations

import marshal
import os
import resource
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict

    class Question(TypedDict):
        """``libraries``: where the library lies. ``rules``: full names of what is evaluated, once for each of ``inputs``; none:
        the modules are inspected.
        """

        libraries: str
        modules: list[tuple[str, str]]
        rules: list[str]
        inputs: list[str]


START = "import sys; sys.path.insert(0, sys.argv[1]); from apps.policies.rego import child; child.main()"
MEMORY = 256 << 20
CPU_SECONDS = 1
MOST_ANSWER = 256_000
"""Bytes of an answer; more is no answer that a person reads."""
ANSWERED, REFUSED = "answered", "refused"
"""The first line of what is written: then come the answers as JSON, or the library's words."""
BETWEEN = "\0"
"""Stands between the answers for several inputs; JSON never holds it."""


def main() -> None:
    """For ``python -I -S -B -c START FOLDER``: answer the question on the standard input."""
    question: Question = marshal.loads(sys.stdin.buffer.read())  # noqa: S302 - written by the portal itself, for this process
    sys.path.insert(0, question["libraries"])
    import regorus

    inspect = None if question["rules"] else _inspection()
    shut_in()
    try:
        if inspect is not None:
            answer = inspect(_engine(regorus, question))
        else:  # an engine for each, so that nothing of one input is left for the next
            answer = BETWEEN.join(
                _evaluated(_engine(regorus, question), question["rules"], one) for one in question["inputs"]
            )
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the library says is the answer
        _write(REFUSED, str(error).partition("\nStack backtrace")[0])
    else:
        _write(ANSWERED, answer)
    sys.stdout.flush()
    os._exit(0)


def shut_in() -> None:
    """For good: nothing can be opened, started or written but the answer, and what may be used is bounded."""
    limits = {
        "RLIMIT_AS": MEMORY,
        "RLIMIT_CPU": CPU_SECONDS,
        "RLIMIT_NOFILE": 0,
        "RLIMIT_NPROC": 0,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_CORE": 0,
    }
    for name, value in limits.items():
        which = getattr(resource, name, None)
        if which is None or (name == "RLIMIT_AS" and sys.platform == "darwin"):  # which has the name and not the limit
            continue
        hardest = resource.getrlimit(which)[1]
        most = value if hardest == resource.RLIM_INFINITY else min(value, hardest)
        resource.setrlimit(which, (most, most))  # processor time: one signal that nothing survives


def _inspection() -> Any:
    from apps.policies.rego.inspection import inspected

    return inspected


def _engine(regorus: Any, question: Question) -> Any:
    engine = regorus.Engine()
    engine.set_gather_prints(True)  # what a module prints goes nowhere
    for name, text in question["modules"]:
        engine.add_policy(name, text)
    return engine


def _evaluated(engine: Any, rules: list[str], given: str) -> str:
    engine.set_input_json(given)
    answers = [f'"{rule}":{engine.eval_rule_as_json(rule)}' for rule in rules]
    return "{" + ",".join(answers) + "}"


def _write(how: str, text: str) -> None:
    data = text.encode("utf-8", "replace")
    if len(data) > MOST_ANSWER:
        how, data = REFUSED, f"error: the answer has {len(data):,} bytes; at most {MOST_ANSWER:,} are read".encode()
    sys.stdout.buffer.write(how.encode() + b"\n" + data)
