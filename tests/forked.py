"""Definition notebooks in copies of one process: what takes each of them seconds to import is imported once."""
import importlib, multiprocessing, os, pkgutil, sys, warnings
from pathlib import Path

def import_all():
    "Every module of the package, and what notebooks are run with."
    import nbdev.test, hypothesis, matplotlib.pyplot  # noqa: F401
    import fsq_mardm
    for module in pkgutil.walk_packages(fsq_mardm.__path__, "fsq_mardm."): importlib.import_module(module.name)

def _test_notebook(notebook: Path, said: Path):
    "The body of the copy: as `nbdev_test` has it, with what is printed in a file."
    from nbdev.test import test_nb
    sys.stdout = sys.stderr = open(said, "w", buffering=1)
    for stream in (1, 2): os.dup2(sys.stdout.fileno(), stream)
    warnings.resetwarnings()
    warnings.simplefilter("default")
    os.chdir(notebook.parent)
    passed, _ = test_nb(notebook, do_print=True)
    sys.stdout.flush()
    os._exit(0 if passed else 1)  # nothing of the process that was copied is to be closed

def run_in_copy(notebook: Path, said: Path, seconds: float) -> int:
    "Exit code of a notebook's cells; a copy that takes too long is killed."
    copy = multiprocessing.get_context("fork").Process(target=_test_notebook, args=(notebook, said))
    copy.start()
    copy.join(seconds)
    copy.kill()
    copy.join()
    return copy.exitcode
