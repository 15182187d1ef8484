"""Small apps: those that Azure refuses, with its words for it, and those that it takes."""

import textwrap
from typing import Literal, NamedTuple

HEAD = """
import asyncio, collections.abc, dataclasses, functools, sys
from typing import *
import azure.durable_functions as df
import azure.functions as func

app = df.DFApp()
"""


class Refused(NamedTuple):
    """An app that Azure does not run."""

    code: str
    words: str
    by: Literal["worker", "host", "death"] = "worker"
    """Whose words they are: of the worker, of the host where the worker takes the app, or of a
    worker that died.
    """


def app(code: str) -> str:
    """The code of a function_app.py with these functions."""
    return HEAD + textwrap.dedent(code)


def http(signature: str, before: str = "") -> str:
    """An app with an HTTP function."""
    return app(f"{before}\n@app.route('wrap')\ndef wrap{signature}: ...")


def activity(annotation: str, before: str = "") -> str:
    """An app with an activity whose parameter has this annotation."""
    return app(
        f"{before}\n"
        "@app.activity_trigger(input_name='gifts')\n"
        f"def wrap(gifts: {annotation}) -> list[str]: ..."
    )


def timer(signature: str) -> str:
    """An app with a timer-triggered function."""
    return app(
        f"@app.timer_trigger(arg_name='timer', schedule='0 0 3 * * *')\ndef wrap{signature}: ..."
    )


def not_loaded(reason: str) -> str:
    return f"cannot load the wrap function: {reason}"


def not_a_type(annotation: str) -> str:
    return not_loaded(f"binding gifts has invalid non-type annotation {annotation}")


def undeclared(name: str) -> str:
    return not_loaded(
        "the following parameters are declared in Python but not in the function definition "
        f"(function.json or function decorators):  {{'{name}'}}"
    )


def absent(name: str) -> str:
    return not_loaded(
        "Extra parameters in binding definition — the following parameters are declared as "
        f"bindings but are not present in Python: {{'{name}'}}"
    )


def mismatch(name: str, binding: str, annotation: str) -> str:
    return not_loaded(
        f'binding type "\'{name}\'" and dataType "{binding}" in the binding decorator do not match '
        f"the corresponding function parameter's Python type annotation {annotation}"
    )


def returned(annotation: str) -> str:
    return not_loaded(f'Python return annotation "{annotation}" does not match binding type "http"')


def not_a_context(annotation: str) -> str:
    return not_loaded(
        'the "context" parameter is expected to be of type azure.functions.Context, '
        f'got "{annotation}"'
    )


