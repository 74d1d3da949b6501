"""The command as its users meet it: another process, exit codes, one-line errors, nothing half-written."""
import json, os, subprocess, sys, tempfile
from pathlib import Path

import forked
import numpy as np
import pytest

from fsq_mardm import cli
from fsq_mardm.config import DataError
from fsq_mardm.notebooks import notebook_parameters
from fsq_mardm.pipeline import plan_samples
from fsq_mardm.skeleton import HUMANML3D
from fsq_mardm.synthetic import make_synthetic
from fsq_mardm.viewer import save_motions

PROJECT = Path(__file__).resolve().parent.parent
STAGES = {"train-evaluator": "train_evaluator", "train-ae": "train_ae", "train-mardm": "train_mardm", "evaluate ae": "evaluation_ae", "evaluate mardm": "evaluation_mardm"}

def test_help_needs_no_heavy_module():
    code = "import sys, fsq_mardm.cli as c\ntry: c.main(['sample', '--help'])\nexcept SystemExit as e: assert not e.code\nassert not {'torch', 'numpy', 'matplotlib', 'papermill'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--hard_pseudo_reorder" in done.stdout and "(default: 18)" in done.stdout

@pytest.mark.parametrize("words, stage", STAGES.items())
def test_stage_options_are_the_notebooks_parameters(words, stage, monkeypatch):
    monkeypatch.chdir(PROJECT)
    parser, known = cli.parser_for(words.split()), notebook_parameters(f"nbs/paper/{stage}.ipynb")
    given = vars(parser.parse_args(words.split()))
    assert set(known) <= set(given)
    assert {k: repr(given[k]) for k in known} == {k: repr(eval(v["default"])) for k, v in known.items()}

@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_synthetic(tmp_path_factory.mktemp("data")/"synthetic", n_clips=20, seed=0)

def test_check_finds_what_is_wrong(corpus):
    assert forked.command("data", "check", corpus).returncode == 0
    next((corpus/"texts").glob("*.txt")).unlink()
    done = forked.command("data", "check", corpus, "--json")
    assert done.returncode == 1 and [p["kind"] for p in json.loads(done.stdout)["problems"]] == ["missing"]

