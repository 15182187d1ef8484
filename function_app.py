"""Composition root of the function app: Azure Functions loads `app` from here."""

import os

import azure.durable_functions as df

from registry import settings
from registry.durable import delivery, entities, lifecycle, upkeep
from registry.web import api

os.environ.setdefault("AZURE_FUNCTIONS_DURABLE_STRICT_TYPING", "1")  # payloads are plain JSON: none names a class

app = df.DFApp(http_auth_level=settings.current().auth_level.upper())
for module in (api, lifecycle, delivery, entities, upkeep):
    app.register_functions(module.blueprint)
