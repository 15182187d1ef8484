import sys
import textwrap
from pathlib import Path
from types import ModuleType

import azure.durable_functions
import pytest

from devhost.functions.errors import AppError
from devhost.functions.loading import load
from devhost.settings.files import HostJson
from tests.refused_apps import ACCEPTED, HEAD, IN_ERROR, REFUSED, app


def app_in(folder: Path, code: str) -> Path:
    folder.joinpath("function_app.py").write_text(textwrap.dedent(code))
    return folder


@pytest.fixture(autouse=True)
def imports(monkeypatch) -> None:
    """Leave neither path nor module behind."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "function_app", None)


def test_modules_beside_the_app_are_found(tmp_path) -> None:
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


def test_an_app_whose_entities_would_not_run_is_refused(tmp_path) -> None:
    """Azure runs no entity with strict versions; an app without entities is fine."""
    strict = HostJson(default_version="1.0", version_match="Strict")
    code = HEAD + "@app.entity_trigger(context_name='context')\ndef counter(context):\n    pass\n"
    with pytest.raises(AppError, match="with versionMatchStrategy Strict no entity runs on Azure"):
        load(app_in(tmp_path, code), strict)
    load(
        app_in(tmp_path, HEAD + "@app.activity_trigger(input_name='x')\ndef echo(x):\n    pass\n"),
        strict,
    )


def test_a_folder_without_an_app(tmp_path) -> None:
    """The message names the folder."""
    with pytest.raises(AppError, match=f"there is no function_app.py in {tmp_path}"):
        load(tmp_path)


def test_an_app_of_the_v1_programming_model(tmp_path) -> None:
    """It has a function.json for each function; the message says that devhost runs v2 only."""
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
    """The file and line of the app, even if a package raises."""
    with pytest.raises(AppError) as error:
        load(app_in(tmp_path, code))
    assert f"failed to import at {tmp_path}/{place}" in str(error.value)


@pytest.mark.parametrize("refused", REFUSED.values(), ids=list(REFUSED))
def test_what_azure_refuses_is_refused(tmp_path, refused) -> None:
    """At the start, in one line with Azure's message."""
    with pytest.raises(AppError) as error:
        load(app_in(tmp_path, refused.code))
    assert refused.words in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("code", ACCEPTED.values(), ids=list(ACCEPTED))
def test_what_azure_accepts_is_accepted(tmp_path, code) -> None:
    assert load(app_in(tmp_path, code)).functions


def test_each_function_that_is_refused_has_a_line(tmp_path) -> None:
    """So that one start shows all mistakes."""
    code = (
        HEAD
        + "@app.route('a')\ndef a(): ...\n"
        + "@app.route('b')\ndef b(req): ...\n"
        + "@app.route('c')\ndef c(req) -> int: ..."
    )
    with pytest.raises(AppError) as error:
        load(app_in(tmp_path, code))
    first, second = str(error.value).splitlines()
    assert first.startswith("cannot load the a function: ")
    assert second.startswith("cannot load the c function: ")


@pytest.mark.parametrize(("code", "words"), IN_ERROR.values(), ids=list(IN_ERROR))
def test_a_trigger_that_is_not_supported_is_named(tmp_path, caplog, code, words) -> None:
    """A line says why the function is left out; the others run."""
    code = app(f"@app.route('fine')\ndef fine(req): ...\n{textwrap.dedent(code)}")
    (function,) = load(app_in(tmp_path, code)).functions
    assert function.name == "fine"
    assert caplog.messages == [words]


def test_an_app_without_a_function_that_can_run_is_refused(tmp_path) -> None:
    with pytest.raises(AppError, match=r"function_app\.py has no functions that can run"):
        load(app_in(tmp_path, HEAD))


TWO = app("@app.route('a')\ndef a(req): ...\n@app.route('b')\ndef b(req): ...")


def test_host_json_may_list_the_functions_to_load(tmp_path) -> None:
    """In any letter case."""
    config = HostJson(functions=frozenset({"b"}))
    assert [each.name for each in load(app_in(tmp_path, TWO), config).functions] == ["b"]


