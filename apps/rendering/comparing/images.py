"""References of container images, as far as a reviewer needs to read them."""

from __future__ import annotations


def tag_of(image: str) -> str:
    """The tag that is pulled: ``latest`` where the reference has neither tag nor digest, empty where it has a digest only."""
    name, _, digest = image.partition("@")
    _, colon, tag = name.rpartition(":")
    if colon and "/" not in tag:
        return tag
    return "" if digest else "latest"


def digest_of(image: str) -> str:
    """The digest to which the reference is pinned, or nothing."""
    return image.partition("@")[2]
