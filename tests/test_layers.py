"""Imports go downward, by name, and nothing leaks out of a notebook."""
import ast, subprocess, sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
LAYERS = {
    "base": "config paths stats progress", "motion": "skeleton features bvh gltf seams feet",
    "data": "corpus text synthetic bandai bvh_import corpora",
    "model": "fsq vq bottlenecks autoencoder diffusion diffmlp mardm length windows", "learn": "checkpoints train history",
    "measure": "evaluators metrics topology physics trajectories evaluate cost", "use": "official stages pipeline",
    "paper": "paper.records paper.artefacts paper.plots paper.claims paper.prose paper.article",
    "top": "viewer warm notebooks workflow arguments pages companion card cli"}
LEVEL = {module: i for i, layer in enumerate(LAYERS.values()) for module in layer.split()}
PACKAGE = PROJECT/"fsq_mardm"
name_of = lambda path: ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
MODULES = {name_of(p): p for p in sorted(PACKAGE.rglob("*.py")) if not p.stem.startswith("_")}

def project_imports(name, source):
    "(module, names) of every import from the project, those inside functions too."
    package = ["fsq_mardm", *name.split(".")[:-1]]
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ImportFrom): continue
        base = package[:len(package) - node.level + 1] if node.level else []
        whole = ".".join([*base, *([node.module] if node.module else [])])
        if not whole.startswith("fsq_mardm"): continue
        inside = whole.removeprefix("fsq_mardm").removeprefix(".")
        if inside in MODULES: yield inside, [a.name for a in node.names]
        else:  # `from fsq_mardm import paths`
            for a in node.names:
                if (module := f"{inside}.{a.name}".removeprefix(".")) in MODULES: yield module, []

def test_the_reader_of_imports():
    source = "from ..config import a\ndef f():\n    from .records import *\n    from fsq_mardm import skeleton\n    import torch"
    assert list(project_imports("paper.claims", source)) == [("config", ["a"]), ("paper.records", ["*"]), ("skeleton", [])]

@pytest.mark.parametrize("name", MODULES)
def test_imports_go_downward(name):
    assert name in LEVEL, f"{name} has no layer"
    for module, names in project_imports(name, MODULES[name].read_text()):
        assert LEVEL[module] <= LEVEL[name], f"{name} imports {module} from above"
        assert "*" not in names, f"{name}: star import of {module}"

def test_no_cycles():
    graph = {name: {m for m, _ in project_imports(name, path.read_text())} for name, path in MODULES.items()}
    done = set()
    assert sum(map(len, graph.values())) > len(MODULES)  # the reader of imports reads something
    while ready := {m for m in graph if m not in done and graph[m] <= done}: done |= ready
    assert done == set(graph), f"import cycle among {sorted(set(graph) - done)}"

def test_lint():
    "Names that leak out of a notebook, long lines and likely faults, by the rules of pyproject.toml."
    command = [sys.executable, "-m", "ruff", "check", "--output-format", "concise", "fsq_mardm", "tests"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
