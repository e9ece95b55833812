"""The URLs of the sockets."""

from django.urls import path, re_path

from apps.live import consumers

# Django's routes are typed for views; the router of Channels calls these with (scope, receive, send).
websocket_urlpatterns = [
    path("ws/deployments/<int:number>/", consumers.deployment_socket),  # type: ignore[arg-type]
    path("ws/changes/<int:number>/", consumers.change_socket),  # type: ignore[arg-type]
    path("ws/environments/<str:repository>/<str:name>/", consumers.environment_socket),  # type: ignore[arg-type]
    path("ws/queue/", consumers.queue_socket),  # type: ignore[arg-type]
    path("ws/board/", consumers.board_socket),  # type: ignore[arg-type]
    re_path("", consumers.unknown_socket),  # type: ignore[arg-type]
]
