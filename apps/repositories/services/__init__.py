"""Use cases of the repositories context.

Every function takes the acting person first, checks the access rule, writes one audit entry and is
atomic; refusals are the errors of ``apps.core.errors``.
"""

from apps.repositories.services.branches import expect_no_push, expect_push, note_push
from apps.repositories.services.claims import require_claims
from apps.repositories.services.connecting import connect_repository
from apps.repositories.services.credentials import change_credentials, rotate_webhook_secret
from apps.repositories.services.deliveries import accept_delivery
from apps.repositories.services.members import remove_member, set_member
from apps.repositories.services.synchronising import note_pins_restored, request_sync, synchronise

__all__ = [
    "accept_delivery",
    "change_credentials",
    "connect_repository",
    "expect_no_push",
    "expect_push",
    "note_pins_restored",
    "note_push",
    "remove_member",
    "request_sync",
    "require_claims",
    "rotate_webhook_secret",
    "set_member",
    "synchronise",
]
