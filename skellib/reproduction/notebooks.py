"""Execute notebooks headlessly, save stamped copies, and glue their numbers.

The cells are run by papermill. This module checks what papermill does not: misspelt
parameters, kernels that died, and Jupyter kernels of another environment.
"""

from __future__ import annotations

import ast
import contextlib
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from skellib.errors import InputError, TaskError
from skellib.paths import project_root
from skellib.processes import end_with_parent
from skellib.provenance import stamp

TAG = "parameters"

# Run by each kernel before the first cell.
WATCH = """
from pathlib import Path
from skellib.reproduction.freshness import watch
watch(Path({root!r}), Path({out!r}), get_ipython().events)
del Path, watch
"""


class NotebookError(TaskError):
    """Report a notebook that failed: which, in which cell, and why."""


def execute(source: str | Path, out: str | Path, **parameters: Any) -> dict[str, Any]:
    """Execute a notebook in the project's root folder and write the executed copy.

    The copy contains the outputs, but no widget state and no absolute paths. Its
    ``metadata["skellib"]`` contains the stamp of :func:`skellib.provenance.stamp`, the
    parameters, the execution time in seconds, and the hashes of what was read, see
    :class:`skellib.reproduction.freshness.Inputs`. It is written under a ``.part`` name
    and renamed at the end, so that a failure does not destroy an earlier copy.

    Args:
        source: path of the notebook.
        out: path of the executed copy.
        parameters: values for the cell tagged ``parameters``.

    Returns:
        The stamp with the parameters, the seconds and the inputs.

    Raises:
        InputError: if ``source`` is not a notebook, does not have exactly one cell
            tagged ``parameters``, or does not declare one of the parameters.
        NotebookError: if a cell fails or the kernel dies.
    """
    import nbformat
    import papermill

    source, out = Path(source), Path(out).resolve()
    _check_parameters(source, parameters)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"{out.stem}.part.ipynb")
    start = time.perf_counter()
    with _own_kernel() as inputs_file:
        try:
            _run_cells(source, part, parameters)
        except papermill.PapermillExecutionError as error:
            # papermill appends the traceback; the first line is the cause.
            cause = f"{error.ename}: {error.evalue}".splitlines()[0]
            where = f"cell {error.cell_index + 1}"
            raise NotebookError(f"{source.name}, {where}: {cause}") from None
        except Exception as error:
            cause = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise NotebookError(f"{source.name}: {cause}") from error
        inputs = json.loads(inputs_file.read_text(encoding="utf-8"))
    notebook = nbformat.read(part, 4)
    # If the kernel dies, papermill marks cells as completed that have not run.
    for number, cell in enumerate(notebook.cells, start=1):
        code = cell.cell_type == "code" and cell.source.strip()
        if code and cell.execution_count is None:
            raise NotebookError(f"{source.name}, cell {number}: did not run")
    seconds = round(time.perf_counter() - start, 1)
    _strip_metadata(notebook)
    notebook.metadata["skellib"] = {
        **stamp(),
        "parameters": parameters,
        "seconds": seconds,
        "inputs": inputs,
    }
    nbformat.write(notebook, part)
    os.replace(part, out)
    return dict(notebook.metadata["skellib"])


def _run_cells(source: Path, part: Path, parameters: dict[str, Any]) -> None:
    """Run papermill; retry once if the kernel died before it replied.

    Kernels choose their ports before they bind them, so that two kernels that start at
    the same time may choose the same port. No cell has run then.
    """
    import papermill

    for last in (False, True):
        try:
            papermill.execute_notebook(
                source,
                part,
                parameters=parameters,
                kernel_name="python3",
                language="python",
                cwd=project_root(),
                progress_bar=False,
                log_output=False,
                start_timeout=120,
            )
            return
        except RuntimeError as error:
            if last or "before replying" not in str(error):
                raise


def execute_all(
    profile: str,
    out: str | Path,
    notebooks: Iterable[str] | None = None,
    workers: int = 2,
    **parameters: Any,
) -> dict[str, dict[str, Any]]:
    """Execute notebooks/NN_*.ipynb in order and print a line for each.

    A notebook that fails does not stop the others.

    Args:
        profile: profile, passed to the notebooks that declare it.
        out: folder of the executed copies.
        notebooks: names ("03_transform") or numbers ("03") of notebooks; by default
            all.
        workers: number of notebooks that are executed at the same time.
        parameters: further parameters; each is passed to the notebooks that declare it.

    Returns:
        The stamps by name of the notebook.

    Raises:
        InputError: if no notebook is found or selected, or none declares one of the
            parameters.
        NotebookError: at the end, if notebooks failed; it contains the first error.
    """
    sources = select(notebooks)
    declared = {path.stem: declared_parameters(path) for path in sources}
    _check_declared(parameters, set().union(*declared.values()))
    given = {"profile": profile, **parameters}
    out = Path(out)
    width = max(len(path.stem) for path in sources)
    workers = max(1, min(workers, len(sources)))
    stamps: dict[str, dict[str, Any]] = {}
    failures: list[str] = []
    start = time.perf_counter()
    # Processes, because papermill changes the working directory; spawned, because
    # PyTorch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with (
        _shared_cores(workers),
        ProcessPoolExecutor(workers, context, end_with_parent) as pool,
    ):
        runs = [
            pool.submit(
                execute,
                path,
                out / path.name,
                **{k: v for k, v in given.items() if k in declared[path.stem]},
            )
            for path in sources
        ]
        for path, run in zip(sources, runs):
            try:
                stamps[path.stem] = run.result()
            except BrokenProcessPool:
                raise NotebookError(
                    "a process that executes notebooks ended (killed, or out of memory)"
                    "; run the same command again with fewer --workers"
                ) from None
            except (InputError, NotebookError) as error:
                failures.append(str(error))
                print(f"{path.stem:<{width}}  FAILED  {error}", flush=True)
            else:
                seconds = stamps[path.stem]["seconds"]
                print(f"{path.stem:<{width}}  {seconds:6.1f} s", flush=True)
    took = time.perf_counter() - start
    print(f"{len(stamps)} of {len(sources)} notebooks ran in {took:.0f} s", flush=True)
    if failures:
        raise NotebookError(
            f"{len(failures)} of {len(sources)} notebooks failed; first: {failures[0]}"
        )
    return stamps


