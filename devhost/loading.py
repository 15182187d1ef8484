"""Loading: import `function_app.py`, index its functions, and refuse what Azure refuses.

In Azure one function that cannot be loaded takes all others with it: the app has none then, and no line says why.
"""

import importlib.util
import re
import sys
import traceback
from collections import defaultdict
from pathlib import Path
from types import ModuleType

from azure.functions.decorators.function_app import Function, FunctionRegister

from devhost.app import App
from devhost.invocation import FunctionInfo
from devhost.schedule import Schedule
from devhost.sdk import remember_moments
from devhost.signatures import SignatureError, check_signature, wants_context

SUPPORTED = {
    "httpTrigger": {"http", "durableClient"},
    "activityTrigger": {"durableClient"},
    "timerTrigger": {"durableClient"},
    "orchestrationTrigger": set(),
    "entityTrigger": set(),
}
"""For each trigger that devhost supports, the other bindings that such a function may have."""
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,127}")
"""A function's name; `Utility.cs` of the Functions host. It also refuses `host`."""


class AppError(Exception):
    """The app cannot be loaded, or has something that devhost does not support; one line, or one for each mistake."""


def load(folder: Path) -> App:
    """Import `function_app.py` from the folder and index it. Raises AppError."""
    file = folder / "function_app.py"
    if not file.is_file():
        is_v1 = any(folder.glob("*/function.json"))
        hint = ", but an app of the v1 programming model: devhost runs v2 only" if is_v1 else ""
        raise AppError(f"there is no function_app.py in {folder}{hint}")
    sys.path.insert(0, str(folder))
    apps = [each for each in vars(_import(file)).values() if isinstance(each, FunctionRegister)]
    if not apps:
        raise AppError(f"Could not find top level function app instances in {file}.")
    if len(apps) > 1:
        name = type(apps[0]).__name__
        raise AppError(f"{file}: More than one {name} or other top level function app instances are defined.")
    return index(apps[0])


def _import(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("function_app", file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["function_app"] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        place = _place(error, file.parent)
        raise AppError(f"{file} failed to import at {place}: {type(error).__name__}: {error}") from error
    return module


def _place(error: BaseException, folder: Path) -> str:
    """The file and line where the app went wrong, rather than those in a package that it called."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if each.filename.startswith(f"{folder}/") and "/site-packages/" not in each.filename]
    place = (own or frames)[-1]
    return f"{place.filename}:{place.lineno}"


def index(app: FunctionRegister) -> App:
    """Index the functions of an app. Raises AppError for what Azure refuses or devhost does not support."""
    try:
        functions: list[Function] = app.get_functions()
    except Exception as error:
        raise AppError(str(error)) from error
    refused, accepted = _refused_names([each.get_function_name() for each in functions]), []
    for function in functions:
        try:
            accepted.append(_inspect(function))
        except (AppError, SignatureError) as error:
            refused.append(str(error))
    if refused:
        raise AppError("\n".join(refused))
    remember_moments()
    return App(accepted)


def _refused_names(names: list[str]) -> list[str]:
    """A line for each name that the host refuses, in the words of 4.1037."""
    same = defaultdict(list)
    for name in names:
        same[name.casefold()].append(name)
    return [
        f"The '{name}' function is in error: '{name}' is not a valid function name."
        for name in names
        if not NAME.fullmatch(name) or name.casefold() == "host"
    ] + [
        "Method overloads are not supported. "
        f"There are multiple methods with the name 'Host.Functions.{each[0]}': {', '.join(each)}"
        for each in same.values()
        if len(each) > 1
    ]


def _inspect(function: Function) -> FunctionInfo:
    name, code = function.get_function_name(), function.get_user_function()
    bindings = [each.get_dict_repr() for each in function.get_bindings()]
    trigger = function.get_trigger().get_dict_repr()
    if trigger["type"] not in SUPPORTED:
        raise AppError(f"function {name} has a trigger that devhost does not support: {trigger['type']}")
    others = [each for each in bindings if each["type"] != trigger["type"]]
    for each in others:
        if each["type"] not in SUPPORTED[trigger["type"]] or (each["type"] == "http" and each["name"] != "$return"):
            raise AppError(f"function {name} has a binding that devhost does not support: {each['type']}")
    check_signature(name, code, function.get_bindings())
    if trigger["type"] == "timerTrigger":
        try:
            Schedule(name, trigger["schedule"])
        except ValueError as error:
            raise AppError(str(error)) from error
    return FunctionInfo(
        name=name,
        code=code,
        trigger=trigger,
        clients=tuple(each["name"] for each in others if each["type"] == "durableClient"),
        wants_context=wants_context(code, [each["name"] for each in bindings]),
    )
