"""Where allauth asks the portal: who may sign in, how accounts come to be, what is recorded.

allauth's hooks take a request; this module is where it ends. Requests are typed ``Any``, so that
the context needs no import of ``django.http``.
"""

from __future__ import annotations

import logging
from typing import Any

import requests
from allauth.account.adapter import DefaultAccountAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.providers.base import AuthError
from django.conf import settings
from django.contrib import messages
from django.db import transaction

from apps.accounts import services
from apps.accounts.handles import suggested_handle
from apps.accounts.models import User
from apps.accounts.oidc import SignInRefused, claims_of
from apps.audit.actors import Actor
from apps.audit.services import hold_log, record

logger = logging.getLogger(__name__)
CONFIRMATION_SENT = "account/messages/email_confirmation_sent.txt"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Local accounts, and the moments that every way of signing in passes through."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "local_sign_in_off": "Signing in with a password is switched off here. Use single sign-on.",
    }

    def is_open_for_signup(self, request: Any) -> bool:
        """Accounts are made by administrators, unless the operator opened the door."""
        return bool(settings.PORTAL_OPEN_SIGNUP and settings.PORTAL_LOCAL_SIGN_IN)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """A server that does not take it is no answer to whoever asked: that would tell strangers who has an account."""
        if settings.PORTAL_SENDS_MAIL:
            try:
                super().send_mail(template_prefix, email, context)
            except OSError as problem:
                logger.error("mail_not_sent %s", type(problem).__name__)  # noqa: TRY400  # its text holds the address

    def add_message(
        self, request: Any, level: int, message_template: str | None = None, *rest: Any, **more: Any
    ) -> None:
        """Nothing is said to have been sent that was not."""
        if message_template == CONFIRMATION_SENT and not settings.PORTAL_SENDS_MAIL:
            message_template, level = None, messages.WARNING
            more["message"] = "This portal sends no mail, so the address cannot be confirmed."
        super().add_message(request, level, message_template, *rest, **more)

    def pre_authenticate(self, request: Any, **credentials: Any) -> None:
        if not settings.PORTAL_LOCAL_SIGN_IN:
            raise self.validation_error("local_sign_in_off")
        super().pre_authenticate(request, **credentials)

    def authentication_failed(self, request: Any, **credentials: Any) -> None:
        claimed = str(credentials.get("username") or credentials.get("email") or "")
        services.record_refused_sign_in(claimed=claimed, method="password", reason="wrong name or password")

    def pre_login(self, request: Any, user: User, **kwargs: Any) -> Any:
        """Refuse deactivated accounts; take over the groups before anything is decided with them."""
        login = (kwargs.get("signal_kwargs") or {}).get("sociallogin")
        if not user.is_active:
            method = "sso" if login else "password"
            services.record_refused_sign_in(claimed=user.username, method=method, reason="account deactivated")
        response = super().pre_login(request, user, **kwargs)
        if response is None and login is not None:
            services.take_over_claims(user, claims=claims_of(login))
        return response

    @transaction.atomic
    def login(self, request: Any, user: User) -> None:
        """Start the session (its key is new) and record it, or neither."""
        User.objects.select_for_update(no_key=True).get(pk=user.pk)  # before the log, as who changes an account does
        hold_log()  # a log that takes nothing refuses here, before there is half a session
        super().login(request, user)
        methods = request.session.get("account_authentication_methods") or [{}]
        method = str(methods[-1].get("method", "password"))
        services.record_sign_in(user, method="sso" if method == "socialaccount" else method)

    @transaction.atomic
    def logout(self, request: Any) -> None:
        user = request.user
        if user.is_authenticated:
            services.record_sign_out(user)
        super().logout(request)

    @transaction.atomic
    def save_user(self, request: Any, user: User, form: Any, commit: bool = True) -> User:
        """An account that somebody made for himself (only with open sign-up)."""
        saved: User = super().save_user(request, user, form, commit=commit)
        if commit:
            record(Actor.of(saved), "user.created", target=f"user/{saved.username}", summary="Account made by sign-up")
        return saved

    @transaction.atomic
    def set_password(self, user: User, password: str) -> None:
        super().set_password(user, password)
        record(Actor.of(user), "user.password_changed", target=f"user/{user.username}", summary="Password changed")


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Single sign-on: identity is (issuer, subject); an e-mail address never decides who somebody is."""

    def is_open_for_signup(self, request: Any, sociallogin: Any) -> bool:
        return bool(settings.PORTAL_OIDC_CREATE_USERS)

    def is_auto_signup_allowed(self, request: Any, sociallogin: Any) -> bool:
        """No form in between: what it would ask, the provider has answered."""
        return True

    def can_authenticate_by_email(self, login: Any, email: str) -> bool:
        """Never, whatever the settings say: that is how accounts are taken over."""
        return False

    def pre_social_login(self, request: Any, sociallogin: Any) -> None:
        # Addresses are recorded by our own service, which asks whether somebody else holds them.
        sociallogin.email_addresses = []
        if not sociallogin.is_existing:
            sociallogin.user.email = ""

    def populate_user(self, request: Any, sociallogin: Any, data: dict[str, Any]) -> User:
        """A suggestion for the new account: free handle, name; the rest comes with ``register_from_provider``."""
        user: User = sociallogin.user
        wanted = suggested_handle(str(data.get("username") or data.get("email") or data.get("name") or ""))
        user.username = _free_handle(wanted or "user")
        user.display_name = str(data.get("name") or "").strip()[:150]
        return user

    @transaction.atomic
    def save_user(self, request: Any, sociallogin: Any, form: Any = None) -> User:
        user: User = sociallogin.user
        user.username = _free_handle(user.username or "user")
        saved: User = super().save_user(request, sociallogin, form=form)
        return services.register_from_provider(saved, claims=claims_of(sociallogin))

    def on_authentication_error(
        self, request: Any, provider: Any, error: Any = None, exception: Any = None, extra_context: Any = None
    ) -> None:
        """Say on the page and in the log what was wrong. Recorded in the audit log only if we had sent the
        browser out ourselves (a state was found): else anybody could fill it."""
        state = (extra_context or {}).get("state")
        reason = str(exception) if isinstance(exception, SignInRefused) else _reason(exception, state)
        logger.warning("sso_refused", extra={"reason": reason, "cause": type(exception).__name__})
        if state and error != AuthError.CANCELLED:
            services.record_refused_sign_in(claimed="", method="sso", reason=reason)
        if extra_context is not None:
            extra_context["reason"] = reason


def _reason(exception: Any, state: Any) -> str:
    if isinstance(exception, requests.ConnectionError | requests.Timeout) or (exception and not state):
        return "The identity provider could not be reached, or its description could not be read. Try again later."
    if exception is not None:
        return (
            "The identity provider did not accept the portal's request: the code was used or has expired, or the "
            "client id and secret that an administrator has set are wrong. Start the sign-in again."
        )
    if state is None:
        return "This sign-in was not started in this browser, or too long ago. Start it again."
    return "The identity provider refused the sign-in."


def _free_handle(wanted: str) -> str:
    """``wanted``, or with the first number that makes it free."""
    base = wanted[:56]
    taken = set(User.objects.filter(username__startswith=base).values_list("username", flat=True))
    if wanted not in taken:
        return wanted
    return next(name for number in range(2, len(taken) + 3) if (name := f"{base}-{number}") not in taken)
