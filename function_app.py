"""Composition root of the function app: Azure Functions loads `app` from here."""

import azure.durable_functions as df

from registry import api, entities, forgetting, orchestrator, processing, settings

app = df.DFApp(http_auth_level=settings.current().auth_level.upper())
for module in (api, orchestrator, entities, processing, forgetting):
    app.register_functions(module.blueprint)
