"""The timer functions of maintenance."""

import azure.durable_functions as df
from azure.functions import TimerRequest

from registry import clock, settings, telemetry
from registry.durable.maintenance.purge import purge_before
from registry.durable.maintenance.reconcile import reconcile_all

blueprint = df.Blueprint()


@blueprint.function_name("reconcile")
@blueprint.timer_trigger(arg_name="timer", schedule="0 * * * * *")
@blueprint.durable_client_input(client_name="client")
async def reconcile(timer: TimerRequest, client: df.DurableOrchestrationClient) -> None:
    """Close registries that are overdue, and restart deliveries that report no more."""
    done = await reconcile_all(client, settings.current().backoff)
    telemetry.summarize("reconciled", done, ("closed", "restarted", "skipped"))


@blueprint.function_name("purge_expired")
@blueprint.timer_trigger(arg_name="timer", schedule="0 0 3 * * *")
@blueprint.durable_client_input(client_name="client")
async def purge_expired(timer: TimerRequest, client: df.DurableOrchestrationClient) -> None:
    """Delete registries that closed longer ago than the retention."""
    retention = settings.current().retention
    if retention:
        done = await purge_before(client, clock.utc_now() - retention)
        telemetry.summarize("purged", done, ("registries", "skipped"))
