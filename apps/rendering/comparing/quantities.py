"""Amounts as Kubernetes reads them (``500m``, ``1Gi``, ``1e3``), exact: fractions, never binary floating point."""

from __future__ import annotations

import re
from fractions import Fraction

from apps.rendering.model import Json

_AMOUNT = re.compile(
    r"(?P<number>[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40}))(?:[eE](?P<power>[+-]?[0-9]{1,2})|(?P<unit>[A-Za-z]{1,2}))?"
)
_UNITS = {
    "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000),
    "k": Fraction(10**3), "M": Fraction(10**6), "G": Fraction(10**9),
    "T": Fraction(10**12), "P": Fraction(10**15), "E": Fraction(10**18),
    **{unit: Fraction(1024**power) for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}  # fmt: skip


def quantity(value: Json) -> Fraction | None:
    """The exact amount; ``None`` for what is no quantity, or has more digits than anybody needs."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    found = _AMOUNT.fullmatch(value if isinstance(value, str) else repr(value))
    if found is None:
        return None
    number, power, unit = found["number"], found["power"], found["unit"]
    if unit is not None:
        return Fraction(number) * _UNITS[unit] if unit in _UNITS else None
    return Fraction(number) * Fraction(10) ** int(power or 0)
