"""One thread per process, long tests first, and a closing line that any reader of logs can count."""
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

LONG = ({"test_distributed", "test_tables", "test_viewer_notebooks"}, {"test_workflow", "test_published", "test_notebooks"})

def pytest_collection_modifyitems(items):
    "Long tests first in each half of the list, with which one of two processes begins: neither waits for the other at the end."
    first, second = ([i for i in items if i.path.stem in files] for files in LONG)
    short = [i for i in items if i not in first and i not in second]
    rest = max(0, len(items)//2 - len(first))
    items[:] = first + short[:rest] + second + short[rest:]

def pytest_terminal_summary(terminalreporter, exitstatus, config):
    count = lambda *outcomes: sum(len(terminalreporter.stats.get(o, [])) for o in outcomes)
    skipped = f", {n} skipped" if (n := count("skipped")) else ""
    config.closing_line = f"{count('passed')} passed, {count('failed', 'error')} failed{skipped}"

def pytest_unconfigure(config):
    if hasattr(config, "closing_line"): print(f"\n{config.closing_line}")
