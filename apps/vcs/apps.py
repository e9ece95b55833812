from django.apps import AppConfig


class VcsConfig(AppConfig):
    name = "apps.vcs"
