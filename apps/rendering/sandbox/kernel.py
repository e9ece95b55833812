"""The few calls of Linux that the keeper needs and Python 3.11 does not have. It imports as little as the keeper does."""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import stat
import struct

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x00020000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP = 1, 4, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _NOATIME, _NODIRATIME = 1, 2, 4, 8, 32, 1024, 2048
_BIND, _REC, _PRIVATE, _RELATIME = 4096, 16384, 1 << 18, 1 << 21
_KEPT = {  # flags of statvfs → of mount: a bind mount in a user namespace may not lose one
    2: _NOSUID,
    4: _NODEV,
    8: _NOEXEC,
    1024: _NOATIME,
    2048: _NODIRATIME,
    4096: _RELATIME,
}
_DETACH = 2
_INET, _DATAGRAM = 2, 2
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "s390x": 217, "ppc64le": 203}
_CAPSET = {"x86_64": 126, "aarch64": 91, "riscv64": 91, "s390x": 185, "ppc64le": 184}
_LAST_CAPABILITY = 63
_DEVICES = ("null", "zero", "full", "random", "urandom")
_RESOURCES = {
    "cpu": resource.RLIMIT_CPU,
    "address_space": getattr(resource, "RLIMIT_AS", None),
    "processes": getattr(resource, "RLIMIT_NPROC", None),
    "file_size": resource.RLIMIT_FSIZE,
    "open_files": resource.RLIMIT_NOFILE,
    "core": resource.RLIMIT_CORE,
}
_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    _checked(_libc.unshare(flags), "unshare")


def prctl(option: int, value: int) -> None:
    """Nothing on a system that has no such call."""
    if hasattr(_libc, "prctl"):
        _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def sethostname(name: str) -> None:
    _checked(_libc.sethostname(name.encode(), len(name)), "sethostname")


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    _checked(_libc.mount(*texts, ctypes.c_ulong(flags), data.encode() or None), f"mount {target}")


def loopback_up() -> None:
    """Programs that talk to their own parts by 127.0.0.1 may do so; there is no other interface."""
    made = _libc.socket(_INET, _DATAGRAM, 0)
    if made < 0:
        return
    try:
        fcntl.ioctl(made, 0x8914, struct.pack("16sh22x", b"lo", 0x41))
    except OSError:
        return  # there is none, which tools bear
    finally:
        os.close(made)


def bound_capabilities() -> None:
    """No program started from here on gets any; what this process has stays."""
    for number in range(_LAST_CAPABILITY + 1):
        _libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(number), 0, 0, 0)


def drop_capabilities() -> None:
    """All that this process has."""
    header, nothing = struct.pack("Ii", 0x20080522, 0), struct.pack("6I", *([0] * 6))
    _checked(_libc.syscall(ctypes.c_long(_number(_CAPSET)), header, nothing), "capset")


def _number(table: dict[str, int]) -> int:
    machine = os.uname().machine
    if machine not in table:
        raise OSError(f"processors of type {machine} are not known")
    return table[machine]


def limit(limits: dict[str, int]) -> None:
    """Soft and hard, never above what the portal itself may use; processor time warns one second before it kills."""
    for name, value in limits.items():
        which = _RESOURCES[name]
        if which is None:
            continue
        hardest = resource.getrlimit(which)[1]
        hard = value + 1 if name == "cpu" else value
        hard = hard if hardest == resource.RLIM_INFINITY else min(hard, hardest)
        resource.setrlimit(which, (min(value, hard), hard))


