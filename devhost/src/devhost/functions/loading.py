"""Loading an app: imports `function_app.py`, and refuses an app that Azure would refuse."""

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from azure.functions.decorators.function_app import FunctionRegister

import devhost
from devhost.functions.app import App
from devhost.functions.errors import AppError
from devhost.functions.indexing import index
from devhost.settings.files import DEFAULTS, HostJson, strict_json_error
from devhost.settings.versions import breaks_entities

NO_ENTITY_RUNS = (
    "host.json: with versionMatchStrategy Strict no entity runs on Azure; use CurrentOrOlder"
)


def load(folder: Path, config: HostJson = DEFAULTS) -> App:
    """Import `function_app.py` from the folder and index its functions. Raises AppError."""
    file = folder / "function_app.py"
    if not file.is_file():
        raise AppError(f"there is no function_app.py in {folder}{_v1_hint(folder)}")

    sys.path.insert(0, str(folder))
    found = [each for each in vars(_import(file)).values() if isinstance(each, FunctionRegister)]
    _check_that_durable_reads_host_json(folder)

    app = index(_only_one(found, file), config)
    if not app.functions:
        raise AppError(f"{file} has no functions that can run")
    if breaks_entities(config) and app.durable.entities:
        raise AppError(NO_ENTITY_RUNS)
    return app


def _v1_hint(folder: Path) -> str:
    """Add this where there is no `function_app.py`, but an app of the older model."""
    if any(folder.glob("*/function.json")):
        return ", but an app of the v1 programming model: devhost runs v2 only"
    return ""


def _only_one(found: list[FunctionRegister], file: Path) -> FunctionRegister:
    """The function app that a file defines. Raises AppError, in the worker's words."""
    if not found:
        raise AppError(f"Could not find top level function app instances in {file}.")
    if len(found) > 1:
        name = type(found[0]).__name__
        raise AppError(
            f"{file}: More than one {name} or other top level function app instances are defined."
        )
    return found[0]


def _import(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("function_app", file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["function_app"] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException as error:  # any exception ends the worker of the real host
        if _explains_itself(error, file.parent):
            raise AppError(str(error)) from error
        place = _place(error, file.parent)
        raise AppError(
            f"{file} failed to import at {place}: {type(error).__name__}: {error}"
        ) from error
    return module


def _explains_itself(error: BaseException, folder: Path) -> bool:
    """Whether the app says why it does not start: by its own exception, or a message to exit."""
    is_message = isinstance(error, SystemExit) and isinstance(error.code, str)
    return is_message or _is_of_the_app(sys.modules.get(type(error).__module__), folder)


def _place(error: BaseException, folder: Path) -> str:
    """The file and line of the app that failed, rather than of a package that it called."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if _is_in(each.filename, folder)]
    place = (own or frames)[-1]
    return f"{place.filename}:{place.lineno}"


def _is_in(file: str, folder: Path) -> bool:
    return file.startswith(f"{folder}/") and "/site-packages/" not in file


def _is_of_the_app(module: ModuleType | None, folder: Path) -> bool:
    """Whether a module lies in the app's folder, and is not devhost, which may lie there too."""
    is_devhost = module is not None and module.__name__.partition(".")[0] == devhost.__name__
    return not is_devhost and _is_in(getattr(module, "__file__", None) or "", folder)


def _check_that_durable_reads_host_json(folder: Path) -> None:
    """Raises AppError where host.json is too lenient for the Durable SDK, and the app uses that.

    On the real host the SDK reads it when it is imported; here devhost has imported it before.
    """
    error = strict_json_error(folder)
    if not error:
        return
    own = [each for each in list(sys.modules.values()) if _is_of_the_app(each, folder)]
    if any(_holds_durable(each) for each in own):
        raise AppError(
            f"{folder / 'host.json'} is read by azure-functions-durable, which takes neither "
            "comments nor trailing commas nor a byte order mark, and the real host then loads no "
            f"function: {error}"
        )


def _holds_durable(module: ModuleType) -> bool:
    """Whether a module has imported something of the Durable SDK."""
    members = vars(module).values()
    origins = (getattr(each, "__module__", getattr(each, "__name__", "")) for each in members)
    return any(str(origin).startswith("azure.durable_functions") for origin in origins)
