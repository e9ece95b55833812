"""What the notices of Git hosts look like and how each proves where it comes from. Pure.

A notice only ever makes the portal look at Git again; nothing in it is believed otherwise.
"""

from apps.repositories.forges.notices import MAX_BODY_BYTES, PROVIDERS, Notice, read_notice

__all__ = ["MAX_BODY_BYTES", "PROVIDERS", "Notice", "read_notice"]