@pytest.mark.parametrize(
    ("setting", "value", "left"),
    [
        ("AzureWebJobs_b_Disabled", "true", ["a"]),
        ("AZUREWEBJOBS_B_DISABLED", "1", ["a"]),
        ("AzureWebJobs_b_Disabled", "false", ["a", "b"]),
        ("AzureWebJobs__b__Disabled", "true", ["a", "b"]),
        ("AzureWebJobs.b.Disabled", "true", ["a", "b"]),
    ],
)
def test_a_setting_may_disable_a_function(tmp_path, monkeypatch, setting, value, left) -> None:
    """By the one name that works on the real host under Linux."""
    monkeypatch.setenv(setting, value)
    assert [each.name for each in load(app_in(tmp_path, TWO)).functions] == left


def test_a_function_has_the_timeout_of_host_json(tmp_path) -> None:
    assert [
        each.timeout
        for each in load(app_in(tmp_path, TWO), HostJson(function_timeout=60)).functions
    ] == [60, 60]


@pytest.mark.parametrize(
    ("annotation", "converter"),
    [
        ("", "timerTrigger"),
        (": func.TimerRequest", "timerTrigger"),
        (": str", "generic"),
        (": bytes", "generic"),
    ],
)
def test_a_function_may_take_the_unconverted_payload(tmp_path, annotation, converter) -> None:
    """If its parameter is annotated as str or bytes."""
    trigger = "@app.timer_trigger(arg_name='timer', schedule='0 0 3 * * *')"
    code = f"{trigger}\ndef wrap(timer{annotation}): ..."
    (function,) = load(app_in(tmp_path, app(code))).functions
    assert function.converter == converter


@pytest.mark.parametrize("annotation", ["str", "dict"])
def test_an_activity_never_takes_the_unconverted_payload(tmp_path, annotation) -> None:
    """Its str is the decoded JSON."""
    code = f"@app.activity_trigger(input_name='gift')\ndef wrap(gift: {annotation}): ..."
    (function,) = load(app_in(tmp_path, app(code))).functions
    assert function.converter == "activityTrigger"


STRICT = '{"version": "2.0"}'
COMMENTED = '{"version": "2.0"} // a comment'
WITHOUT_DURABLE = """
    import azure.functions as func
    app = func.FunctionApp()
    @app.route("a")
    def a(req): ...
"""


@pytest.mark.parametrize("host_json", [COMMENTED, '{"version": "2.0",}', "\ufeff" + STRICT])
def test_durable_functions_want_a_strict_host_json(tmp_path, host_json) -> None:
    """The SDK reads it when it is imported; if that fails, the real host loads nothing."""
    (tmp_path / "host.json").write_text(host_json, encoding="utf-8")
    with pytest.raises(AppError, match=r"host\.json is read by azure-functions-durable"):
        load(app_in(tmp_path, TWO))


def test_an_app_without_durable_functions_may_have_comments_in_host_json(tmp_path) -> None:
    """An app with Durable Functions may not."""
    (tmp_path / "host.json").write_text(COMMENTED)
    assert load(app_in(tmp_path, WITHOUT_DURABLE)).functions
    (tmp_path / "host.json").write_text(STRICT)
    assert load(app_in(tmp_path, TWO)).functions


@pytest.mark.parametrize(
    "code",
    [
        "class SettingsError(Exception): ...\nraise SettingsError('GIFTS is 7, but must be 8')",
        "import sys\nsys.exit('GIFTS is 7, but must be 8')",
    ],
)
def test_a_message_of_the_app_itself_is_shown_unchanged(tmp_path, code) -> None:
    """Of an exception class of its own, or of sys.exit."""
    with pytest.raises(AppError, match=r"^GIFTS is 7, but must be 8$"):
        load(app_in(tmp_path, code))


def test_devhost_may_lie_in_the_folder_of_the_app(tmp_path, monkeypatch) -> None:
    """What devhost imports of the Durable SDK does not count for the app."""
    module = ModuleType("devhost.part")
    module.__file__ = f"{tmp_path}/devhost/part.py"
    module.client = azure.durable_functions.DurableOrchestrationClient
    monkeypatch.setitem(sys.modules, "devhost.part", module)
    (tmp_path / "host.json").write_text(COMMENTED)
    assert load(app_in(tmp_path, WITHOUT_DURABLE)).functions
