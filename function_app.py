"""Composition root of the function app: Azure Functions loads `app` from here."""

import azure.durable_functions as df

from registry import api, entities, orchestrator, settings

app = df.DFApp(http_auth_level=settings.current().auth_level.upper())
for blueprint in (api.blueprint, orchestrator.blueprint, entities.blueprint):
    app.register_functions(blueprint)
