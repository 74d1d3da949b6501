"""Tables, figures and ledger from the committed records; every number traced to its corpus and evaluator."""
import json, shutil
from pathlib import Path

import matplotlib
import pandas as pd
import pytest

matplotlib.use("agg")
from fsq_mardm.config import ConfigError
from fsq_mardm.paper.artefacts import PROVENANCE, artefact_files, remake, show_tables
from fsq_mardm.paper.records import chain, trace_number
from fsq_mardm.paths import record_paths

PROJECT = Path(__file__).resolve().parent.parent
RECORDS = PROJECT/"tables/records"
TABLES = sorted(PROJECT.glob("tables/*.csv"))

@pytest.fixture(scope="module")
def again(tmp_path_factory):
    "Everything made again into a folder: the folder, and the notebooks that were left."
    out = tmp_path_factory.mktemp("again")
    _, left = remake(out, PROJECT, say=lambda text: None)
    return out, left

def test_equal_to_the_byte(again):
    out, left = again
    compared = 0
    for kind in ("tables", "figures"):
        for stem, files in artefact_files(PROJECT/kind).items():
            source = json.loads(files[-1].read_text())
            if source["settings"]["notebook"] in left: continue
            for path in files:
                new = out/kind/path.name
                if path.name.endswith(PROVENANCE): assert json.loads(new.read_text())["reads"] == source["reads"], path
                else: assert new.read_bytes() == path.read_bytes(), f"{path} is not what the records make"
                compared += 1
    assert compared > 40

def test_notebooks_show_the_tables_that_stand(tmp_path):
    for part in ("tables", "nbs/paper"): shutil.copytree(PROJECT/part, tmp_path/part)
    assert show_tables(tmp_path) == [], "run `make tables`"

def test_what_cannot_be_made_says_why(again):
    for notebook, why in again[1].items():
        assert why in ("draws from weights and data", "made of tables and figures by make article"), (notebook, why)

def test_each_record_once_and_used():
    "No artefact repeats a record, each record is behind an artefact, and all JSON together is small."
    used = {}
    for kind in ("tables", "figures"):
        for files in artefact_files(PROJECT/kind).values():
            source = json.loads(files[-1].read_text())
            assert set(source) == {"settings", "commit", "dirty", "reads", "parts"}
            chain(RECORDS, source["reads"], used)
    assert {p.name for p in record_paths(RECORDS)} == {n for n, found in used.items() if "record" in found}
    assert sum(p.stat().st_size for kind in ("tables", "figures") for p in (PROJECT/kind).rglob("*.json")) < 3e6

@pytest.mark.parametrize("table", TABLES, ids=lambda p: p.stem)
def test_a_cell_of_every_table_is_traced(table):
    "The first cell with a number and an unambiguous row names the corpus, and an evaluator wherever one was used."
    numbers = pd.read_csv(table)
    column = next(c for c in numbers.columns if c not in ("n", "seed", "seeds", "threshold") and pd.api.types.is_numeric_dtype(numbers[c]) and numbers[c].notna().any())
    trace = None
    for _, row in numbers[numbers[column].notna()].iloc[::-1].iterrows():
        texts = [str(v) for v in row.iloc[:8] if pd.notna(v) and "/" not in str(v)]
        for name in ("/".join(texts[:k]) for k in range(1, len(texts) + 1)):
            try: trace = trace_number(table, name, column)
            except ConfigError as e: assert "found in" in str(e) or "no record behind this row" in str(e), e
            if trace and trace["records"]: break
        if trace and trace["records"]: break
    assert trace and trace["records"], f"{table.name}: no row could be traced"
    names = set(trace["built_on"]) | {r["record"] for r in trace["records"]}
    assert any(n.startswith("corpus ") for n in names), names
    judged = [r for r in trace["records"] if r["record"].startswith(("evaluation_ae", "evaluation_mardm", "evaluation_real", "evaluation_sanity", "benchmark_sampler"))]
    assert not judged or any(n.startswith("train_evaluator") for n in names), names
