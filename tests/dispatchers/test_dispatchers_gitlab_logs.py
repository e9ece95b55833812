"""Logs of GitLab without what its runners write around the text, however much of them is there already."""

from __future__ import annotations

from typing import Final

from apps.deployments.dispatchers.gitlab_logs import as_printed

AT = b"2026-11-28T12:00:0%d.123456Z "
MARKED: Final = b"".join(
    [
        AT % 0 + b"00O Running with gitlab-runner 18.7.0\n",
        AT % 1 + b"00O section_start:1764331201:step_script\r\x1b[0K\n",
        AT % 1 + b"00O+\x1b[0K\x1b[36;1mExecuting\x1b[0;m\n",
        AT % 2 + b"01E ERROR: boom\n",
        AT % 3 + b"01O t\n",
        AT % 4 + b"01O+ two\n",
        AT % 5 + b"01O+, three\n",
        AT % 6 + b"01O 2026-11-28T12:00:00.123456Z 01O said by the job\n",
        AT % 7 + b"00O \n",
        AT % 8 + b"00O section_end:1764331208:step_script\r\x1b[0KJob succeeded\n",
    ]
)
PRINTED: Final = b"""Running with gitlab-runner 18.7.0
\x1b[0K\x1b[36;1mExecuting\x1b[0;m
ERROR: boom
t two, three
2026-11-28T12:00:00.123456Z 01O said by the job

Job succeeded"""


def test_marks_of_time_are_taken_away_and_lines_that_go_on_are_joined() -> None:
    assert as_printed(MARKED) == PRINTED


def test_wherever_a_log_ends_by_now_its_whole_lines_stay_its_beginning() -> None:
    """The recorder goes on behind the last whole line that it took."""
    for size in range(len(MARKED)):
        shown = as_printed(MARKED[:size])
        assert PRINTED.startswith(shown[: shown.rfind(b"\n") + 1]), size


def test_a_log_without_marks_keeps_what_looks_like_one() -> None:
    raw = b"one\n" + AT % 1 + b"01O two\n" + AT % 2 + b"01O+three\n"
    assert as_printed(raw) == raw


def test_the_first_runners_that_wrote_marks_put_a_null_into_them() -> None:
    assert (
        as_printed(b"2024-06-10T12:00:00.\x00123456Z 01O one\n2024-06-10T12:00:00.\x00123457Z 01O two") == b"one\ntwo"
    )
