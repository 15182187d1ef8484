import sys
import textwrap
from pathlib import Path

import azure.durable_functions as df
import azure.functions as func
import pytest

from devhost.loading import AppError, index, load
from tests.devhost.refused_apps import ACCEPTED, HEAD, REFUSED


def app_in(folder: Path, code: str) -> Path:
    folder.joinpath("function_app.py").write_text(textwrap.dedent(code))
    return folder


@pytest.fixture(autouse=True)
def imports(monkeypatch) -> None:
    """Leave neither path nor module behind."""
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


def test_an_app_of_the_v1_programming_model(tmp_path) -> None:
    """It has a function.json for each function; devhost says that it is not what it runs."""
    (tmp_path / "wrap").mkdir()
    (tmp_path / "wrap" / "function.json").write_text("{}")
    with pytest.raises(AppError, match="an app of the v1 programming model: devhost runs v2 only"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("code", "place"),
    [
        ("import nothing_of_this_name", "function_app.py:1: "),
        ("x = 1\ny = x / 0", "function_app.py:2: "),
        ("def f(:", "function_app.py:1: "),
        (REFUSED["with two triggers"].code, "function_app.py:9: "),
    ],
)
def test_an_app_that_fails_to_import_names_the_place(tmp_path, code, place) -> None:
    """The file and line of the app, also where it is a package that raises."""
    with pytest.raises(AppError) as error:
        load(app_in(tmp_path, code))
    assert f"failed to import at {tmp_path}/{place}" in str(error.value)


@pytest.mark.parametrize("refused", REFUSED.values(), ids=list(REFUSED))
def test_what_azure_refuses_is_refused(tmp_path, refused) -> None:
    """At the start, in one line that has the words of Azure."""
    with pytest.raises(AppError) as error:
        load(app_in(tmp_path, refused.code))
    assert refused.words in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("code", ACCEPTED.values(), ids=list(ACCEPTED))
def test_what_azure_takes_is_taken(tmp_path, code) -> None:
    """Nothing is refused that runs there."""
    assert load(app_in(tmp_path, code)).functions


def test_each_function_that_is_refused_has_a_line(tmp_path) -> None:
    """So that one start shows all there is to mend."""
    code = (
        HEAD
        + "@app.route('a')\ndef a(): ...\n@app.route('b')\ndef b(req): ...\n@app.route('c')\ndef c(req) -> int: ..."
    )
    with pytest.raises(AppError) as error:
        load(app_in(tmp_path, code))
    first, second = str(error.value).splitlines()
    assert first.startswith("cannot load the a function: ")
    assert second.startswith("cannot load the c function: ")


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
    def wrap(req: func.HttpRequest, queue: func.Out[str]): ...

    with pytest.raises(AppError, match="function wrap has a binding that devhost does not support: queue"):
        index(app)


def test_an_answer_through_a_parameter_is_not_supported() -> None:
    """A function gives its answer by returning it."""
    app = func.FunctionApp()

    @app.route("wrap", binding_arg_name="answer")
    def wrap(req: func.HttpRequest, answer: func.Out[func.HttpResponse]): ...

    with pytest.raises(AppError, match="function wrap has a binding that devhost does not support: http"):
        index(app)
