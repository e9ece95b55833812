"""Fail when requirements*.txt no longer follow from requirements*.in (run `make lock` then).

Works without a network: every requirement of an .in file must be met by a pin of its .txt
file, every pin must be exact, and no line may name an index, a host or a path.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def lines(path: Path) -> Iterator[str]:
    for raw in path.read_text(encoding="utf-8").splitlines():
        line = raw.split(" #")[0].strip()
        if line and not line.startswith("#"):
            yield line


def pins(path: Path) -> tuple[dict[str, str], list[str]]:
    """Name → version of a locked file, and what is wrong with it."""
    found: dict[str, str] = {}
    problems = []
    for line in lines(path):
        name, exact, version = line.partition("==")
        if not exact or line.startswith("-") or "://" in line:
            problems.append(f"{path.name}: “{line}” is not an exact pin")
        found[canonicalize_name(name.split("[")[0])] = version.split(";")[0].strip()
    return found, problems


def unmet(source: Path, locked: dict[str, str]) -> Iterator[str]:
    for line in lines(source):
        if line.startswith(("-c ", "-r ")):
            continue
        wanted = Requirement(line)
        version = locked.get(canonicalize_name(wanted.name))
        if version is None or version not in wanted.specifier:
            yield f"{source.name}: {line} is not what the locked file has ({version or 'nothing'})"


def main() -> None:
    runtime, problems = pins(ROOT / "requirements.txt")
    dev, more = pins(ROOT / "requirements-dev.txt")
    problems += more
    checks, more = pins(ROOT / "requirements-checks.txt")
    problems += more
    traces, more = pins(ROOT / "requirements-traces.txt")
    problems += more
    problems += unmet(ROOT / "requirements-traces.in", traces)
    problems += unmet(ROOT / "requirements-checks.in", checks)
    problems += unmet(ROOT / "requirements.in", runtime)
    problems += unmet(ROOT / "requirements-dev.in", dev)
    for other, locked in (("dev", dev), ("traces", traces)):
        problems += [
            f"requirements-{other}.txt has {name} {locked[name]}, requirements.txt has {runtime[name]}"
            for name in sorted(runtime.keys() & locked.keys())
            if runtime[name] != locked[name]
        ]
    problems += [
        f"requirements-dev.txt lacks {name} {traces[name]}" for name in traces if dev.get(name) != traces[name]
    ]
    if problems:
        sys.exit("\n".join([*problems, "Run `make lock`."]))


if __name__ == "__main__":
    main()
