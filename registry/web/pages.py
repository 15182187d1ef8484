"""The page for people, and the API's description of itself."""

from functools import cache

from azure.functions import HttpRequest, HttpResponse

from registry import settings
from registry.settings import Settings
from registry.web import docs, functions, openapi, page
from registry.web.endpoints import Answer, ApiBlueprint, Page
from registry.web.responses import Description, json_response
from registry.web.schemas import Node

blueprint = ApiBlueprint()


@cache
def describe(settings: Settings) -> Node:
    """The OpenAPI document of an app with these settings."""
    return openapi.describe([*functions.blueprint.operations, *blueprint.operations], settings)


@cache
def _document(settings: Settings) -> str:
    return docs.render(describe(settings))


@blueprint.page(
    "describe",
    "api/openapi.json",
    Answer(200, "The description.", Description(openapi=openapi.VERSION)),
)
def get_description(req: HttpRequest) -> HttpResponse:
    """Describe this API, in OpenAPI."""
    return json_response(200, Description.model_validate(describe(settings.current())))


@blueprint.page("docs", "api/docs", Answer(200, "The documentation.", Page(docs.HEADERS)))
def get_docs(req: HttpRequest) -> HttpResponse:
    """Describe this API, for people."""
    return HttpResponse(_document(settings.current()), headers=docs.HEADERS)


@blueprint.page("home", "api/home", Answer(200, "The page.", Page(page.HEADERS)))
@blueprint.page("home_at_api", "api")
@blueprint.page("home_at_root", "/")
def get_home(req: HttpRequest) -> HttpResponse:
    """The page on which people open a registry, add gifts and finish it.

    It is at / and /api too. Where calls need a key, it is opened with ?code=, and passes that on.
    """
    return HttpResponse(page.document(settings.current().open_for), headers=page.HEADERS)


@blueprint.page("home_module", "api/home/{file}")
def get_home_module(req: HttpRequest) -> HttpResponse:
    """A module of the page."""
    module = page.MODULES.get(req.route_params["file"])
    if module is None:
        return HttpResponse(status_code=404)
    return HttpResponse(module, headers=page.SCRIPT)