REFUSED = {
    # what an activity takes
    "list[str]": Refused(activity("list[str]"), not_a_type("list[str]")),
    "dict[str, int]": Refused(activity("dict[str, int]"), not_a_type("dict[str, int]")),
    "tuple[str, ...]": Refused(activity("tuple[str, ...]"), not_a_type("tuple[str, ...]")),
    "str | None": Refused(activity("str | None"), not_a_type("str | None")),
    "Optional": Refused(activity("Optional[str]"), not_a_type("typing.Optional[str]")),
    "Union": Refused(activity("Union[str, int]"), not_a_type("typing.Union[str, int]")),
    "Tuple": Refused(activity("Tuple[str, int]"), not_a_type("typing.Tuple[str, int]")),
    "NewType": Refused(
        activity("Gift", "Gift = NewType('Gift', str)"), not_a_type("function_app.Gift")
    ),
    "TypeVar": Refused(activity("Gift", "Gift = TypeVar('Gift')"), not_a_type("~Gift")),
    "Sequence of collections.abc": Refused(
        activity("collections.abc.Sequence[str]"), not_a_type("collections.abc.Sequence[str]")
    ),
    "Callable": Refused(activity("Callable[[], str]"), not_a_type("typing.Callable[[], str]")),
    "as text": Refused(activity("'list[str]'"), not_a_type("list[str]")),
    "a name that is not defined": Refused(
        activity("'Gift'"), "NameError: name 'Gift' is not defined"
    ),
    # what other functions take
    "http: another class": Refused(http("(req: dict)"), mismatch("req", "httpTrigger", "dict")),
    "http: Any": Refused(http("(req: Any)"), mismatch("req", "httpTrigger", "Any")),
    "http: a request or None": Refused(
        http("(req: Optional[str])"),
        not_loaded("binding req has invalid non-type annotation typing.Optional[str]"),
    ),
    "http: List": Refused(http("(req: List[str])"), "issubclass() arg 1 must be a class"),
    "http: Out": Refused(
        http("(req: func.Out[str])"),
        not_loaded(
            'binding req is declared to have the "in" direction in the binding decorator, '
            "but its annotation is azure.functions.Out in Python"
        ),
    ),
    "http: Out of nothing": Refused(
        http("(req: func.Out)"),
        not_loaded("binding req has invalid Out annotation <class 'azure.functions._abc.Out'>"),
    ),
    "timer: another class": Refused(
        timer("(timer: func.HttpRequest)"), mismatch("timer", "timerTrigger", "HttpRequest")
    ),
    "context: another class": Refused(
        http("(req, context: dict)"), not_a_context("<class 'dict'>")
    ),
    "context: Optional": Refused(
        http("(req, context: Optional[int])"), not_a_context("typing.Optional[int]")
    ),
    "an orchestrator's context has another name": Refused(
        app("""
            @app.orchestration_trigger(context_name='ctx')
            def wrap(ctx): ...
        """),
        not_a_context("<class 'azure.functions._durable_functions.OrchestrationContext'>"),
    ),
    "an entity's context has another name": Refused(
        app("""
            @app.entity_trigger(context_name='ctx')
            def wrap(ctx): ...
        """),
        absent("ctx"),
    ),
    # parameters
    "missing": Refused(http("()"), absent("req")),
    "extra": Refused(http("(req, gift)"), undeclared("gift")),
    "misnamed": Refused(http("(request)"), undeclared("request")),
    "with a default": Refused(http("(req, gift='Bike')"), undeclared("gift")),
    "*args": Refused(http("(req, *args)"), undeclared("args")),
    "**gifts": Refused(http("(req, **gifts)"), undeclared("gifts")),
    "no client": Refused(
        app("""
            @app.route('wrap')
            @app.durable_client_input(client_name='client')
            async def wrap(req): ...
        """),
        absent("client"),
    ),
    "activity: extra": Refused(
        app("""
            @app.activity_trigger(input_name='gift')
            def wrap(gift, paper='red'): ...
        """),
        undeclared("paper"),
    ),
    # what an HTTP function returns
    "-> None": Refused(http("(req) -> None"), returned("NoneType")),
    "-> int": Refused(http("(req) -> int"), returned("int")),
    "-> dict": Refused(http("(req) -> dict"), returned("dict")),
    "-> bytes": Refused(http("(req) -> bytes"), returned("bytes")),
    "-> Any": Refused(http("(req) -> Any"), returned("Any")),
    "-> list[str]": Refused(
        http("(req) -> list[str]"),
        not_loaded("has invalid non-type return annotation list[str]"),
    ),
    "-> Optional": Refused(
        http("(req) -> Optional[str]"),
        not_loaded("has invalid non-type return annotation typing.Optional[str]"),
    ),
    "-> List": Refused(
        http("(req) -> List[str]"),
        not_loaded("has invalid non-type return annotation typing.List[str]"),
    ),
    "-> Out": Refused(
        http("(req) -> func.Out[str]"),
        not_loaded("return annotation should not be azure.functions.Out"),
    ),
    # functions
    "an object that can be called": Refused(
        app("""
            class Wrap:
                def __call__(self, req): ...
            app.route('wrap')(Wrap())
        """),
        "AttributeError: 'Wrap' object has no attribute '__name__'",
    ),
    "an object that can be called, with a name": Refused(
        app("""
            class Wrap:
                __name__ = 'wrap'
                __repr__ = lambda self: 'Wrap()'
                def __call__(self, req): ...
            app.route('wrap')(Wrap())
        """),
        "TypeError: Wrap() is not a module, class, method, or function.",
    ),
    "without a trigger": Refused(
        app("""
            @app.function_name('wrap')
            def wrap(req): ...
        """),
        "Function wrap does not have a trigger. "
        "A valid function must have one and only one trigger registered.",
    ),
    "with two triggers": Refused(
        app("""
            @app.route('wrap')
            @app.timer_trigger(arg_name='timer', schedule='0 0 3 * * *')
            def wrap(req, timer): ...
        """),
        "ValueError: A trigger was already registered to this function. Adding another trigger is "
        "not the correct behavior as a function can only have one trigger.",
    ),
    "two of one name": Refused(
        app("""
            @app.route('wrap')
            def wrap(req): ...
            @app.function_name('wrap')
            @app.route('unwrap')
            def unwrap(req): ...
        """),
        "Function wrap does not have a unique function name. Please change @app.function_name() "
        "or the function method name to be unique.",
    ),
    "two of one name, but for letter case": Refused(
        app("""
            @app.route('wrap')
            def wrap(req): ...
            @app.function_name('Wrap')
            @app.route('unwrap')
            def unwrap(req): ...
        """),
        "Method overloads are not supported. "
        "There are multiple methods with the name 'Host.Functions.wrap'",
        by="host",
    ),
    # the module
    "no app": Refused(
        "import azure.functions as func", "Could not find top level function app instances in "
    ),
    "two apps": Refused(
        app("other = func.FunctionApp()"),
        "More than one DFApp or other top level function app instances are defined.",
    ),
    "two names for one app": Refused(
        app("other = app"),
        "More than one DFApp or other top level function app instances are defined.",
    ),
    "a package that is missing": Refused(
        "import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this_name'"
    ),
    "an error at its import": Refused("x = 1\ny = x / 0", "ZeroDivisionError: division by zero"),
    "a syntax error": Refused(
        "def wrap(:", "SyntaxError: invalid syntax (function_app.py, line 1)"
    ),
    "an end of the process at its import": Refused(
        "import sys\nsys.exit(4)", "SystemExit: 4", by="death"
    ),
}
"""What Azure refuses, by what is wrong with it."""

