"""Only signing in: tests of accounts do not wait for pages and API."""

from django.urls import include, path

urlpatterns = [
    path("accounts/", include("allauth.urls")),
]
