"""The figures that say how readable the notebooks are: `make count`."""
import ast
import json
import statistics
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent

def cells(notebook: Path) -> list[dict]:
    "The code cells of a notebook."
    return [c for c in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]

def exported(cell: dict) -> list[str]:
    "Lines of a cell that goes into the package, directives and blank ends left out; none for other cells."
    lines = "".join(cell["source"]).splitlines()
    if not any(line.startswith(("#| export", "#|export")) for line in lines): return []
    return "\n".join(line for line in lines if not line.startswith("#|")).strip().splitlines()

def compounds(source: str) -> int:
    "Statements that share a line with the one that holds them, or with the one before."
    count = 0
    for node in ast.walk(ast.parse(source)):
        bodies = [b for name in ("body", "orelse", "finalbody") if isinstance(b := getattr(node, name, None), list) and b]
        for body in bodies:
            if not isinstance(node, ast.Module) and hasattr(node, "lineno") and body[0].lineno == node.lineno: count += 1
            count += sum(a.end_lineno == b.lineno for a, b in zip(body, body[1:]))
    return count

def shows(notebook: Path) -> bool:
    "Whether a page shows an output, kept in the notebook."
    return any(c["outputs"] for c in cells(notebook))

def main() -> None:
    definitions = sorted(PROJECT.glob("nbs/*.ipynb"))
    lengths = [len(lines) for n in definitions for c in cells(n) if (lines := exported(c))]
    modules = [p.read_text(encoding="utf-8") for p in sorted((PROJECT/"fsq_mardm").rglob("*.py")) if p.name != "_modidx.py"]
    pages = [n for n in sorted(PROJECT.glob("nbs/**/*.ipynb")) if n.parent.name != "explore"]
    figures = {
        "exported cells": len(lengths),
        "median lines of an exported cell": statistics.median(lengths),
        "exported cells over 25 lines": sum(n > 25 for n in lengths),
        "lines of the package over 140 columns": sum(len(line) > 140 for m in modules for line in m.splitlines()),
        "one-line compounds in the package": sum(map(compounds, modules)),
        "definition notebooks": len(definitions),
        "definition notebooks without an output": sum(not shows(n) for n in definitions),
        "paper notebooks without an output": sum(not shows(n) for n in pages if n.parent.name == "paper"),
    }
    for name, value in figures.items(): print(f"{value:8} {name}")

if __name__ == "__main__": main()
