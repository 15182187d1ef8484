"""Loading: import `function_app.py`, index its functions, and refuse what Azure refuses.

In Azure one function that the worker cannot load takes all others with it: the app has none then,
and no line says why. One that only the host does not take is in error alone.
"""

import importlib.util
import logging
import os
import re
import sys
import traceback
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

from azure.functions.decorators.function_app import Function, FunctionRegister

from devhost.functions.app import App
from devhost.functions.invocation import FunctionInfo
from devhost.functions.sdk import remember_moments
from devhost.functions.signatures import (
    SignatureError,
    check_signature,
    converter_of,
    wants_context,
)
from devhost.functions.timers import Schedule
from devhost.settings.files import DEFAULTS, HostJson, strict_json_error
from devhost.settings.versions import breaks_entities

log = logging.getLogger("devhost")

SUPPORTED: dict[str, set[str]] = {
    "httpTrigger": {"http", "durableClient"},
    "activityTrigger": {"durableClient"},
    "timerTrigger": {"durableClient"},
    "orchestrationTrigger": set(),
    "entityTrigger": set(),
}
"""For each trigger that devhost supports, the other bindings that such a function may have."""
KNOWN = {*SUPPORTED, *(each for others in SUPPORTED.values() for each in others)}
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,127}")
"""A function's name; `Utility.cs` of the Functions host. It also refuses `host`."""


class AppError(Exception):
    """The app cannot be loaded, or has something that devhost does not support; one line, or one
    for each mistake.
    """


def load(folder: Path, config: HostJson = DEFAULTS) -> App:
    """Import `function_app.py` from the folder and index it. Raises AppError."""
    file = folder / "function_app.py"
    if not file.is_file():
        is_v1 = any(folder.glob("*/function.json"))
        hint = ", but an app of the v1 programming model: devhost runs v2 only" if is_v1 else ""
        raise AppError(f"there is no function_app.py in {folder}{hint}")
    sys.path.insert(0, str(folder))
    apps = [each for each in vars(_import(file)).values() if isinstance(each, FunctionRegister)]
    _check_that_durable_reads_host_json(folder)
    if not apps:
        raise AppError(f"Could not find top level function app instances in {file}.")
    if len(apps) > 1:
        name = type(apps[0]).__name__
        raise AppError(
            f"{file}: More than one {name} or other top level function app instances are defined."
        )
    app = index(apps[0], config)
    if not app.functions:
        raise AppError(f"{file} has no functions that can run")
    if breaks_entities(config) and app.durable.entities:
        raise AppError(
            "host.json: with versionMatchStrategy Strict no entity runs on Azure; use CurrentOrOlder"
        )
    return app


