"""The command line of ``bwrap`` that gives the same world as our own enclosure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from apps.rendering.toolbox import Surroundings

TEMPORARY = "/tmp"  # noqa: S108 - inside the enclosure


def command_line(
    bwrap: str,
    command: Sequence[str],
    *,
    directory: str,
    binds: Mapping[str, str],
    links: Mapping[str, str],
    scratch: int,
    around: Surroundings,
    network: bool = False,
) -> list[str]:
    """Nothing of the machine but what ``binds`` (place → folder or file here) names, and that read-only.

    The environment of the command is that of ``bwrap`` itself: in a command line everybody on the machine could read it.
    """
    line = [bwrap, "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    line += ["--share-net"] if network else []
    line += ["--uid", "65534", "--gid", "65534", "--hostname", around.host]
    for place, source in binds.items():
        line += ["--ro-bind", source, place]
    for place, target in links.items():
        line += ["--symlink", target, place]
    line += ["--proc", "/proc", "--dev", "/dev", "--size", str(scratch)]
    line += ["--tmpfs", TEMPORARY, "--dir", f"{TEMPORARY}/{around.home}"]
    return [*line, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", directory, "--", *command]
