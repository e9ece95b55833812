from django.apps import AppConfig


class DeploymentsConfig(AppConfig):
    name = "apps.deployments"

    def ready(self) -> None:
        from apps.changes.earlier_states import answer_with
        from apps.deployments.queries.ledger import was_live
        from apps.deployments.waking import connect

        connect()
        answer_with(was_live)