def _check_declared(parameters: Iterable[str], known: set[str]) -> None:
    """Raise an InputError for a parameter that no notebook declares."""
    for name in parameters:
        if name not in known:
            raise InputError(
                f"notebooks: none declares the parameter {name!r}; "
                f"known: {', '.join(sorted(known))}"
            )


def glue(name: str, value: Any, display: bool = False) -> None:
    """Give a value a name that the prose of the book can refer to.

    The output is the same as that of ``myst_nb.glue``, without importing Sphinx.

    Args:
        name: name of the value.
        value: any value; NumPy and PyTorch scalars are converted to Python numbers, so
            that formats such as ``:.1f`` apply.
        display: whether to display the value here, too.
    """
    from IPython.core.formatters import format_display_data
    from IPython.display import display as show

    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    data, metadata = format_display_data(value)
    prefix = "" if display else "application/papermill.record/"
    metadata["scrapbook"] = {"name": name, "mime_prefix": prefix}
    bundle = {prefix + kind: content for kind, content in data.items()}
    show(bundle, raw=True, metadata=metadata)


def declared_parameters(source: str | Path) -> set[str]:
    """Return the names assigned in the notebook's cell tagged ``parameters``.

    Raises:
        InputError: if ``source`` is not a notebook, or does not have exactly one such
            cell.
    """
    source = Path(source)
    try:
        cells = json.loads(source.read_text(encoding="utf-8"))["cells"]
        tagged = [cell for cell in cells if TAG in cell["metadata"].get("tags", [])]
    except FileNotFoundError:
        raise InputError(f"{source}: no such notebook") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{source}: not a Jupyter notebook") from None
    if len(tagged) != 1:
        raise InputError(
            f"{source}: {len(tagged)} cells are tagged {TAG!r}; tag exactly one"
        )
    names: set[str] = set()
    for node in ast.walk(ast.parse("".join(tagged[0]["source"]))):
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            names |= {n.id for n in ast.walk(target) if isinstance(n, ast.Name)}
    return names


def _check_parameters(source: Path, parameters: dict[str, Any]) -> None:
    """Raise an InputError for parameters that the notebook does not declare."""
    known = declared_parameters(source)
    for name in parameters:
        if name not in known:
            raise InputError(
                f"{source}: unknown parameter {name!r}; "
                f"it declares {', '.join(sorted(known)) or 'none'}"
            )


def select(notebooks: Iterable[str] | None) -> list[Path]:
    """Return the selected notebooks of the project in order; by default all."""
    folder = project_root() / "notebooks"
    every = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not every:
        raise InputError(f"{folder}: contains no notebook NN_name.ipynb")
    if notebooks is None:
        return every
    chosen = set()
    for name in notebooks:
        found = [p for p in every if name in (p.stem, p.name, p.stem[:2])]
        if not found:
            raise InputError(
                f"notebooks: no {name!r}; there are {', '.join(p.stem for p in every)}"
            )
        chosen.update(found)
    return [path for path in every if path in chosen]


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Set environment variables inside the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _own_kernel() -> Iterator[Path]:
    """Make this interpreter the kernel "python3", regardless of installed kernels.

    JUPYTER_PATH has priority over the user's and the system's folders. The user's
    IPython profile is ignored, since its start-up files could affect results; ours
    notes what the kernel reads, in the file whose path is yielded.
    """
    with tempfile.TemporaryDirectory(prefix="skellib-") as folder:
        kernel = Path(folder, "kernels", "python3")
        kernel.mkdir(parents=True)
        launch = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]
        # Suppress the kernel's warnings; papermill reports failures.
        launch.append("--log-level=CRITICAL")
        spec = {
            "argv": [sys.executable, *launch],
            "display_name": "Python 3",
            "language": "python",
            "env": {"SKELLIB_ROOT": str(project_root())},
        }
        (kernel / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
        inputs = Path(folder, "inputs.json")
        start = Path(folder, "ipython", "profile_default", "startup", "watch.py")
        start.parent.mkdir(parents=True)
        start.write_text(
            WATCH.format(root=str(project_root()), out=str(inputs)), "utf-8"
        )
        path = os.pathsep.join(filter(None, [folder, os.environ.get("JUPYTER_PATH")]))
        with _environment(JUPYTER_PATH=path, IPYTHONDIR=str(Path(folder, "ipython"))):
            yield inputs


@contextlib.contextmanager
def _shared_cores(workers: int) -> Iterator[None]:
    """Divide the cores between concurrent kernels."""
    if "OMP_NUM_THREADS" in os.environ:
        yield
        return
    threads = max(1, (os.cpu_count() or 1) // workers)
    with _environment(OMP_NUM_THREADS=str(threads)):
        yield


def _strip_metadata(notebook: Any) -> None:
    """Remove widget state, timings and absolute paths."""
    for key in ("widgets", "papermill"):
        notebook.metadata.pop(key, None)
    root = str(project_root())
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                output.text = output.text.replace(root, ".")
