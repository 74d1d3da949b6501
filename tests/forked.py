"""Work in copies of one process: what takes each of them seconds to import is imported once."""
import gc, importlib, multiprocessing, os, pkgutil, sys, tempfile, traceback, warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

class Done(NamedTuple):
    "How a copy ended, as `subprocess.run` says it."
    returncode: int | None  # None, or below 0: killed
    stdout: str
    stderr: str

def import_all():
    "Every module of the package, and what notebooks are run with."
    import nbdev.test, hypothesis, matplotlib.pyplot, torch._dynamo  # noqa: F401  (the last comes with the first step of an optimiser)
    import fsq_mardm
    for module in pkgutil.walk_packages(fsq_mardm.__path__, "fsq_mardm."): importlib.import_module(module.name)
    gc.collect()
    gc.freeze()  # no copy looks through all of it for garbage

def _body(call: Callable, said: Path, cwd: Path | None):
    "What the copy does: nothing of the process that was copied is closed at its end."
    for name, stream in (("stdout", 1), ("stderr", 2)):
        file = open(said/name, "w", buffering=1)
        os.dup2(file.fileno(), stream)
        setattr(sys, name, file)
    warnings.resetwarnings()
    warnings.simplefilter("default")
    if cwd: os.chdir(cwd)
    try: code = call() or 0
    except SystemExit as e:
        code = e.code or 0
        if not isinstance(code, int):  # what Python does with a message
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

def in_copy(
    call: Callable[[], int | None],  # gives an exit code; None is 0
    seconds: float = 300,  # a copy that takes longer is killed
    cwd: Path | None = None,
) -> Done:
    "Call a function in a copy of this process."
    with tempfile.TemporaryDirectory() as said:
        copy = multiprocessing.get_context("fork").Process(target=_body, args=(call, Path(said), cwd))
        copy.start()
        copy.join(seconds)
        copy.kill()
        copy.join()
        return Done(copy.exitcode, *((Path(said)/name).read_text() for name in ("stdout", "stderr")))

def notebook(path: Path, seconds: float = 300) -> Done:
    "Run the cells of a definition notebook as `nbdev_test` does."
    from nbdev.test import test_nb
    return in_copy(lambda: not test_nb(path, do_print=True)[0], seconds, path.parent)

def command(*words, cwd: Path | None = None, seconds: float = 120) -> Done:
    "Run `fsq-mardm`."
    from fsq_mardm import cli
    return in_copy(lambda: cli.main([*map(str, words)]), seconds, cwd)

def snakemake(*words, cwd: Path | None = None, seconds: float = 120) -> Done:
    "Run snakemake."
    import snakemake.cli
    return in_copy(lambda: snakemake.cli.main([*map(str, words)]), seconds, cwd)
