"""HTTP triggers that describe themselves.

`ApiBlueprint` publishes functions, and keeps for each what OpenAPI says of it: an `Operation`.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

import azure.durable_functions as df
from azure.functions import AuthLevel, Context, HttpMethod, HttpRequest, HttpResponse
from pydantic.alias_generators import to_camel

from registry import settings
from registry.domain.problems import HUB_UNAVAILABLE, OutcomeUnknown, ProblemError, ProblemType
from registry.durable.service import RegistryService
from registry.durable.task_hub import TaskHubClient
from registry.telemetry import trace_of
from registry.web.caching import with_etag, with_gzip
from registry.web.requests import Request, problems_of, read, wants_plain_text
from registry.web.responses import (
    Body,
    Problem,
    Unknown,
    json_response,
    problem_response,
    text_response,
)

R = TypeVar("R", bound=Request)
Trigger = Callable[[R, RegistryService], Awaitable[Body]]
PageTrigger = Callable[[HttpRequest], HttpResponse]
Tag = Literal["registries", "host"]

READ = (HttpMethod.GET, HttpMethod.HEAD)
CHANGE = (HttpMethod.GET, HttpMethod.POST)
"""A change takes GET too, as the original does."""
POST = (HttpMethod.POST,)


class Page(NamedTuple):
    """An HTML page, with headers that are always the same."""

    headers: Mapping[str, str]


class Answer(NamedTuple):
    """A success: how a body of the example's type is answered."""

    status: int
    description: str
    example: Body | Page
    to_text: Callable[[Any], str] | None = None
    """Writes the body for those who prefer plain text."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What clients can know of a call. The call itself behaves by it too."""

    id: str
    route: str
    """Below /api/."""
    methods: tuple[HttpMethod, ...]
    description: str
    """Its first line is the summary."""
    tag: Tag = "registries"
    is_public: bool = False
    """Whether it never needs a function key."""
    has_etag: bool = False
    request: type[Request] = Request
    answers: tuple[Answer, ...]
    problems: AbstractSet[ProblemType] = frozenset()


class ApiBlueprint(df.Blueprint):
    """A blueprint that keeps an operation for each call that it publishes."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []

    def endpoint(
        self,
        route: str,
        methods: tuple[HttpMethod, ...],
        request: type[R],
        *answers: Answer,
        problems: tuple[ProblemType, ...] = (),
        tag: Tag = "registries",
        is_public: bool = False,
        has_etag: bool = False,
    ) -> Callable[[Trigger[R]], Trigger[R]]:
        """Publish a call of the API.

        The function gets the request, read and validated, and the service. It returns a body of a
        type that `answers` has, or raises OutcomeUnknown or a ProblemError. `problems` are those
        beside an invalid request and a task hub that is unavailable. The function's docstring is
        the description of the call.
        """

        def publish(trigger: Trigger[R]) -> Trigger[R]:
            operation = Operation(
                id=to_camel(trigger.__name__),
                description=inspect.getdoc(trigger) or "",
                route=route,
                methods=methods,
                request=request,
                answers=answers,
                problems={*problems, *problems_of(request), HUB_UNAVAILABLE},
                tag=tag,
                is_public=is_public,
                has_etag=has_etag,
            )
            handler = _handler(operation, request, trigger)
            self.operations.append(operation)
            self._publish(
                route.partition("/")[0],
                f"api/{route}",
                methods,
                AuthLevel.ANONYMOUS if is_public else None,
                self.durable_client_input(client_name="client")(handler),
            )
            return trigger

        return publish

    def page(
        self, name: str, route: str, answer: Answer | None = None
    ) -> Callable[[PageTrigger], PageTrigger]:
        """Publish a page or a file for everybody.

        With an answer, it is in the description of the API.
        """

        def publish(trigger: PageTrigger) -> PageTrigger:
            if answer is not None:
                operation = Operation(
                    id=to_camel(trigger.__name__),
                    description=inspect.getdoc(trigger) or "",
                    route=route.removeprefix("api/"),
                    methods=READ,
                    answers=(answer,),
                    tag="host",
                    is_public=True,
                    has_etag=True,
                )
                self.operations.append(operation)

            self._publish(name, route, READ, AuthLevel.ANONYMOUS, _page_handler(trigger))
            return trigger

        return publish

    def _publish(
        self,
        name: str,
        route: str,
        methods: tuple[HttpMethod, ...],
        auth_level: AuthLevel | None,
        handler: Any,
    ) -> None:
        function = self.route(route, methods=methods, auth_level=auth_level)(handler)
        self.function_name(name)(function)


def _handler(
    operation: Operation, model: type[R], trigger: Trigger[R]
) -> Callable[..., Awaitable[HttpResponse]]:
    """The function that the host calls."""

    async def handle(
        req: HttpRequest, client: df.DurableOrchestrationClient, context: Context
    ) -> HttpResponse:
        service = RegistryService(TaskHubClient(client, trace_of(context)))
        try:
            request = read(req, model, settings.current())
            response = _respond(req, operation, await trigger(request, service))
        except ProblemError as error:
            response = problem_response(Problem.of(error))
        except OutcomeUnknown as outcome:
            response = json_response(202, Unknown.of(outcome))

        return with_gzip(req, response)

    return handle


def _page_handler(trigger: PageTrigger) -> Callable[..., Awaitable[HttpResponse]]:
    """The function that the host calls for a page."""

    async def handle(req: HttpRequest) -> HttpResponse:
        response = trigger(req)
        if response.status_code == 200:
            response = with_etag(req, response)
        return with_gzip(req, response)

    return handle


def _respond(req: HttpRequest, operation: Operation, body: Body) -> HttpResponse:
    """The response with this body, in the form that the client prefers."""
    if isinstance(body, Problem):
        return problem_response(body)

    answer = next(each for each in operation.answers if type(each.example) is type(body))
    if answer.to_text is not None and wants_plain_text(req):
        response = text_response(answer.status, body, answer.to_text(body))
    else:
        response = json_response(answer.status, body)
    return with_etag(req, response) if operation.has_etag else response
