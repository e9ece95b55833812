"""The URLs of ``PortalProvider``: allauth includes the ``urls`` module beside a provider's class.

``provider_id`` is a part of the path as in allauth, so callback addresses stay the documented ones.
"""

from __future__ import annotations

from allauth.socialaccount.providers.openid_connect.views import login
from django.urls import path

from apps.accounts.oidc import callback

urlpatterns = [
    path("oidc/<str:provider_id>/login/", login, name="openid_connect_login"),
    path("oidc/<str:provider_id>/login/callback/", callback, name="openid_connect_callback"),
]