def _import(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("function_app", file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["function_app"] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException as error:  # on the real host it ends the worker, whatever it is
        if _is_in_its_own_words(error, file.parent):
            raise AppError(str(error)) from error
        place = _place(error, file.parent)
        raise AppError(
            f"{file} failed to import at {place}: {type(error).__name__}: {error}"
        ) from error
    return module


def _is_in_its_own_words(error: BaseException, folder: Path) -> bool:
    """Whether the app itself says why it does not start: by an exception of its own, or by leaving
    with a message.
    """
    is_message = isinstance(error, SystemExit) and isinstance(error.code, str)
    return is_message or _is_of_the_app(sys.modules.get(type(error).__module__), folder)


def _place(error: BaseException, folder: Path) -> str:
    """The file and line where the app went wrong, rather than those in a package that it called."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if _is_in(each.filename, folder)]
    place = (own or frames)[-1]
    return f"{place.filename}:{place.lineno}"


def _is_in(file: str, folder: Path) -> bool:
    return file.startswith(f"{folder}/") and "/site-packages/" not in file


def _is_of_the_app(module: ModuleType | None, folder: Path) -> bool:
    """Whether it lies in the app's folder, where devhost may lie too."""
    is_ours = module is not None and module.__name__.partition(".")[0] == __package__
    return not is_ours and _is_in(getattr(module, "__file__", None) or "", folder)


def _check_that_durable_reads_host_json(folder: Path) -> None:
    """On the real host that is when it is imported, and each time the app is: here devhost has
    imported it before.
    """
    error = strict_json_error(folder)
    if error and any(
        _holds_durable(each) for each in list(sys.modules.values()) if _is_of_the_app(each, folder)
    ):
        raise AppError(
            f"{folder / 'host.json'} is read by azure-functions-durable, which takes neither comments nor trailing "
            f"commas nor a byte order mark, and the real host then loads no function: {error}"
        )


def _holds_durable(module: ModuleType) -> bool:
    names = (
        getattr(each, "__module__", getattr(each, "__name__", "")) for each in vars(module).values()
    )
    return any(str(name).startswith("azure.durable_functions") for name in names)


def index(app: FunctionRegister, config: HostJson = DEFAULTS) -> App:
    """Index the functions of an app, but for those that the host has in error, which a line in the
    log tells.

    Raises AppError for what Azure's worker refuses, and for schedules.
    """
    try:
        functions: list[Function] = app.get_functions()
    except Exception as error:
        raise AppError(str(error)) from error
    if refused := [
        *_refused_by_worker(functions),
        *_refused_names(functions),
        *_refused_schedules(functions),
    ]:
        raise AppError("\n".join(refused))
    remember_moments()
    taken = [
        each for each in functions if _is_enabled(each.get_function_name(), config, os.environ)
    ]
    return App([_inspect(each, config) for each in taken if not _is_in_error(each)])


def _refused_by_worker(functions: list[Function]) -> Iterator[str]:
    for function in functions:
        if _bad_bindings(function):
            continue  # devhost does not know what the worker demands of them
        try:
            check_signature(
                function.get_function_name(), function.get_user_function(), function.get_bindings()
            )
        except SignatureError as error:
            yield str(error)


def _refused_names(functions: list[Function]) -> list[str]:
    """A line for each name with which the host does not start, in the words of 4.1037."""
    same = defaultdict(list)
    for function in functions:
        same[function.get_function_name().casefold()].append(function.get_function_name())
    return [
        "Method overloads are not supported. "
        f"There are multiple methods with the name 'Host.Functions.{each[0]}': {', '.join(each)}"
        for each in same.values()
        if len(each) > 1
    ]


def _refused_schedules(functions: list[Function]) -> Iterator[str]:
    for function in functions:
        trigger = function.get_trigger().get_dict_repr()
        if trigger["type"] == "timerTrigger":
            try:
                Schedule(function.get_function_name(), trigger["schedule"])
            except ValueError as error:
                yield str(error)


def _is_enabled(name: str, config: HostJson, environment: Mapping[str, str]) -> bool:
    """By `functions` of host.json, and by the app setting `AzureWebJobs_NAME_Disabled`, in any
    letter case.
    """
    setting = f"AzureWebJobs_{name}_Disabled".casefold()
    disabled = any(
        value.casefold() in ("true", "1")
        for each, value in environment.items()
        if each.casefold() == setting
    )
    return not disabled and (config.functions is None or name.casefold() in config.functions)


def _is_in_error(function: Function) -> bool:
    """Whether the host does not take the function; the log has the reason, in the words of 4.1037
    where it has any.
    """
    name = function.get_function_name()
    reason = _bad_name(name) or _bad_bindings(function)
    if reason:
        log.error("The '%s' function is in error: %s", name, reason)
    return bool(reason)


def _bad_name(name: str) -> str:
    is_bad = not NAME.fullmatch(name) or name.casefold() == "host"
    return f"'{name}' is not a valid function name." if is_bad else ""


def _bad_bindings(function: Function) -> str:
    trigger = function.get_trigger().get_dict_repr()["type"]
    bindings = [
        (each["type"], each["name"]) for each in _bindings(function) if each["type"] != trigger
    ]
    if unknown := [
        each for each in (trigger, *(kind for kind, _ in bindings)) if each not in KNOWN
    ]:
        return (
            f"The binding type(s) {', '.join(map(repr, unknown))} are not registered. "
            "Please ensure the type is correct and the binding extension is installed."
        )
    for kind, name in bindings:
        if kind not in SUPPORTED[trigger] or (kind == "http" and name != "$return"):
            return f"devhost does not support the {kind} binding '{name}' of such a function."
    return ""


def _bindings(function: Function) -> list[dict[str, str]]:
    return [each.get_dict_repr() for each in function.get_bindings()]


def _inspect(function: Function, config: HostJson) -> FunctionInfo:
    bindings, code = _bindings(function), function.get_user_function()
    return FunctionInfo(
        name=function.get_function_name(),
        code=code,
        trigger=function.get_trigger().get_dict_repr(),
        clients=tuple(each["name"] for each in bindings if each["type"] == "durableClient"),
        wants_context=wants_context(code, [each["name"] for each in bindings]),
        converter=converter_of(code, function.get_trigger()),
        timeout=config.function_timeout,
    )
