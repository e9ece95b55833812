"""What Terraform says when it fails, without the code and the values that it shows with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from apps.rendering.model import Failure, RenderError
from apps.rendering.paths import joined
from apps.rendering.redaction import MARK, Fingerprint, redact_text
from apps.rendering.sandbox.messages import clean_message
from apps.rendering.terraform import hcl

_FRAME = re.compile(r"^[╷│╵]\s?", re.MULTILINE)
_SHOWS = re.compile(r"^\s*(?:\d+: |[├│]|\x1b).*$\n?", re.MULTILINE)
_PLACE = re.compile(r"^\s*on (\S+) line (\d+)", re.MULTILINE)
_ERROR = re.compile(r"^Error: ", re.MULTILINE)
_SHORTEST = 4


def failure(said: bytes, root: str, secrets: Iterable[str], fingerprint: Fingerprint, before: str = "") -> RenderError:
    """``TEMPLATE``, with the place that the first error names."""
    text = _SHOWS.sub("", _FRAME.sub("", said.decode("utf-8", "replace").replace("\r\n", "\n")))
    first = _ERROR.search(text)
    text = text[first.start() :] if first else text
    for secret in sorted(set(secrets), key=len, reverse=True):
        text = text.replace(secret, fingerprint(secret.encode("utf-8", "surrogatepass")))
    message = clean_message(redact_text(re.sub(r"\n{3,}", "\n\n", text), fingerprint), ("/input",))
    place = _PLACE.search(text)
    path = (joined(root, place.group(1)) or "") if place else ""
    line = int(place.group(2)) if place else 0
    return RenderError(Failure.TEMPLATE, before + (message or "Terraform failed without a word."), path=path, line=line)


def secret_texts(files: Iterable[hcl.Block], hides: Callable[[str], bool]) -> Iterator[str]:
    """The strings that files give to what is called, or marked as, secret (``hides`` tells of names): a message may quote them."""
    known = list(files)
    names = {
        label
        for file in known
        for block in file.named("variable")
        for label in block.labels
        if hides(label) or [token.text for token in block.attributes.get("sensitive", [])] == ["true"]
    }
    for file in known:
        left = [file]
        while left:
            block = left.pop()
            left += block.blocks
            of_variable = block.name == "variable" and not names.isdisjoint(block.labels)
            for name, tokens in block.attributes.items():
                is_secret = hides(name) or name in names or (of_variable and name == "default")
                yield from _texts(tokens, hides, is_secret=is_secret)


def _texts(tokens: Iterable[hcl.Token], hides: Callable[[str], bool], *, is_secret: bool) -> Iterator[str]:
    """All strings of a secret expression; of another one those that stand behind a secret name."""
    name = ""
    for token in tokens:
        if token.kind == "word" or (token.kind == "text" and hides(token.text)):
            name = token.text
        elif token.kind == "text":
            if (is_secret or hides(name)) and len(token.text) >= _SHORTEST and not token.text.startswith(MARK):
                yield token.text
            name = ""
