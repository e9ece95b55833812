"""The queue, preferences and help: what is not about one change."""

from django.urls import path

from apps.web.views import desk, help_pages, preferences

urlpatterns = [
    path("", desk.home, name="home"),
    path("queue/", desk.queue, name="queue"),
    path("_nav/queue-count/", desk.queue_count, name="queue_count"),
    path("search/", desk.search, name="search"),
    path("preferences/", preferences.preferences, name="preferences"),
    path("help/shortcuts/", help_pages.shortcuts, name="shortcuts"),
    path("help/ui/", help_pages.gallery, name="gallery"),
]
