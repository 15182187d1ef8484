"""The app in place of the app where settings are not allowed: on Azure no line would say why there
is none.

It has no durable functions, so that the host leaves the messages of the task hub alone until the
settings are mended.
"""

from azure.functions import AuthLevel, FunctionApp, HttpRequest, HttpResponse

from registry import __version__
from registry.domain.problems import MISCONFIGURED, ProblemError
from registry.settings import SettingsError
from registry.web.responses import problem

RETRY_AFTER = 60
"""Seconds; somebody has to mend the settings first."""


def app_that_explains(error: SettingsError) -> FunctionApp:
    """An app that answers every request with what the settings must be, also without a key."""
    refusal = ProblemError(MISCONFIGURED, settings="; ".join(error.rules), retry_after=RETRY_AFTER)
    app = FunctionApp(http_auth_level=AuthLevel.ANONYMOUS)

    @app.function_name("misconfigured")
    @app.route("{*path}")
    async def misconfigured(req: HttpRequest) -> HttpResponse:
        return problem(refusal, {"version": __version__})

    return app
