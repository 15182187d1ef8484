"""The environment variables of an app: those of Azure's worker, and local.settings.json."""

import json
import os
import sys
from pathlib import Path


def worker_environment(folder: Path, address: str, port: int) -> None:
    """Set the variables that the worker of the real host has, unless they are set already."""
    given = {
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "AzureWebJobsScriptRoot": str(folder),
        "FUNCTIONS_EXTENSION_VERSION": "~4",
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "FUNCTIONS_WORKER_RUNTIME_VERSION": f"{sys.version_info.major}.{sys.version_info.minor}",
        "PYTHON_THREADPOOL_THREAD_COUNT": "1000",
        "WEBSITE_HOSTNAME": f"{address}:{port}" if port else address,
    }
    for name, value in given.items():
        os.environ.setdefault(name, value)


def use_local_settings(folder: Path) -> None:
    """Set the Values of local.settings.json, as Core Tools does, unless they are set already.

    Raises ValueError if the file is malformed.
    """
    file = folder / "local.settings.json"
    if not file.is_file():
        return
    try:
        values = json.loads(file.read_text(encoding="utf-8-sig")).get("Values", {}).items()
    except (ValueError, AttributeError) as error:
        raise ValueError(
            f"{file} must be a JSON object whose Values is an object: {error}"
        ) from error
    for name, value in values:
        if not isinstance(value, str):
            raise ValueError(f"{file}: the value of {name} must be a string")
        os.environ.setdefault(name, value)
