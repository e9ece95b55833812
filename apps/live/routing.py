"""The URLs of the sockets."""

from django.urls import path, re_path

from apps.live import consumers

websocket_urlpatterns = [
    path("ws/deployments/<int:number>/", consumers.deployment_socket),
    path("ws/changes/<int:number>/", consumers.change_socket),
    path("ws/queue/", consumers.queue_socket),
    path("ws/board/", consumers.board_socket),
    re_path("", consumers.unknown_socket),
]
