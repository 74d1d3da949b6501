"""One thread per process, and a closing line that any reader of logs can count."""
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

def pytest_terminal_summary(terminalreporter, exitstatus, config):
    count = lambda *outcomes: sum(len(terminalreporter.stats.get(o, [])) for o in outcomes)
    skipped = f", {n} skipped" if (n := count("skipped")) else ""
    config.closing_line = f"{count('passed')} passed, {count('failed', 'error')} failed{skipped}"

def pytest_unconfigure(config):
    if hasattr(config, "closing_line"): print(f"\n{config.closing_line}")