@pytest.mark.parametrize("words, says", [
    (["sample", "--text_prompt", "a walk", "--name", "mine"], "expected --ae_name to be a trained run"),
    (["demo", "--recipe", "box", "--methods", "AE"], "found 'AE', expected some of FSQ"),
    (["sample", "--text_prompt", ""], "the text is empty"),
    (["sample", "--text_prompt", "a walk", "--motion_length", "7"], "found '7', expected 8 to 24000 frames"),
    (["sample", "--text_prompt", "a walk", "--motion_length", "24001"], "found '24001', expected 8 to 24000 frames"),
    (["sample", "--text_prompt", "a walk", "--formats", "gif"], "found 'gif', expected some of npy,mp4,bvh,html,npz,glb"),
    (["edit", "--source_motion", "x.npy", "--text_prompt", "a walk", "--mask_edit_section", "40"], "found '40', expected START,END"),
    (["demo", "--methods", "FSK"], "found 'FSK', expected some of AE, VQ, FSQ"),
    (["sample", "--text_prompt", "a walk", "--seed", "-1"], "expected an integer from 0 to"),
    (["sample", "--text_prompt", "a walk", "--repeat_times", "0"], "expected an integer of at least 1"),
    (["sample", "--text_prompt", "a walk", "--temperature", "-0.1"], "expected a number of at least 0"),
    (["sample", "--text_prompt", "a walk", "--name", "../x"], "--name: found '../x'"),
    (["sample", "--text_prompt", "word "*1600], "a text of 7999 characters"),
    (["sample", "--text_path", "a\x1b[31m\nb"], "a\\x1b[31m\\nb: cannot be read"),
    (["paper", "--seeds", "0 1"], "seeds: found '0 1', expected whole numbers"),
    (["notebook", "x.ipynb", "y.ipynb", "[1]"], "expected a JSON object"),
    (["notebook", "x.ipynb", "y.ipynb", "null"], "expected a JSON object"),
    (["notebook", "x.ipynb", "y.ipynb", "["*100_000], "expected a JSON object"),
    (["sample", "--text_path", "absent.txt"], "absent.txt: cannot be read"),
    (["edit", "--text_prompt", "a walk"], "--source_motion"),
    (["train-ae"], "expected to be run in the project's folder"),
    (["paper"], "expected to be run in the project's folder"),
    (["data", "synthesize", "x", "--n-clips", "0"], "expected an integer of at least 1"),
    (["data", "import-bvh", "absent", "x"], "absent: missing"),
    (["data", "check", "absent"], "absent: no such folder"),
    (["train-length", "--dataset_name", "amass"], "'amass' is unknown")], ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_a_mistake_is_one_line_and_leaves_nothing(words, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try: code = cli.main(words)
    except SystemExit as e: code = e.code
    out, err = capsys.readouterr()
    assert code == 2 and out == ""
    assert err.startswith("error: ") and err.count("\n") == 1 and says in err, err
    assert not list(tmp_path.iterdir())

def test_exit_code_of_the_process():
    done = subprocess.run([sys.executable, "-m", "fsq_mardm.cli", "trace", "x.csv"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1

def test_model_that_is_not_there(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["sample", "--text_prompt", "a walk", "--dataset_name", "kit"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: checkpoints/kit/FSQ_AE_High: missing") and err.count("\n") == 1
    assert not list(tmp_path.iterdir())

def test_read_only_folder(capsys):
    "Also as root, who may write anywhere: the command runs under the rights of nobody."
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        try:
            if root: os.seteuid(65534)
            codes = [cli.main([*words, "--out", f"{folder}/out"]) for words in (["sample", "--text_prompt", "a walk"], ["demo"],
                     ["edit", "--source_motion", "x.npy", "--task", "prefix", "--text_prompt", "a walk"])]
        finally:
            if root: os.seteuid(0)
        out, err = capsys.readouterr()
        assert codes == [2, 2, 2] and out == "" and err.count("\n") == err.count("cannot be written (Permission denied)") == 3, err
        assert not os.listdir(folder)
        os.chmod(folder, 0o755)

def clip(frames=12):
    golden = np.load(PROJECT/"nbs/golden/representation_procedural_1.npz")
    return next(v for v in golden.values() if v.ndim == 3 and v.shape[1:] == (22, 3))[:frames]

def test_a_motion_that_cannot_be_written_costs_the_others_nothing(tmp_path, monkeypatch):
    def broken(*args, **kwargs): raise DataError("viewer: broken, expected a page")
    samples = plan_samples([("a: walk/run?", 12)], 2, seed=0)
    files, failed = save_motions(tmp_path/"good", samples, [clip()]*2, HUMANML3D, 20.)
    assert not failed and sorted({p for f in files for p in f.values()}) == sorted(map(str, (tmp_path/"good").iterdir()))
    assert all(set(p.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.") for p in (tmp_path/"good").iterdir())
    monkeypatch.setattr("fsq_mardm.viewer.save_mp4", broken)
    files, failed = save_motions(tmp_path/"bad", samples[:1], [clip()], HUMANML3D, 20.)
    assert len(failed) == 1 and files == [{}] and not list((tmp_path/"bad").glob(".*"))

def test_viewer_page_needs_no_network(tmp_path):
    files, _ = save_motions(tmp_path, plan_samples([("<script>alert(1)</script>", 12)], 1, seed=0), [clip()], HUMANML3D, 20.)
    page = Path(files[0]["html"]).read_text()
    assert len(page) < 5e6 and "http:" not in page and "https:" not in page and "<script>alert" not in page and "default-src 'none'" in page

def test_a_full_disk_names_file_and_cause(tmp_path):
    "A limit on the size of a file stands in for a disk without room."
    import resource
    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        return cli.main(["data", "synthesize", str(tmp_path/"made"), "--n-clips", "4"])
    done = forked.in_copy(limited)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and str(tmp_path/"made") in done.stderr and "No space left on device" in done.stderr, done.stderr
    assert not list(tmp_path.iterdir())
