"""Imports go downward, by name, and nothing leaks out of a notebook."""
import ast, subprocess, sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
LAYERS = [["config"], ["skeleton", "features", "bvh"], ["corpus", "synthetic", "bandai", "humanml3d", "text", "corpora", "prepare"],
          ["fsq", "vq", "autoencoder", "diffusion", "diffmlp", "mardm", "length"], ["checkpoints", "train", "stages"],
          ["metrics", "physics", "topology", "evaluators", "evaluate", "speed", "denoising"], ["report", "plots", "viewer", "findings", "claims", "trace", "cost", "prose", "curves"], ["notebooks", "cli"]]
LEVEL = {m: i for i, layer in enumerate(LAYERS) for m in layer}
MODULES = sorted(p for p in (PROJECT/"fsq_mardm").glob("*.py") if not p.stem.startswith("_"))

def project_imports(path):
    "(module, names) of every import from the project at the top of a module; inside a function it is a choice of its own."
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module and (node.level or node.module.startswith("fsq_mardm.")):
            yield node.module.removeprefix("fsq_mardm."), [a.name for a in node.names]

@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_imports_go_downward(path):
    assert path.stem in LEVEL, f"{path.stem} has no layer"
    for module, names in project_imports(path):
        assert LEVEL[module] <= LEVEL[path.stem], f"{path.stem} imports {module} from above"
        assert "*" not in names, f"{path.stem}: star import of {module}"

def test_no_cycles():
    graph, done = {p.stem: {m for m, _ in project_imports(p)} for p in MODULES}, set()
    assert sum(map(len, graph.values())) > len(MODULES)  # the reader of imports reads something
    while ready := {m for m in graph if m not in done and graph[m] <= done}: done |= ready
    assert done == set(graph), f"import cycle among {sorted(set(graph) - done)}"

def test_no_leaked_globals():
    done = subprocess.run([sys.executable, "-m", "ruff", "check", "--select", "F", "--ignore", "F401", "fsq_mardm"], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
