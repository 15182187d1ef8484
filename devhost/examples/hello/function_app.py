from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("greet/{name}", methods=["POST"])
@app.durable_client_input("client")
async def greet_later(req: func.HttpRequest, client) -> func.HttpResponse:
    instance = await client.start_new("hello", client_input=req.route_params["name"])
    return client.create_check_status_response(req, instance)


@app.orchestration_trigger("context")
def hello(context: df.DurableOrchestrationContext):
    yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    greeting = yield context.call_activity("greet", context.get_input())
    yield context.call_entity(df.EntityId("counter", "greetings"), "add")
    return greeting


@app.activity_trigger("name")
def greet(name: str) -> str:
    return f"Hello, {name}!"


@app.entity_trigger("context")
def counter(context: df.DurableEntityContext):
    context.set_state((context.get_state() or 0) + 1)
