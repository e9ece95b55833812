"""Accounts: who may create and switch them off, and what is recorded."""

from __future__ import annotations

import pytest

from apps.accounts import queries, services, signals
from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.core.errors import Conflict, InvalidInput, NotAllowed
from tests.support.people import PASSWORD, Cast, cast, person, team

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> Cast:
    return cast()


def test_cast_can_sign_in_with_handle_and_has_verified_address(people):
    assert people.alice.check_password(PASSWORD)
    assert queries.people_by_email(["ALICE@Example.org"]) == {"ALICE@Example.org": people.alice}
