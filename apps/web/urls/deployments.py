"""Deployments: list, live page, its fragments, actions."""

from django.urls import path

from apps.web.views import deployment_actions, deployments, log_comments, schedules

urlpatterns = [
    path("deployments/", deployments.deployment_rows, name="deployments"),
    path("deployments/<int:number>/", deployments.show, name="deployment"),
    path("deployments/<int:number>/_header/", deployments.header, name="deployment_header"),
    path("deployments/<int:number>/_steps/", deployments.steps, name="deployment_steps"),
    path("deployments/<int:number>/_logs/", deployments.log_list, name="deployment_log_list"),
    path("deployments/<int:number>/_events/", deployments.event_list, name="deployment_event_list"),
    path("deployments/<int:number>/_log/", deployments.log_piece, name="deployment_log_piece"),
    path("deployments/<int:number>/resources/", deployments.resource_list, name="deployment_resources"),
    path("deployments/<int:number>/events/", deployments.events, name="deployment_events"),
    path("deployments/<int:number>/search/", deployments.search_log, name="deployment_search"),
    path("deployments/<int:number>/log/", deployments.raw_log, name="deployment_log"),
    path("deployments/<int:number>/comment/", log_comments.comment, name="deployment_comment"),
    path("deployments/<int:number>/start/", deployment_actions.start, name="deployment_start"),
    path("deployments/<int:number>/cancel/", deployment_actions.cancel, name="deployment_cancel"),
    path("deployments/<int:number>/schedule/", schedules.deployment, name="deployment_schedule"),
    path("deployments/<int:number>/schedule/cancel/", schedules.unschedule_deployment, name="deployment_unschedule"),
    path("deployments/<int:number>/retry/", deployment_actions.retry, name="deployment_retry"),
    path("deployments/<int:number>/steps/<int:step>/", deployment_actions.act_on_step, name="deployment_step"),
    path("deployments/<int:number>/resolve/", deployment_actions.resolve, name="deployment_resolve"),
    path("deployments/<int:number>/bring-back/", deployment_actions.bring_back, name="deployment_bring_back"),
    path("deployments/<int:number>/rollback/", deployment_actions.rollback, name="deployment_rollback"),
]
