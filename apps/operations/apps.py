from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "apps.operations"

    def ready(self) -> None:
        """Count lost leases, and let engine processes, which have no server of their own, answer probes too."""
        from apps.core.leases import lease_lost
        from apps.operations.beside import serve_beside
        from apps.operations.metrics import count_lost_lease
        from apps.operations.observing import begin
        from apps.worker.signals import engine_process_started

        lease_lost.connect(count_lost_lease, dispatch_uid="operations.lease")
        engine_process_started.connect(serve_beside, dispatch_uid="operations.beside")
        engine_process_started.connect(begin, dispatch_uid="operations.traces")
