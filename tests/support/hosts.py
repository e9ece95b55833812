"""Several hosts on one machine: network namespaces on one bridge, and processes as containers on them.

A container has processes, a host name and a ``/tmp`` of its own; of the disk it shares one directory with the others.
The machine of the test is a host of the network as well.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("ip", "unshare", "setpriv")
# Name, shared directory and the project, then the command. What is below /tmp is hidden, but for these.
CONTAIN = """
hostname "$1" && mount --bind "$2" /mnt && mount --bind "$3" /srv && mount -t tmpfs tmpfs /tmp || exit 99
mkdir -p "$2" "$3" && mount --move /mnt "$2" && mount --move /srv "$3" || exit 99
cd "$3" && shift 3 && exec "$@"
"""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class Container:
    """One process on a host, with its own process numbers; the kernel ends its children with it."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self.log = log

    def stop(self) -> None:
        """SIGTERM to its first process; returns at once."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._process.wait(20)

    def wait(self, seconds: float) -> int:
        return self._process.wait(seconds)

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def _signal(self, number: int) -> None:
        """To the child of ``unshare``, which keeps the signals that it gets to itself."""
        place = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        for child in place.read_text().split() if self.runs else ():
            with suppress(ProcessLookupError):
                os.kill(int(child), number)


@dataclass
class Host:
    """A namespace with one address. ``inside``: the prefix of a command that shall use its network only."""

    name: str
    address: str
    namespace: str
    shared: Path
    environment: Mapping[str, str]
    started: list[Container] = field(default_factory=list)

    @property
    def inside(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.namespace)

    def _contained(self, *command: str) -> list[str]:
        apart = ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        return [
            *self.inside,
            *apart,
            "sh",
            "-c",
            CONTAIN,
            "-",
            self.name,
            str(self.shared),
            str(ROOT),
            sys.executable,
            *command,
        ]

    def run(self, *command: str) -> str:
        """The output of a Python program in a container here."""
        done = subprocess.run(self._contained(*command), cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, *command: str, **more: str) -> Container:
        """A Python program in a container here; killed at the end of the network whatever happens."""
        log = self.shared.parent / f"{self.name}-{len(self.started)}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                self._contained(*command), cwd=ROOT, env={**self.environment, **more}, stdout=file, stderr=file
            )
        self.started.append(Container(process, log))
        return self.started[-1]


class Network:
    """Hosts by name, made when they are first asked for. ``here``: the address of the test's own machine."""

    def __init__(self, shared: Path) -> None:
        self.shared = shared
        self.environment: dict[str, str] = {}
        self._hosts: dict[str, Host] = {}
        self._mark = f"pt{os.getpid() % 100_000}"
        self._net = f"10.213.{os.getpid() % 250}"
        self.here = f"{self._net}.254"
        self._switch = f"{self._mark}-switch"
        ip("netns", "add", self._switch)
        ip("-n", self._switch, "link", "add", "bridge", "type", "bridge")
        ip("-n", self._switch, "link", "set", "bridge", "up")
        ip("link", "add", f"{self._mark}r", "type", "veth", "peer", "name", "here", "netns", self._switch)
        ip("addr", "add", f"{self.here}/24", "dev", f"{self._mark}r")
        ip("link", "set", f"{self._mark}r", "up")
        self._plug("here")

    def _plug(self, port: str) -> None:
        ip("-n", self._switch, "link", "set", port, "master", "bridge")
        ip("-n", self._switch, "link", "set", port, "up")

    def host(self, name: str) -> Host:
        if name not in self._hosts:
            number = len(self._hosts) + 1
            space, address = f"{self._mark}-{name}", f"{self._net}.{number}"
            ip("netns", "add", space)
            ip(
                "link",
                "add",
                "eth0",
                "netns",
                space,
                "type",
                "veth",
                "peer",
                "name",
                f"p{number}",
                "netns",
                self._switch,
            )
            self._plug(f"p{number}")
            ip("-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
            ip("-n", space, "link", "set", "eth0", "up")
            ip("-n", space, "link", "set", "lo", "up")
            self._hosts[name] = Host(name, address, space, self.shared, self.environment)
        return self._hosts[name]

    def end(self) -> None:
        for host in self._hosts.values():
            for container in host.started:
                container.kill()
            ip("netns", "delete", host.namespace)
        ip("netns", "delete", self._switch)


@contextmanager
def network(shared: Path) -> Iterator[Network]:
    """Loudly skipped where namespaces cannot be made: it takes root and iproute2."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"NOT RUN: several hosts need root and {', '.join(missing or TOOLS)}")
    try:
        made = Network(shared)
    except subprocess.CalledProcessError as problem:
        pytest.skip(f"NOT RUN: no network namespaces: {problem.stderr.decode().strip()}")
    try:
        yield made
    finally:
        made.end()


@contextmanager
def own_postgres(host: Host) -> Iterator[str]:
    """A PostgreSQL that listens at the address of ``host`` only: its URL, with an empty database ``portal``."""
    programs = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"))), None)
    if programs is None:
        pytest.skip("NOT RUN: no programs of a PostgreSQL server below /usr/lib/postgresql")
    place = Path(mkdtemp(prefix="portal-hosts-"))
    shutil.chown(place, "postgres")
    data, user = place / "data", ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--")
    subprocess.run([*user, str(programs / "initdb"), "-D", str(data), "-U", "portal", "-A", "trust", "--no-sync"], check=True, capture_output=True, cwd=place)  # fmt: skip
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write("host all all 10.213.0.0/16 trust\n")
    settings = {"listen_addresses": host.address, "unix_socket_directories": "", "fsync": "off"}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (place / "log").open("wb") as log:
        server = subprocess.Popen([*host.inside, *user, str(programs / "postgres"), "-D", str(data), *options], stdout=log, stderr=log, cwd=place)  # fmt: skip
    url = f"postgresql://portal@{host.address}:5432"
    try:
        _create_database(programs, url)
        yield f"{url}/portal"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)
        shutil.rmtree(place, ignore_errors=True)


def _create_database(programs: Path, url: str) -> None:
    command = [str(programs / "psql"), "-c", "create database portal", f"{url}/postgres"]
    for _ in range(100):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        time.sleep(0.1)
    raise AssertionError(f"PostgreSQL did not start: {done.stderr}")
