"""Composition root of the function app: Azure Functions loads `app` from here."""

import os

import azure.durable_functions as df
from azure.functions import FunctionApp

from registry import settings, telemetry
from registry.web import misconfigured

os.environ.setdefault(
    "AZURE_FUNCTIONS_DURABLE_STRICT_TYPING", "1"
)  # payloads are plain JSON: none names a class


def compose() -> FunctionApp:
    """The app; where settings are not allowed, one that says so, or nothing where somebody sees the
    console.
    """
    try:
        auth_level = settings.current().auth_level.upper()
    except settings.SettingsError as error:
        if (
            os.environ.get("AZURE_FUNCTIONS_ENVIRONMENT") == "Development"
        ):  # as Core Tools and devhost set it
            raise
        telemetry.tell_at_start("error", str(error))
        return misconfigured.app_that_says(error)
    # Not at the top: the schedule of a timer of maintenance comes from a setting.
    from registry.durable import activities, entities, maintenance, orchestrators
    from registry.web import functions as api

    telemetry.tell_at_start("warning", "\n".join(settings.unknown_names(os.environ)))
    app = df.DFApp(http_auth_level=auth_level)
    for module in (api, orchestrators, activities, entities, maintenance):
        app.register_functions(module.blueprint)
    return app


app = compose()
