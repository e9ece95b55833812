"""``manage.py verify_audit_log``: 0 when the chain holds, 1 with the first bad entry when not."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from typing import Any

from apps.audit.verification import verify
from apps.core.command import PortalCommand

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """``text`` with control and direction characters escaped, so that a log cannot steer a terminal."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


class Command(PortalCommand):
    help = "Check the hash chain of the audit log. Exit status 0: it holds. 1: it does not."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--from-seq", type=int, default=1, help="start here and trust the entry before")

    def handle(self, *_: Any, **options: Any) -> None:
        report = verify(from_seq=options["from_seq"])
        if report.ok:
            as_published = f", the first {report.published} as published" if report.published else ""
            self.stdout.write(f"ok: {report.entries} entries, head #{report.head.seq} {report.head.hash}{as_published}")
            return
        self.stderr.write(printable(f"BROKEN after {report.entries} good entries: {report.problem}"))
        raise SystemExit(1)
