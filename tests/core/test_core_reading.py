"""A fact is asked for once while a page is read, and anew everywhere else."""

from __future__ import annotations

from apps.core.reading import once_per_read, one_read


def test_a_fact_is_asked_once_per_read_and_anew_outside() -> None:
    asked: list[int] = []

    @once_per_read
    def double(number: int) -> int:
        asked.append(number)
        return number * 2

    with one_read():
        assert [double(1), double(1), double(2)] == [2, 2, 4]
    assert asked == [1, 2]
    with one_read():
        double(1)
    double(1)
    double(1)
    assert asked == [1, 2, 1, 1, 1]
