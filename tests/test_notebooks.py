"""Every definition notebook runs, is clean, and is what the package holds."""
import filecmp, shutil, subprocess, sys
from pathlib import Path

import forked, nbformat, pytest

PROJECT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted(PROJECT.glob("nbs/**/*.ipynb"))
DEFINITIONS = [n for n in NOTEBOOKS if n.parent.name == "nbs"]
name = lambda n: str(n.relative_to(PROJECT))

@pytest.fixture(scope="module")
def imported():
    forked.import_all()

@pytest.mark.parametrize("notebook", DEFINITIONS, ids=name)
def test_definition_notebook_runs(notebook, imported):
    done = forked.notebook(notebook)
    assert done.returncode == 0, done.stdout + done.stderr

@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=name)
def test_notebook_is_clean(notebook):
    content = nbformat.read(notebook, 4)
    nbformat.validate(content)
    ids = [c["id"] for c in content.cells]
    assert len(set(ids)) == len(ids) and content.nbformat_minor >= 5
    for cell in content.cells:
        assert set(cell.metadata) <= {"tags"}, f"cell {cell['id']}: metadata {set(cell.metadata)}"
        if cell.cell_type == "code":
            assert cell.execution_count is None, f"cell {cell['id']} keeps an execution count"
            assert all(o.output_type not in ("error",) for o in cell.outputs), f"cell {cell['id']} keeps an error"

@pytest.mark.parametrize("notebook", [n for n in NOTEBOOKS if n.parent.name == "paper"], ids=name)
def test_paper_notebook_declares_parameters(notebook):
    assert any("parameters" in c.metadata.get("tags", []) for c in nbformat.read(notebook, 4).cells)

def test_package_is_what_the_notebooks_export(tmp_path):
    settings = (PROJECT/"settings.ini", PROJECT/"pyproject.toml")
    for source in (*(PROJECT/"nbs").glob("*.ipynb"), *(PROJECT/"fsq_mardm").rglob("*.py"), *settings):
        target = tmp_path/source.relative_to(PROJECT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    done = subprocess.run([str(Path(sys.executable).parent/"nbdev_export")], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = lambda root: sorted(str(p.relative_to(root)) for p in (root/"fsq_mardm").rglob("*.py") if p.name != "_modidx.py")
    modules = [p.removeprefix("fsq_mardm/") for p in found(PROJECT)]
    assert found(PROJECT) == found(tmp_path)
    _, different, missing = filecmp.cmpfiles(PROJECT/"fsq_mardm", tmp_path/"fsq_mardm", modules, shallow=False)
    assert not different and not missing, f"out of step with nbs/: {different + missing}; run nbdev_export"

def test_readme_is_what_the_index_says():
    from fsq_mardm.notebooks import notebook_map, readme
    assert (PROJECT/"README.md").read_text(encoding="utf-8") == readme(PROJECT/"nbs/index.ipynb"), "run `make readme`"
    assert (PROJECT/"nbs/README.md").read_text(encoding="utf-8") == notebook_map(PROJECT/"nbs"), "run `make readme`"
