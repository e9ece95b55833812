"""Teams, people, one's own settings and tokens."""

from django.urls import path

from apps.web.views import absences, own_settings, people, teams

urlpatterns = [
    path("teams/", teams.index, name="teams"),
    path("teams/new/", teams.new, name="team_new"),
    path("teams/<str:name>/", teams.show, name="team"),
    path("teams/<str:name>/edit/", teams.edit, name="team_edit"),
    path("teams/<str:name>/members/", teams.add_member, name="team_member"),
    path("teams/<str:name>/members/remove/", teams.remove_member, name="team_member_remove"),
    path("people/", people.index, name="people"),
    path("people/new/", people.new, name="person_new"),
    path("people/<str:handle>/deactivate/", people.deactivate, name="person_deactivate"),
    path("people/<str:handle>/reactivate/", people.reactivate, name="person_reactivate"),
    path("people/<str:handle>/away/", absences.of_person, name="person_away"),
    path("people/<str:handle>/away/<int:absence>/end/", absences.end_of_person, name="person_away_end"),
    path("people/<str:handle>/sponsor/", people.sponsor, name="person_sponsor"),
    path("people/<str:handle>/connecting/", people.connecting, name="person_connecting"),
    path("settings/", own_settings.settings, name="settings"),
    path("settings/keyboard/", own_settings.keyboard, name="keyboard"),
    path("settings/away/", absences.away, name="away"),
    path("settings/away/<int:absence>/end/", absences.end, name="away_end"),
    path("settings/time-zone/", absences.time_zone, name="time_zone"),
    path("settings/tokens/", own_settings.tokens, name="tokens"),
    path("settings/tokens/<int:token>/revoke/", own_settings.revoke, name="token_revoke"),
]
