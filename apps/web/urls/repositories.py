"""Repositories: list, connect, one repository with members, webhook, credentials, policy."""

from django.urls import path

from apps.web.views import freezes, outside, repositories, repository_history, repository_settings, reviewer_forms

urlpatterns = [
    path("repositories/", repositories.index, name="repositories"),
    path("repositories/connect/", repositories.connect, name="repository_connect"),
    path("repositories/<str:name>/", repositories.show, name="repository"),
    path("repositories/<str:name>/policy/", repositories.policy, name="repository_policy"),
    path("repositories/<str:name>/history/", repository_history.history, name="repository_history"),
    path("repositories/<str:name>/blame/", repository_history.blame, name="repository_blame"),
    path("repositories/<str:name>/_blame/", repository_history.blame_rows, name="repository_blame_rows"),
    path("repositories/<str:name>/outside/", outside.index, name="repository_outside"),
    path("repositories/<str:name>/outside/<int:outside>/adopt/", outside.adopt, name="outside_adopt"),
    path("repositories/<str:name>/outside/<int:outside>/revert/", outside.revert, name="outside_revert"),
    path("repositories/<str:name>/sync/", repositories.sync, name="repository_sync"),
    path("repositories/<str:name>/members/", repository_settings.set_member, name="repository_member"),
    path("repositories/<str:name>/members/remove/", repository_settings.remove_member, name="repository_member_remove"),
    path("repositories/<str:name>/webhook/rotate/", repository_settings.rotate_webhook, name="repository_webhook"),
    path("repositories/<str:name>/rebalance/", reviewer_forms.rebalance, name="repository_rebalance"),
    path("repositories/<str:name>/claims/", repository_settings.require_claims, name="repository_claims"),
    path("repositories/<str:name>/freezes/<int:freeze>/lift/", freezes.lift, name="freeze_lift"),
    path("repositories/<str:name>/credentials/", repository_settings.credentials, name="repository_credentials"),
]