def die_first() -> None:
    """Where the machine runs out of memory, this run ends before anything else does."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")
    except OSError:
        return


def build_root(root: str, binds: dict[str, str], links: dict[str, str]) -> None:
    """A new file system of what is named, read-only, at ``root``."""
    mount("none", "/", None, _REC | _PRIVATE)
    mount("tmpfs", root, "tmpfs", _NOSUID | _NODEV, "mode=755,size=1m")
    for name in ("proc", "tmp", "dev"):
        os.mkdir(f"{root}/{name}")
    for place, source in {**binds, **{f"/dev/{name}": f"/dev/{name}" for name in _DEVICES}}.items():
        bind(source, root + place)
    for place, target in links.items():
        os.symlink(target, root + place)


def mount_scratch(root: str, size: int, files: int, home: str) -> None:
    """Its ``/tmp``, in memory, with a home; the one place that can be written."""
    place = f"{root}/tmp"  # noqa: S108 - a name in the new file system
    mount("tmpfs", place, "tmpfs", _NOSUID | _NODEV, f"mode=1777,size={size},nr_inodes={files}")
    os.mkdir(f"{place}/{home}")
    os.chmod(f"{place}/{home}", 0o1777)  # noqa: S103 - in a file system of its own


def bind_writable(source: str, target: str) -> None:
    """A folder of this machine, with what is mounted below it, as it is and without devices or other users' rights."""
    require_no_link(target)
    os.makedirs(target, exist_ok=True)
    mount(source, target, None, _BIND | _REC)
    for mounted in _mounted_below(target):
        present = os.statvfs(mounted).f_flag
        kept = sum(flag for seen, flag in _KEPT.items() if present & seen) | (_RDONLY if present & os.ST_RDONLY else 0)
        mount("none", mounted, None, kept | _REMOUNT | _BIND | _NOSUID | _NODEV)


def mount_folder(place: str, size: int) -> None:
    """An empty folder in memory, which everybody may write."""
    require_no_link(place)
    os.makedirs(place, exist_ok=True)
    mount("tmpfs", place, "tmpfs", _NOSUID | _NODEV, f"mode=1777,size={size}")


def guard_proc() -> None:
    """What of ``/proc`` belongs to the machine is read-only: its files go by the user, who may be root, not by capabilities."""
    for name in ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi"):
        place = f"/proc/{name}"
        if os.path.exists(place):
            mount(place, place, None, _BIND | _REC)
            mount("none", place, None, _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV | _NOEXEC)


def enter_root(root: str) -> None:
    """Close it, make it the root of this process, and leave the old one behind for good."""
    try:
        mount("proc", f"{root}/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    except OSError:
        pass  # inside a container it may be forbidden; then there is none, which tools bear
    mount("none", root, None, _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV)
    os.chdir(root)
    _checked(_libc.syscall(ctypes.c_long(_number(_PIVOT_ROOT)), b".", b"."), "pivot_root")
    _checked(_libc.umount2(b".", _DETACH), "umount")
    os.chdir("/")


def bind(source: str, target: str) -> None:
    """A folder or file of this machine, read-only."""
    require_no_link(target)
    mode = os.stat(source).st_mode
    if stat.S_ISDIR(mode):
        os.makedirs(target, exist_ok=True)
    elif not os.path.exists(target):  # within a folder that is there already
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666))
    device = stat.S_ISCHR(mode)
    mount(source, target, None, _BIND | _REC)
    for mounted in _mounted_below(target):
        present = os.statvfs(mounted).f_flag
        kept = sum(flag for seen, flag in _KEPT.items() if present & seen)
        kept = kept & ~_NODEV if device else kept | _NODEV
        mount("none", mounted, None, kept | _REMOUNT | _BIND | _RDONLY | _NOSUID)


def require_no_link(place: str) -> None:
    """A link in the new file system, which somebody may have put there, would lead what is mounted into the old one."""
    if os.path.realpath(place) != place:
        raise OSError(f"{place} leads elsewhere, or is not written as the kernel writes it")


def _mounted_below(target: str) -> list[str]:
    """Mounts of the bound folder come along, and each is made read-only by itself; the folder itself is among them."""
    with open("/proc/self/mountinfo", "rb") as lines:
        texts = [os.fsdecode(_unescaped(line.split(b" ")[4])) for line in lines]
    found = [text for text in texts if text == target or text.startswith(f"{target}/")]
    if not found:
        raise OSError(f"{target} was mounted, and is not found among what is mounted")
    return found


def _unescaped(place: bytes) -> bytes:
    """The kernel writes white space and backslashes as a backslash and three octal digits."""
    first, *rest = place.split(b"\\")
    return first + b"".join(bytes([int(part[:3], 8)]) + part[3:] for part in rest)
