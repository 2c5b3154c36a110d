"""What all contract suites share: assertions, strict options, light imports, and arrays that a file keeps."""

from __future__ import annotations

import inspect
import io
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from automation.contracts.shape import HEAVY, is_strict
from automation.errors import BadArtifact, ContractError

if TYPE_CHECKING:
    import numpy as np

    from automation.contracts import Model

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_IMPORT = """
import importlib, importlib.util, json, sys
path, name, file, heavy = json.loads(sys.argv[1])
sys.path[:] = path
try:
    importlib.import_module(name)
except ModuleNotFoundError:
    spec = importlib.util.spec_from_file_location("looked_at", file)
    module = sys.modules["looked_at"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
print(json.dumps(sorted(set(heavy) & set(sys.modules))))
"""


def require(holds: object, promise: str) -> None:
    """Raise AssertionError with the promise's text unless it holds; unlike `assert`, also under `python -O`."""
    if not holds:
        raise AssertionError(promise)


def keep(check: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """What a check of `contracts.answers` returns. Raises AssertionError where the contract is broken."""
    try:
        return check(*args, **kwargs)
    except ContractError as error:
        raise AssertionError(str(error)) from error


def check_options(component: type) -> None:
    """Raise AssertionError unless the component's options are frozen and refuse an unknown key."""
    options: Any = getattr(component, "Options", None)
    require(options is not None and is_strict(options), 'Options must be frozen and extra="forbid"')


def check_light_import(component: type) -> None:
    """Raise AssertionError where importing the component's module, in a new process, loads a library of `HEAVY`.

    A project's own plugin that the core loaded by path has no name to import by: `automation plugins check FILE` does
    the same for it.
    """
    if component.__module__.startswith("_automation_project_"):
        return
    found = ", ".join(_heavy_imports(component.__module__, inspect.getfile(component), tuple(HEAVY)))
    require(not found, f"the module imports {found} at module level; import them inside the functions that use them")


@cache
def _heavy_imports(module: str, file: str, heavy: tuple[str, ...]) -> tuple[str, ...]:
    """Which of the libraries a new process has loaded after importing the module; asked once a module."""
    asked = json.dumps([sys.path, module, file, heavy])
    done = subprocess.run([sys.executable, "-c", _IMPORT, asked], capture_output=True, text=True, check=False)  # noqa: S603 -- our own interpreter
    require(done.returncode == 0, f"the module can't be imported by itself: {done.stderr}")
    return tuple(json.loads(done.stdout))


def through_file(arrays: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays as they come back from a file that is read without unpickling."""
    import numpy as np

    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **{f"array.{name}": array for name, array in arrays.items()})
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        return {name.removeprefix("array."): stored[name] for name in stored.files}


def check_refused(model: Model, arrays: Mapping[str, Any], what: str) -> None:
    """Raise AssertionError unless `load` raises `BadArtifact` for these arrays; `what` describes them."""
    try:
        model.load(arrays, parts={})
    except BadArtifact:
        return
    except Exception as error:
        raise AssertionError(f"load {what} must raise BadArtifact, raised {error!r}") from error
    raise AssertionError(f"load {what} must raise BadArtifact, and did not")
