"""A small function app that uses all of the SDK that the tests of the host need."""

import asyncio
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func


def make_app(runs: list[str] | None = None) -> df.DFApp:
    """A new app, for the SDK lets an app be indexed once. Activities leave a note in `runs`."""
    app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    noted = runs if runs is not None else []

    @app.orchestration_trigger(context_name="context")
    def fan_out(context):
        numbers = context.get_input()
        squares = yield context.task_all(
            [context.call_activity("square", each) for each in numbers]
        )
        context.set_custom_status({"squares": len(squares)})
        return sum(squares)

    @app.activity_trigger(input_name="number")
    def square(number: int) -> int:
        noted.append(f"square {number}")
        return number * number

    @app.activity_trigger(input_name="number")
    async def halve(number: int) -> float:
        await asyncio.sleep(0)
        noted.append(f"halve {number}")
        if number % 2:
            raise ValueError(f"{number} is odd")
        return number / 2

    @app.orchestration_trigger(context_name="context")
    def halves(context):
        try:
            return (yield context.call_activity(halve, context.get_input()))
        except Exception as error:
            return f"failed: {error}"

    @app.orchestration_trigger(context_name="context")
    def broken(context):
        yield context.call_activity("square", 1)
        raise RuntimeError("out of wrapping paper")

    @app.orchestration_trigger(context_name="context")
    def unknown_activity(context):
        yield context.call_activity("nothing", 1)

    @app.orchestration_trigger(context_name="context")
    def fickle(context):
        fickle.runs += 1
        name = "square" if fickle.runs == 1 else "halve"
        yield context.call_activity(name, 2)

    fickle.runs = 0

    @app.orchestration_trigger(context_name="context")
    def sends_what_cannot_be_stored(context):
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=10))
        context.signal_entity(df.EntityId("Counter", "a"), "add", 1)
        yield context.call_activity("square", 1)

    @app.orchestration_trigger(context_name="context")
    def retries(context):
        retry = df.RetryOptions(first_retry_interval_in_milliseconds=5000, max_number_of_attempts=3)
        return (yield context.call_activity_with_retry("square", retry, context.get_input()))

    @app.orchestration_trigger(context_name="context")
    def parent(context):
        given = context.get_input()
        try:
            return (
                yield context.call_sub_orchestrator(
                    given["name"], given.get("input"), given.get("id")
                )
            )
        except Exception as error:
            return f"failed: {error}"

    @app.orchestration_trigger(context_name="context")
    def retrying_parent(context):
        retry = df.RetryOptions(first_retry_interval_in_milliseconds=5000, max_number_of_attempts=2)
        return (yield context.call_sub_orchestrator_with_retry("child", retry, context.get_input()))

    @app.orchestration_trigger(context_name="context")
    def child(context):
        result = yield context.call_activity("square", context.get_input())
        return [context.instance_id, context.parent_instance_id, result]

    @app.orchestration_trigger(context_name="context")
    def eternal(context):
        seen = context.get_input() or []
        seen.append((yield context.wait_for_external_event("go")))
        if len(seen) < 3:
            context.continue_as_new(seen)
            return None
        return seen

    @app.orchestration_trigger(context_name="context")
    def about(context):
        yield context.call_activity("square", 1)
        uuids = [context.new_uuid(), str(context.new_guid())]
        yield context.call_activity("square", 2)
        return {
            "version": context.version,
            "uuids": uuids,
            "time": context.current_utc_datetime.isoformat(),
        }

    @app.orchestration_trigger(context_name="context")
    def calls(context):
        given = context.get_input()
        response = yield context.call_http(
            "POST", given["uri"], given["content"], {"X-Gift": "yes"}
        )
        return response

    @app.orchestration_trigger(context_name="context")
    def versioned_parent(context):
        return (yield context.call_sub_orchestrator("about", None, None, "1.5"))

    @app.orchestration_trigger(context_name="context")
    def unversioned_parent(context):
        return (yield context.call_sub_orchestrator("about"))

    @app.orchestration_trigger(context_name="context")
    def parallel_parent(context):
        children = [
            context.call_sub_orchestrator("child", number, f"child-{number}") for number in (1, 2)
        ]
        return (yield context.task_all(children))

    @app.orchestration_trigger(context_name="context")
    def rewindable(context):
        results = []
        for number in context.get_input():
            results.append((yield context.call_activity("square", number)))
        return results

    @app.orchestration_trigger(context_name="context")
    def rewindable_parent(context):
        return (yield context.call_sub_orchestrator("rewindable", context.get_input()))

    @app.orchestration_trigger(context_name="context")
    def two_events(context):
        first = yield context.wait_for_external_event("go")
        second = yield context.wait_for_external_event("go")
        return [first, second]

    @app.orchestration_trigger(context_name="context")
    def raced_twice(context):
        """The second race takes up a timer of the first, which leaves the walk of actions without a
        reason to go on.
        """
        timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=10))
        yield context.task_any([timer, context.wait_for_external_event("go")])
        yield context.task_any([timer, context.wait_for_external_event("again")])
        return (yield context.call_activity("square", 3))

    @app.orchestration_trigger(context_name="context")
    def sleeps(context):
        yield context.create_timer(
            context.current_utc_datetime + timedelta(days=context.get_input())
        )
        return context.current_utc_datetime.isoformat()

    @app.orchestration_trigger(context_name="context")
    def cancels(context):
        timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=10))
        yield context.task_any([timer, context.wait_for_external_event("go")])
        timer.cancel()
        yield context.wait_for_external_event("again")

    @app.orchestration_trigger(context_name="context")
    def asks_twice(context):
        counter = df.EntityId("Counter", "a")
        first = yield context.call_entity(counter, "add", 1)
        second = yield context.call_entity(counter, "add", 1)
        return [first, second]

    @app.orchestration_trigger(context_name="context")
    def counts(context):
        counter = df.EntityId("Counter", context.get_input())
        context.signal_entity(counter, "add", 2)
        yield context.call_entity(counter, "add", 3)
        try:
            yield context.call_entity(counter, "burst", None)
        except Exception as error:
            context.set_custom_status(str(error))
        return (yield context.call_entity(counter, "get", None))

    @app.entity_trigger(context_name="context", entity_name="Counter")
    def counter(context):
        count = context.get_state(lambda: 0)
        match context.operation_name:
            case "add":
                context.set_state(count + context.get_input())
            case "burst":
                raise ValueError("the counter burst")
            case "delete":
                context.destruct_on_exit()
        context.set_result(count) if context.operation_name != "delete" else None

    @app.route("start/{name}", methods=[func.HttpMethod.POST])
    @app.durable_client_input(client_name="client")
    async def start(req: func.HttpRequest, client) -> func.HttpResponse:
        id = await client.start_new(req.route_params["name"], None, req.get_json())
        return client.create_check_status_response(req, id)

    @app.route("Echo/{word}/{rest?}")
    def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        """Says what it got, by a function that is not async and wants its context."""
        body = (
            f"{req.method} {req.url} {dict(req.route_params)} {dict(req.params)} {req.get_body()!r}"
        )
        response = func.HttpResponse(
            body, status_code=201, headers={"X-Function": context.function_name}
        )
        response.headers.add("Set-Cookie", "a=1; Path=/")
        response.headers.add("Set-Cookie", "b=2; HttpOnly")
        return response

    @app.route("echo/fixed")
    def fixed(req: func.HttpRequest) -> str:
        return "fixed"

    @app.route("headers")
    def headers(req: func.HttpRequest) -> str:
        return req.headers["x-twice"]

    @app.route("nothing")
    def nothing(req: func.HttpRequest):
        return None

    @app.route("bytes/{number:int}")
    def some_bytes(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(bytes(range(256)), mimetype="application/octet-stream")

    @app.route("trace")
    def trace(req: func.HttpRequest, context: func.Context) -> str:
        return f"{context.trace_context.trace_parent} {context.trace_context.trace_state}"

    @app.route("fail")
    def fail(req: func.HttpRequest) -> str:
        raise RuntimeError("secret of the stack trace")

    return app
