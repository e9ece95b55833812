"""Bounds on time that hold on a busy machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def processor_seconds(most: float) -> Iterator[None]:
    """What is done inside takes less of the processor: a guard against time that explodes, whatever else the machine does."""
    began = time.thread_time()
    yield
    used = time.thread_time() - began
    assert used < most, f"{used:.1f} s of the processor, at most {most:g} expected"
