"""Composition root of the function app: Azure Functions loads `app` from here."""

import os

import azure.durable_functions as df
from azure.functions import FunctionApp

from registry import settings, telemetry
from registry.web import misconfigured

# Payloads are plain JSON: none names a class to be made of it.
os.environ.setdefault("AZURE_FUNCTIONS_DURABLE_STRICT_TYPING", "1")


def compose() -> FunctionApp:
    """The app; where settings are not allowed, one that says so to whoever calls it.

    In development the error is raised: there somebody sees the console.
    """
    try:
        auth_level = settings.current().auth_level.upper()
    except settings.SettingsError as error:
        # As Core Tools and devhost set it.
        if os.environ.get("AZURE_FUNCTIONS_ENVIRONMENT") == "Development":
            raise
        telemetry.log_at_start("error", str(error))
        return misconfigured.app_that_explains(error)

    # These read the settings when they are imported.
    from registry.durable import activities, entities, orchestrators
    from registry.durable.maintenance import timers
    from registry.web import functions, pages

    telemetry.log_at_start("warning", "\n".join(settings.unknown_names(os.environ)))
    app = df.DFApp(http_auth_level=auth_level)
    for module in (functions, pages, orchestrators, activities, entities, timers):
        app.register_functions(module.blueprint)
    return app


app = compose()
