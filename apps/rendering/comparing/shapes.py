"""What is known of the values at one place of a body: the vocabulary in which the types of an API are written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from apps.rendering.model import Json

Default = Json | Callable[[Mapping[str, Json]], Json]
"""The value of a field that is absent, or a function of the mapping in which it is absent."""


class Ordering(Enum):
    """What the order of a list means."""

    COUNTS = auto()
    FREE = auto()
    FIRST = auto()  # only which element comes first
    REFERENCES = auto()  # only where a value refers to another one by $(NAME)


@dataclass(frozen=True, slots=True)
class Shape:
    """``typed``: an API gives these values a type, so rules apply. Without it nothing but the order of keys is without effect.

    ``fields`` and ``defaults`` make a mapping a record: its keys are fields, and one that is ``null`` is absent.
    ``each`` is the shape of the values of a free mapping or of the elements of a list. ``empty``: absent, ``null`` and
    empty are alike here. ``alike``: so are a number or a truth value and its text.
    """

    typed: bool = False
    fields: Mapping[str, Shape] = field(default_factory=dict)
    defaults: Mapping[str, Default] = field(default_factory=dict)
    each: Shape | None = None
    keys: tuple[str, ...] = ()
    order: Ordering = Ordering.COUNTS
    empty: bool = False
    amount: bool = False
    alike: bool = False

    @property
    def record(self) -> bool:
        return bool(self.fields or self.defaults)

    def of(self, key: str) -> Shape:
        """The shape at ``key``; inside a known type, a field that the tables do not name is at least typed."""
        return self.fields.get(key) or self.each or (VALUE if self.typed else UNKNOWN)

    def element(self) -> Shape:
        return self.each or (VALUE if self.typed else UNKNOWN)


UNKNOWN = Shape()
VALUE = Shape(typed=True)
AMOUNT = Shape(typed=True, amount=True)
MAP = Shape(typed=True, each=UNKNOWN, empty=True)
AMOUNTS = Shape(typed=True, each=AMOUNT, empty=True)


def record(defaults: Mapping[str, Default] | None = None, **fields: Shape) -> Shape:
    return Shape(typed=True, fields=fields, defaults=defaults or {})


def optional(shape: Shape) -> Shape:
    """The same, where absent and empty are alike."""
    return replace(shape, empty=True)


def listed(each: Shape = VALUE, *keys: str, order: Ordering = Ordering.COUNTS, empty: bool = True) -> Shape:
    return Shape(typed=True, each=each, keys=keys, order=order, empty=empty)


SEQUENCE = listed()
SET = listed(VALUE, "", order=Ordering.FREE)
