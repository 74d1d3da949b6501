"""The article from the committed records: the same bytes each time, every number tied to its record, nothing fetched."""
import json
import re
import shutil
from pathlib import Path

import pytest

from fsq_mardm.config import ConfigError, DataError, file_fingerprint
from fsq_mardm.paper.article import SECTIONS, build_article

PROJECT = Path(__file__).resolve().parent.parent
TEXTS = PROJECT/"nbs/paper"

def build(tables, out): return build_article(tables, PROJECT/"figures", TEXTS, PROJECT/"nbs/references.bib", out)

@pytest.fixture(scope="module")
def made(tmp_path_factory):
    "The folder of a making."
    out = tmp_path_factory.mktemp("article")
    build(PROJECT/"tables", out)
    return out

def test_committed_one_is_what_the_records_make(made):
    "To the byte: another making gives the same file."
    for name in ("article.pdf", "article.html"):
        assert (PROJECT/"figures"/name).read_bytes() == (made/name).read_bytes(), "run `make article`"

def test_page_is_whole(made):
    page = (made/"article.html").read_text(encoding="utf-8")
    titles = ("Abstract", "Introduction", "Related work", "Method", "Experiments", "Discussion", "Limits")
    places = [page.index(f">{title}<") for title in titles]
    assert places == sorted(places) and page.index('id="references"') < page.index('id="appendix"')
    assert not re.search(r"\[@|\ue000|\ue002|<script|(?:src|<link[^>]*href)=\"(?!data:)", page)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(re.findall(r'id="([^"]+)"', page))
    assert (made/"article.pdf").read_bytes().startswith(b"%PDF")

@pytest.fixture
def tables(tmp_path): return Path(shutil.copytree(PROJECT/"tables", tmp_path/"tables"))

def test_one_digit_of_one_record_names_the_sentence(tables, tmp_path):
    path = min(tables.glob("records/evaluation_mardm.FSQ_MARDM-seed*.json"))
    record = json.loads(path.read_text())
    record["metrics"]["fid"] += 1e-4
    path.write_text(json.dumps(record))
    with pytest.raises(DataError, match=rf"“[^”]*FID of generated motion[^”]*”.*{re.escape(path.name)}"): build(tables, tmp_path/"out")
    assert not (tmp_path/"out").exists()

def test_table_that_does_not_match_its_records(tables, tmp_path):
    table, source = tables/"table_2.csv", tables/"table_2.provenance.json"
    head, *rows = table.read_text().splitlines()
    column = head.split(",").index("fid")
    cells = next(r for r in rows if r.startswith("FSQ,")).split(",")
    rows = [",".join([*cells[:column], str(float(cells[column]) + 1), *cells[column + 1:]]) if r.startswith("FSQ,") else r for r in rows]
    table.write_text("\n".join([head, *rows]) + "\n")
    with pytest.raises(DataError, match="which is not what its records make"): build(tables, tmp_path/"out")
    shutil.copyfile(PROJECT/"tables/table_2.csv", table)
    said = json.loads(source.read_text())
    (tables/"table_2.md").write_text("| Bottleneck |\n|:--|\n| x |\n\nWords.\n")
    with pytest.raises((DataError, ConfigError), match="table_2|columns"): build(tables, tmp_path/"out")
    assert said["parts"][".md"] != file_fingerprint(tables/"table_2.md")

def test_a_key_that_is_not_there(tables, tmp_path):
    table = tables/"table_2.csv"
    table.write_text(table.read_text().replace("Real,", "Unreal,"))
    with pytest.raises(ConfigError, match="“[^”]*two halves of its real test motion[^”]*”: row 'Real'"): build(tables, tmp_path/"out")

@pytest.mark.parametrize("name", SECTIONS)
def test_no_measured_number_is_typed(name):
    "Markdown of the text holds no decimal, no interval and no percentage: those come from records."
    cells = json.loads((TEXTS/f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    words = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    words = re.sub(r"\$[^$]*\$|`[^`]*`|\([^()]*\]\(#\w+\)[^()]*\)", "", words)
    assert not (found := re.findall(r"\d+\.\d+|±|\d+ ?%", words)), found
