"""Answers that are asked for again and again, kept so that they need not be sent, and counted, again while nothing changed.

GitHub does not count a request with credentials and ``If-None-Match`` that it answers with 304 (*Best practices for using the
REST API*), so looking at a run costs only where something happened. Each answer is still the word of the other system now.
Kept in the memory of this process alone, by who asks and what is asked: another worker asks for the whole once.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from threading import Lock

from apps.deployments.dispatchers.answers import Answer

WHOLE, UNCHANGED = 200, 304
MOST_BYTES = 16 * 1024 * 1024
LONGEST_TAG = 300


class Kept:
    """Whole answers with their ``ETag``; those that were asked for longest ago go first."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._lock = Lock()
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> Answer | None:
        with self._lock:
            found = self._answers.get(key)
            if found is not None:
                self._answers.move_to_end(key)
            return found

    def settle(self, key: str, before: Answer | None, answer: Answer) -> Answer:
        """What ``answer`` says, as a whole: that of ``before`` where it is that nothing changed."""
        if answer.status == UNCHANGED and before is not None:
            return replace(before, headers={**before.headers, **answer.headers})
        if answer.status == WHOLE:
            with self._lock:
                self._drop(key)
                if tag_of(answer) and len(answer.body) <= self._most // 4:
                    self._answers[key] = answer
                    self._bytes += len(answer.body)
                while self._bytes > self._most:
                    self._drop(next(iter(self._answers)))
        return answer

    def _drop(self, key: str) -> None:
        found = self._answers.pop(key, None)
        self._bytes -= len(found.body) if found else 0


def tag_of(answer: Answer) -> str:
    """Its ``ETag``, which is sent back as it came; empty where it has none that could be."""
    tag = answer.headers.get("etag", "")
    return tag if len(tag) <= LONGEST_TAG else ""


KEPT = Kept()
