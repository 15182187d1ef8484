import textwrap
from pathlib import Path

import azure.durable_functions as df
import azure.functions as func
import pytest

from devhost.loading import AppError, index, load


def app_in(folder: Path, code: str) -> Path:
    folder.joinpath("function_app.py").write_text(textwrap.dedent(code))
    return folder


@pytest.fixture(autouse=True)
def imports(monkeypatch) -> None:
    """Leave neither path nor module behind."""
    import sys

    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "function_app", None)


def test_an_app_is_loaded_with_its_modules(tmp_path) -> None:
    """Modules beside function_app.py are found."""
    (tmp_path / "greeting_of_test_app.py").write_text("ROUTE = 'hello'")
    code = """
        import azure.functions as func
        import greeting_of_test_app
        app = func.FunctionApp()
        @app.route(greeting_of_test_app.ROUTE)
        def hello(req: func.HttpRequest) -> str:
            return "hello"
    """
    (function,) = load(app_in(tmp_path, code)).functions
    assert (function.name, function.trigger["route"]) == ("hello", "hello")


def test_a_folder_without_an_app(tmp_path) -> None:
    """The message names the folder."""
    with pytest.raises(AppError, match=f"there is no function_app.py in {tmp_path}"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import nothing_of_this_name", r"py:1: ModuleNotFoundError: No module named 'nothing_of_this_name'$"),
        ("x = 1\ny = x / 0", r"function_app.py:2: ZeroDivisionError: division by zero$"),
        ("def f(:", "SyntaxError: invalid syntax"),
    ],
)
def test_an_app_that_fails_to_import_is_one_line(tmp_path, code, message) -> None:
    """What went wrong, and where."""
    with pytest.raises(AppError, match=message) as error:
        load(app_in(tmp_path, code))
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("count", [0, 2])
def test_there_must_be_one_app(tmp_path, count) -> None:
    """As Azure Functions wants it."""
    code = "import azure.functions as func\n" + "".join(f"app{each} = func.FunctionApp()\n" for each in range(count))
    with pytest.raises(AppError, match=f"must have one function app at its top level, but has {count}"):
        load(app_in(tmp_path, code))


def test_a_trigger_that_is_not_supported_is_named() -> None:
    """Never silently ignored."""
    app = func.FunctionApp()

    @app.queue_trigger("message", queue_name="gifts", connection="Storage")
    def wrap(message: func.QueueMessage) -> None: ...

    with pytest.raises(AppError, match="function wrap has a trigger that devhost does not support: queueTrigger"):
        index(app)


def test_a_binding_that_is_not_supported_is_named() -> None:
    """Never silently ignored."""
    app = df.DFApp()

    @app.route("wrap")
    @app.queue_output("queue", queue_name="gifts", connection="Storage")
    def wrap(req: func.HttpRequest, queue: func.Out[str]) -> None: ...

    with pytest.raises(AppError, match="function wrap has a binding that devhost does not support: queue"):
        index(app)


def test_two_functions_of_one_name() -> None:
    """The SDK's word for it."""
    app = func.FunctionApp()
    for _ in range(2):

        @app.route("wrap")
        def wrap(req: func.HttpRequest) -> None: ...

    with pytest.raises(AppError, match="Function wrap does not have a unique function name"):
        index(app)
