"""Checks parameters and annotations of functions as Azure's Python worker does.

The rules and messages are those of azure-functions-runtime 1.3.0, the library inside the worker for
Python 3.13 (`functions.py`, `utils/typing_inspect.py`), for the bindings that devhost supports. As
there, the converters of azure-functions decide whether an annotation suits a binding.
"""

import collections.abc
import inspect
import typing
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from azure.functions import meta
from azure.functions.decorators.core import Binding

ALIASES = (
    typing._GenericAlias,  # type: ignore[attr-defined]
    typing._SpecialGenericAlias,  # type: ignore[attr-defined]
)
"""The types of `List[str]` and `List`, which the worker knows; `list[str]` has another type."""
NOT_GENERIC = (typing.Union, tuple, typing.ClassVar, collections.abc.Callable)
RETURN = "$return"
"""The name of the binding for the return value of an HTTP function."""


class SignatureError(Exception):
    """The worker cannot load a function, and then loads none of the app; one line."""

    def __init__(self, function: str, reason: str) -> None:
        super().__init__(f"cannot load the {function} function: {reason}")


def wants_context(code: Callable[..., Any], bound: Collection[str]) -> bool:
    """Whether the function takes the context of its invocation."""
    return "context" in inspect.signature(code).parameters and "context" not in bound


def converter_of(code: Callable[..., Any], trigger: Binding) -> str:
    """The binding whose converter turns the trigger's payload into the argument.

    Normally that is the trigger's own. A parameter that is annotated as str or bytes gets the
    payload unconverted, if that is str or bytes; with an HTTP trigger such a function fails.
    """
    takes_payload = typing.get_type_hints(code).get(trigger.name) in (str, bytes)
    converter = meta.get_binding_registry().get(trigger.type)
    return "generic" if takes_payload and not converter.has_implicit_output() else str(trigger.type)


def check_signature(function: str, code: Callable[..., Any], bindings: Iterable[Binding]) -> None:
    """Raises SignatureError where the worker would not load a function with these bindings."""
    try:
        parameters = set(inspect.signature(code).parameters)
        annotations = typing.get_type_hints(code)
    except Exception as error:  # an undefined name in an annotation, or not a function
        raise SignatureError(function, f"{type(error).__name__}: {error}") from error
    by_name = {each.name: each for each in bindings}
    returned = by_name.pop(RETURN, None)
    try:
        if wants_context(code, by_name):
            parameters.remove("context")
            _check_context(annotations)
        _check_names(parameters, set(by_name))
        for name in inspect.signature(code).parameters:
            if name in by_name and name in annotations:
                _check_parameter(by_name[name], annotations[name])
        if returned is not None and "return" in annotations:
            _check_return(returned.type, annotations["return"])
    except (ValueError, TypeError) as error:
        raise SignatureError(function, str(error)) from error


def _check_context(annotations: Mapping[str, Any]) -> None:
    if "context" not in annotations:
        return
    annotation = annotations["context"]
    if not isinstance(annotation, type) or annotation.__name__ != "Context":
        raise ValueError(
            'the "context" parameter is expected to be of type azure.functions.Context, '
            f'got "{annotation!r}"'
        )


def _check_names(parameters: set[str], bound: set[str]) -> None:
    if parameters - bound:
        raise ValueError(
            "the following parameters are declared in Python but not in the function definition "
            f"(function.json or function decorators):  {_names(parameters - bound)}"
        )
    if bound - parameters:
        raise ValueError(
            "Extra parameters in binding definition \N{EM DASH} the following parameters are "
            f"declared as bindings but are not present in Python: {_names(bound - parameters)}"
        )


def _names(names: set[str]) -> str:
    """Write names like a set, but sorted."""
    return f"{{{', '.join(map(repr, sorted(names)))}}}"


def _check_parameter(binding: Binding, annotation: Any) -> None:
    wanted = annotation
    if is_out := _is_out(annotation):
        arguments = typing.get_args(annotation)
        if len(arguments) != 1:
            raise ValueError(f"binding {binding.name} has invalid Out annotation {annotation!r}")
        (wanted,) = arguments
    if not isinstance(wanted, type) and not _is_generic(wanted):
        raise ValueError(f"binding {binding.name} has invalid non-type annotation {annotation!r}")
    if is_out:
        raise ValueError(
            f'binding {binding.name} is declared to have the "in" direction in '
            "the binding decorator, but its annotation is azure.functions.Out in Python"
        )
    converter = meta.get_binding_registry().get(binding.type)
    if wanted in (str, bytes) and not converter.has_implicit_output():
        return  # it gets the payload as it came
    if not converter.check_input_type_annotation(wanted):
        raise ValueError(
            f'binding type "\'{binding.name}\'" and dataType "{binding.type}" in the '
            "binding decorator do not match the corresponding function parameter's "
            f"Python type annotation {wanted.__name__}"
        )


def _check_return(kind: str, annotation: Any) -> None:
    if _is_generic(annotation) and _is_out(annotation):
        raise ValueError("return annotation should not be azure.functions.Out")
    if not isinstance(annotation, type):
        raise ValueError(f"has invalid non-type return annotation {annotation!r}")
    if not meta.get_binding_registry().get(kind).check_output_type_annotation(annotation):
        raise ValueError(
            f'Python return annotation "{annotation.__name__}" does not match binding type "{kind}"'
        )


def _is_generic(annotation: Any) -> bool:
    """Whether it is a generic type of `typing`, which those of `collections.abc` are not."""
    return isinstance(annotation, ALIASES) and annotation.__origin__ not in NOT_GENERIC


def _is_out(annotation: Any) -> bool:
    wanted = annotation.__origin__ if _is_generic(annotation) else annotation
    return isinstance(wanted, type) and wanted.__name__ == "Out"
