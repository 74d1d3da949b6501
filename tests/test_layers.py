"""Imports go downward, by name, and nothing leaks out of a notebook."""
import ast, subprocess, sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
LAYERS = [["config"], ["skeleton", "features", "bvh"], ["corpus", "synthetic", "bandai", "humanml3d", "text"],
          ["fsq", "vq", "autoencoder", "diffusion", "diffmlp", "mardm", "length"], ["checkpoints", "train"],
          ["metrics", "physics", "topology", "evaluators", "evaluate"], ["report", "plots", "viewer"], ["notebooks", "cli"]]
LEVEL = {m: i for i, layer in enumerate(LAYERS) for m in layer}
MODULES = sorted(p for p in (PROJECT/"fsq_mardm").glob("*.py") if not p.stem.startswith("_"))

def project_imports(tree, top_only=True):
    for node in (tree.body if top_only else ast.walk(tree)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "fsq_mardm": yield node

@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_imports_go_downward(path):
    assert path.stem in LEVEL, f"{path.stem} has no layer"
    for node in project_imports(ast.parse(path.read_text())):
        if "." not in node.module: continue
        assert LEVEL[node.module.split(".")[1]] <= LEVEL[path.stem], f"{path.stem} imports {node.module} from above"
        assert all(a.name != "*" for a in node.names), f"{path.stem}: star import of {node.module}"

def test_no_cycles():
    graph = {p.stem: {n.module.split(".")[1] for n in project_imports(ast.parse(p.read_text())) if "." in n.module} for p in MODULES}
    done = set()
    while ready := {m for m in graph if m not in done and graph[m] <= done}: done |= ready
    assert done == set(graph), f"import cycle among {sorted(set(graph) - done)}"

def test_no_leaked_globals():
    done = subprocess.run([sys.executable, "-m", "ruff", "check", "--select", "F", "--ignore", "F401", "fsq_mardm"], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
