"""One definition each: no public name means two things, and what statistics, distances and labels are is written in one module."""
import ast, json, re
from collections import defaultdict
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
PACKAGE = PROJECT/"fsq_mardm"
name_of = lambda path: ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
MODULES = {name_of(p): p.read_text(encoding="utf-8") for p in sorted(PACKAGE.rglob("*.py")) if not p.stem.startswith("_")}
HOME = {  # pattern in code -> the one module that holds it
    r"student_t|scipy\.stats import .*\bt\b|\b1\.96\b|\bt\.ppf\b": "stats",  # Student's quantile, or the normal one in its place
    r"def bootstrap\b|np\.quantile\([^)]*\blevel/2": "stats",
    r"def \w*jackknife\w*": "stats",
    r"svdvals|sqrtm": "metrics",  # Frechet distance
    r"FlopCounterMode\(": "cost",  # operations
    # labels
    r"[\"'](FID|Top-\d|Matching|Diversity|MultiModality|MPJPE mm|Jerk distance|Bones vary, %)( [↓↑→])?[\"']": "paper.artefacts",
}

SIBLINGS = {"bandai", "synthetic"}  # makers of corpora: the same functions, each of its own corpus

def public(source: str) -> dict[str, str]:
    "Name -> body of the public functions and classes at the top of a module; documentation does not count."
    found = {}
    for node in ast.parse(source).body:
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)) or node.name.startswith("_"): continue
        aside = ("patch", "command(")  # methods; words of the command line
        if any(d.startswith(aside) for d in map(ast.unparse, node.decorator_list)): continue
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        found[node.name] = "\n".join(map(ast.dump, body))
    return found

def paper_code() -> dict[str, str]:
    "The code of the paper's notebooks."
    cells = lambda p: [c for c in json.loads(p.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
    return {p.stem: "\n".join("".join(c["source"]) for c in cells(p)) for p in sorted((PROJECT/"nbs/paper").glob("*.ipynb"))}

def twice(sources: dict[str, str]) -> dict[str, list[str]]:
    "Public names that stand for different things, with their modules."
    where, bodies = defaultdict(list), defaultdict(set)
    for module, source in sources.items():
        for name, body in public(source).items():
            where[name].append(module)
            bodies[name].add(body)
    differ = [name for name in where if len(bodies[name]) > 1 and name != "main"]
    return {name: where[name] for name in differ if not set(where[name]) <= SIBLINGS}

def test_the_search_finds_what_it_looks_for():
    assert twice({"a": "def f():\n    'one'\n    return 1", "b": "def f(): return 2", "c": "def g(): return 2"}) == {"f": ["a", "b"]}
    assert not twice({"a": "def f():\n    'one'\n    return 1", "b": "def f(): return 1", "c": "def _f(): return 2"})
    seen = {"half = 1.96*v.std()", "import student_t", "def bootstrap(v):", "d = torch.linalg.svdvals(x)", '{"fid": ("FID ↓", 3)}'}
    assert all(any(re.search(p, line) for p in HOME) for line in seen)

def test_no_public_name_means_two_things():
    assert twice(MODULES) == {}

@pytest.mark.parametrize("pattern", HOME, ids=HOME.values())
def test_computed_in_one_module(pattern):
    holders = {name for name, source in MODULES.items() if re.search(pattern, source)}
    assert holders == {HOME[pattern]}
    plain = {"benchmark_evaluation"} if HOME[pattern] == "metrics" else set()  # holds the package against a plain protocol
    words = lambda name: name.startswith("text_")  # words of the article ask for a table's columns by their headings
    assert {name for name, source in paper_code().items() if re.search(pattern, source) and not words(name)} <= plain
