from django.apps import AppConfig


class DiffsConfig(AppConfig):
    name = "apps.diffs"
