"""Conditions: true or false, or an error that names what is missing. Nothing is guessed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from apps.rendering.cloudformation.markers import Marker, is_known
from apps.rendering.cloudformation.problems import problem, shown
from apps.rendering.cloudformation.values import text_of
from apps.rendering.model import Failure, Json, RenderError
from apps.rendering.redaction import MARK, Fingerprint

MAX_CHAIN = 30
_UNKNOWN = frozenset({Failure.MISSING_INPUT, Failure.UNSUPPORTED})


class Conditions:
    """Those of one template, each worked out when it is asked for first."""

    def __init__(self, declared: Mapping[str, Json], resolve: Callable[[Json], Json], fingerprint: Fingerprint) -> None:
        self.declared, self.resolve, self.fingerprint = declared, resolve, fingerprint
        self.known: dict[str, bool] = {}
        self.open: list[str] = []

    def holds(self, name: Json) -> bool:
        if not isinstance(name, str) or name not in self.declared:
            raise problem(f"There is no condition {shown(name)}.")
        if name not in self.known:
            if name in self.open:
                raise problem(f"The condition {shown(name)} depends on itself.")
            if len(self.open) >= MAX_CHAIN:
                raise problem(f"More than {MAX_CHAIN} conditions depend on one another.", Failure.TOO_LARGE)
            self.open.append(name)
            try:
                self.known[name] = self._is_true(self.declared[name])
            finally:
                self.open.pop()
        return self.known[name]

    def _is_true(self, value: Json) -> bool:
        name, content = next(iter(value.items())) if isinstance(value, dict) and len(value) == 1 else ("", None)
        if name == "Condition":
            return self.holds(content)
        if name in {"Fn::And", "Fn::Or"} and isinstance(content, list) and 2 <= len(content) <= 10:
            return self._decided(content, name == "Fn::Or")
        if name == "Fn::Not" and isinstance(content, list) and len(content) == 1:
            return not self._is_true(content[0])
        if name == "Fn::Equals" and isinstance(content, list) and len(content) == 2:
            return self._equal(*(text_of(self.resolve(each), name) for each in content))
        raise problem(f"A condition {self._name()}must be one of Equals, And, Or, Not and Condition.")

    def _decided(self, values: list[Json], decisive: bool) -> bool:
        """Whether one value is ``decisive``; then what is not known of the others does not matter."""
        unknown: RenderError | None = None
        for value in values:
            try:
                if self._is_true(value) is decisive:
                    return decisive
            except RenderError as error:
                if error.failure not in _UNKNOWN:
                    raise
                unknown = unknown or error
        if unknown is not None:
            raise unknown
        return not decisive

    def _equal(self, left: str, right: str) -> bool:
        """Secrets are compared by their fingerprints. An empty one has none, so that "is it given" has an answer."""
        if str(left) == str(right):
            return True
        for one, other in ((left, right), (right, left)):
            if isinstance(one, Marker):
                raise problem(f"The condition {self._name()}depends on {shown(one)}.", Failure.MISSING_INPUT)
            if MARK in one and not other:
                return False
            if self._is_fingerprint(one) and is_known(other):
                return self.fingerprint(other.encode("utf-8", "surrogatepass")) == one
        if (is_known(left) and is_known(right)) or (self._is_fingerprint(left) and self._is_fingerprint(right)):
            return False
        raise problem(f"The condition {self._name()}depends on a part of a secret.", Failure.UNSUPPORTED)

    def _is_fingerprint(self, text: str) -> bool:
        return text.startswith(MARK) and text.count(MARK) == 1 and len(text) == len(self.fingerprint(b""))

    def _name(self) -> str:
        return f"{shown(self.open[-1])} " if self.open else ""
