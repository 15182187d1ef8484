"""Indexing: makes a list of an app's functions, without those that Azure would not run.

In Azure, one function that the worker cannot load takes all others with it: the app then has none,
and no line says why. A function that only the host does not accept is left out alone.
"""

import logging
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from azure.functions.decorators.function_app import Function, FunctionRegister

from devhost.functions.app import App
from devhost.functions.errors import AppError
from devhost.functions.invocation import FunctionInfo
from devhost.functions.sdk import remember_moments
from devhost.functions.signatures import (
    SignatureError,
    check_signature,
    converter_of,
    wants_context,
)
from devhost.functions.timers import Schedule
from devhost.printable import printable, printable_lines
from devhost.settings.files import DEFAULTS, HostJson

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


def index(app: FunctionRegister, config: HostJson = DEFAULTS) -> App:
    """Index the functions of an app. Those that the host leaves out are logged with the reason.

    Raises AppError for whatever makes Azure's worker refuse the app, and for invalid schedules.
    """
    try:
        functions: list[Function] = app.get_functions()
    except Exception as error:
        raise AppError(str(error)) from error

    refused = [
        *_refused_by_worker(functions),
        *_refused_names(functions),
        *_refused_schedules(functions),
    ]
    if refused:
        raise AppError("\n".join(refused))

    remember_moments()
    enabled = [
        each for each in functions if _is_enabled(each.get_function_name(), config, os.environ)
    ]
    return App([_inspect(each, config) for each in enabled if not _is_left_out(each)])


def _refused_by_worker(functions: list[Function]) -> Iterator[str]:
    """A line for each function whose signature the worker does not accept."""
    for function in functions:
        if _bad_bindings(function):
            continue  # devhost does not know what the worker demands of them
        name, code = function.get_function_name(), function.get_user_function()
        try:
            check_signature(name, code, function.get_bindings())
        except SignatureError as error:
            yield str(error)


def _refused_names(functions: list[Function]) -> list[str]:
    """A line for each name that several functions have, in the words of host 4.1037."""
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
    """A line for each invalid schedule of a timer."""
    for function in functions:
        trigger = function.get_trigger().get_dict_repr()
        if trigger["type"] == "timerTrigger":
            try:
                Schedule(function.get_function_name(), trigger["schedule"])
            except ValueError as error:
                yield str(error)


def _is_enabled(name: str, config: HostJson, environment: Mapping[str, str]) -> bool:
    """Whether neither host.json nor `AzureWebJobs_NAME_Disabled` (in any case) excludes it."""
    setting = f"AzureWebJobs_{name}_Disabled".casefold()
    is_disabled = any(
        value.casefold() in ("true", "1")
        for each, value in environment.items()
        if each.casefold() == setting
    )
    return not is_disabled and (config.functions is None or name.casefold() in config.functions)


def _is_left_out(function: Function) -> bool:
    """Whether the host does not accept the function; logs why, in its words where it has any."""
    name = function.get_function_name()
    reason = _bad_name(name) or _bad_bindings(function)
    if reason:
        log.error("The '%s' function is in error: %s", printable(name), printable_lines(reason))
    return bool(reason)


def _bad_name(name: str) -> str:
    is_bad = not NAME.fullmatch(name) or name.casefold() == "host"
    return f"'{name}' is not a valid function name." if is_bad else ""


def _bad_bindings(function: Function) -> str:
    """Why the bindings of a function are not supported; empty if they are."""
    trigger = function.get_trigger().get_dict_repr()["type"]
    others = [each for each in _bindings(function) if each["type"] != trigger]

    unknown = [each for each in (trigger, *(each["type"] for each in others)) if each not in KNOWN]
    if unknown:
        return (
            f"The binding type(s) {', '.join(map(repr, unknown))} are not registered. "
            "Please ensure the type is correct and the binding extension is installed."
        )

    for binding in others:
        kind, name = binding["type"], binding["name"]
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
