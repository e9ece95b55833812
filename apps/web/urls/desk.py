"""The queue, preferences and help: what is not about one change."""

from django.urls import path

from apps.web.views import attention, desk, help_pages, inbox, preferences

urlpatterns = [
    path("", desk.home, name="home"),
    path("queue/", desk.queue, name="queue"),
    path("queue/arrange/", desk.arrange, name="queue_arrange"),
    path("queue/hand-over/", attention.hand_over, name="queue_hand_over"),
    path("queue/snooze/", attention.snooze, name="queue_snooze"),
    path("queue/<slug:key>/", desk.section, name="queue_section"),
    path("changes/<int:number>/unsnooze/", attention.unsnooze, name="change_unsnooze"),
    path("changes/<int:number>/settle/", attention.settle, name="change_settle"),
    path("changes/<int:number>/claim/", attention.claim, name="change_claim"),
    path("changes/<int:number>/release/", attention.release, name="change_release"),
    path("_nav/queue-count/", desk.queue_count, name="queue_count"),
    path("_nav/inbox-count/", desk.inbox_count, name="inbox_count"),
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox/mark/", inbox.mark, name="inbox_mark"),
    path("settings/inbox/", inbox.choose, name="inbox_choose"),
    path("search/", desk.search, name="search"),
    path("preferences/", preferences.preferences, name="preferences"),
    path("help/shortcuts/", help_pages.shortcuts, name="shortcuts"),
    path("help/ui/", help_pages.gallery, name="gallery"),
]
