"""Loading: import `function_app.py`, and index its functions from their own metadata."""

import importlib.util
import inspect
import sys
import traceback
from pathlib import Path

from azure.functions.decorators.function_app import Function, FunctionRegister

from devhost.app import App, FunctionInfo, remember_moments
from devhost.schedule import Schedule


class AppError(Exception):
    """The app cannot be loaded, or has something that devhost does not support; one line, or one for each mistake."""


def load(folder: Path) -> App:
    """Import `function_app.py` from the folder and index it. Raises AppError."""
    file = folder / "function_app.py"
    if not file.is_file():
        raise AppError(f"there is no function_app.py in {folder}")
    sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location("function_app", file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["function_app"] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        raise AppError(
            f"{file} failed to import at {where.filename}:{where.lineno}: {type(error).__name__}: {error}"
        ) from error
    apps = [each for each in vars(module).values() if isinstance(each, FunctionRegister)]
    if len(apps) != 1:
        raise AppError(f"{file} must have one function app at its top level, but has {len(apps)}")
    return index(apps[0])


def index(app: FunctionRegister) -> App:
    """Index the functions of an app. Raises AppError for what devhost does not support."""
    try:
        functions: list[Function] = app.get_functions()
    except ValueError as error:
        raise AppError(str(error)) from error
    remember_moments()
    return App([_inspect(function) for function in functions])


def _inspect(function: Function) -> FunctionInfo:
    name = function.get_function_name()
    bindings = [each.get_dict_repr() for each in function.get_bindings()]
    trigger = function.get_trigger().get_dict_repr()
    supported = {
        "httpTrigger": {"http", "durableClient"},
        "activityTrigger": {"durableClient"},
        "timerTrigger": {"durableClient"},
        "orchestrationTrigger": set(),
        "entityTrigger": set(),
    }
    if trigger["type"] not in supported:
        raise AppError(f"function {name} has a trigger that devhost does not support: {trigger['type']}")
    others = [each for each in bindings if each["type"] != trigger["type"]]
    for each in others:
        if each["type"] not in supported[trigger["type"]]:
            raise AppError(f"function {name} has a binding that devhost does not support: {each['type']}")
    if trigger["type"] == "timerTrigger":
        try:
            Schedule(name, trigger["schedule"])
        except ValueError as error:
            raise AppError(str(error)) from error
    code = function.get_user_function()
    taken = {each["name"] for each in bindings}
    return FunctionInfo(
        name=name,
        code=code,
        trigger=trigger,
        clients=tuple(each["name"] for each in others if each["type"] == "durableClient"),
        wants_context="context" in inspect.signature(code).parameters and "context" not in taken,
    )