IN_ERROR = {
    "a lambda": (
        "app.route('wrap')(lambda req: 'wrapped')",
        "The '<lambda>' function is in error: '<lambda>' is not a valid function name.",
    ),
    "a function named host": (
        """
            @app.function_name('Host')
            @app.route('wrap')
            def wrap(req): ...
        """,
        "The 'Host' function is in error: 'Host' is not a valid function name.",
    ),
    "a trigger of an extension that is not there": (
        """
            @app.queue_trigger("gift", queue_name="gifts", connection="Storage")
            @app.durable_client_input(client_name='client')
            async def wrap(gift: func.QueueMessage, client) -> None: ...
        """,
        "The 'wrap' function is in error: The binding type(s) 'queueTrigger' are not registered. "
        "Please ensure the type is correct and the binding extension is installed.",
    ),
    "an output of an extension that is not there": (
        """
            @app.route("wrap")
            @app.queue_output("queue", queue_name="gifts", connection="Storage")
            def wrap(req: func.HttpRequest, queue: func.Out[str]): ...
        """,
        "The 'wrap' function is in error: The binding type(s) 'queue' are not registered. "
        "Please ensure the type is correct and the binding extension is installed.",
    ),
    "an answer through a parameter": (
        """
            @app.route("wrap", binding_arg_name="answer")
            def wrap(req: func.HttpRequest, answer: func.Out[func.HttpResponse]): ...
        """,
        "The 'wrap' function is in error: "
        "devhost does not support the http binding 'answer' of such a function.",
    ),
    "an answer of what nobody asks": (
        """
            @app.timer_trigger(arg_name='timer', schedule='0 0 3 * * *')
            @app.generic_output_binding(arg_name='answer', type='http')
            def wrap(timer, answer: func.Out[str]): ...
        """,
        "The 'wrap' function is in error: "
        "devhost does not support the http binding 'answer' of such a function.",
    ),
}
"""Functions that the host does not take, while it runs the others of the app, and what it says."""

ACCEPTED = {
    "activity: a class": activity("list"),
    "activity: a dataclass": activity("Gift", "@dataclasses.dataclass\nclass Gift:\n    text: str"),
    "activity: a generic class": activity(
        "Gift[str]", "T = TypeVar('T')\nclass Gift(Generic[T]): ..."
    ),
    "activity: a TypedDict": activity("Gift", "class Gift(TypedDict):\n    text: str"),
    "activity: Any": activity("Any"),
    "activity: object": activity("object"),
    "activity: None": activity("None"),
    "activity: List": activity("List[str]"),
    "activity: List without a type": activity("List"),
    "activity: Dict": activity("Dict[str, int]"),
    "activity: Sequence of typing": activity("Sequence[str]"),
    "activity: Literal": activity("Literal['Bike']"),
    "activity: Annotated": activity("Annotated[str, 'Bike']"),
    "http": http("(req: func.HttpRequest, context: func.Context) -> func.HttpResponse"),
    "http: without annotations": http("(req, context)"),
    "http: as text": http("(req: 'func.HttpRequest') -> 'func.HttpResponse'"),
    "http: a default of a binding": http("(req: func.HttpRequest = None)"),
    "http: str": http("(req: str) -> str"),
    "http: another name": app(
        "@app.route('wrap', trigger_arg_name='request')\ndef wrap(request): ..."
    ),
    "http: a class of its own for what it returns": http(
        "(req) -> Answer", "class Answer(func.HttpResponse): ..."
    ),
    "http: wrapped": app("""
        def wrapping(code):
            @functools.wraps(code)
            def wrapped(*args, **kwargs): return code(*args, **kwargs)
            return wrapped
        @app.route('wrap')
        @wrapping
        def wrap(req: func.HttpRequest) -> str: ...
    """),
    "timer": timer("(timer: func.TimerRequest) -> int"),
    "a client": app("""
        @app.route('wrap')
        @app.durable_client_input(client_name='client')
        async def wrap(
            req: func.HttpRequest, client: df.DurableOrchestrationClient
        ) -> func.HttpResponse: ...
    """),
    "an orchestrator": app("""
        @app.orchestration_trigger(context_name='context')
        def wrap(ctx: df.DurableOrchestrationContext | None) -> list[str]: ...
    """),
    "an entity": app("""
        @app.entity_trigger(context_name='context')
        def wrap(context: df.DurableEntityContext | None) -> None: ...
    """),
    "two functions": app("""
        @app.route('wrap')
        def wrap(req): ...
        @app.route('unwrap')
        def unwrap(req): ...
    """),
}
"""What Azure takes, each with one function or more."""
