"""The app in place of the app where settings are not allowed.

On Azure nobody would see why there is none. It has no durable functions, so the host leaves the
messages of the task hub alone until the settings are corrected.
"""

from azure.functions import AuthLevel, FunctionApp, HttpRequest, HttpResponse

from registry import __version__
from registry.domain.problems import MISCONFIGURED, ProblemError
from registry.settings import SettingsError
from registry.web.responses import Problem, problem_response

RETRY_AFTER = 60
"""Seconds. Somebody has to correct the settings first."""


def app_that_explains(error: SettingsError) -> FunctionApp:
    """An app that answers every request with what the settings must be, also without a key."""
    problem = Problem.of(
        ProblemError(MISCONFIGURED, settings="; ".join(error.rules), retry_after=RETRY_AFTER),
        version=__version__,
    )
    app = FunctionApp(http_auth_level=AuthLevel.ANONYMOUS)

    @app.function_name("misconfigured")
    @app.route("{*path}")
    async def misconfigured(req: HttpRequest) -> HttpResponse:
        return problem_response(problem)

    return app
