"""HumanML3D, KIT-ML and what others publish, by stand-ins: the authors' models by one command, and the paper's graph to its tables."""
import json, os, shutil, subprocess, sys
from pathlib import Path

import forked
import numpy as np
import pytest
import yaml

from fsq_mardm.corpora import open_corpus
from fsq_mardm.paper.claims import ledger, load_hypotheses
from fsq_mardm.paper.records import load_records, read_record
from standin import FOLDERS, make_corpus, make_published, teach

PROJECT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONHASHSEED": "0"}

@pytest.fixture(scope="module", params=["t2m", "kit"])
def place(request, tmp_path_factory):
    "A corpus and what others publish for it: (name, folder)."
    folder = tmp_path_factory.mktemp(request.param)
    make_published(folder/"published", make_corpus(folder/"datasets", request.param), request.param)
    return request.param, folder

def run(*words):
    done = forked.command(*words, cwd=PROJECT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

def test_the_corpus_loads_as_published(place):
    name, folder = place
    corpus = open_corpus(name, folder/"datasets")
    assert (len(corpus.mean), corpus.fps) == {"t2m": (263, 20.), "kit": (251, 12.5)}[name]
    train = corpus.split("train")
    assert any(i.startswith("M") for i in train.clip_ids) and any("@" in i for i in train.ids)  # twins, and parts of clips

def models(folder, name, generator):
    "Options that name the authors' models in their clone."
    return ["--checkpoints_dir", folder/"published/MARDM/checkpoints", "--dataset_name", name, "--name", generator, "--ae_name", "AE"]

def test_the_authors_models_sample_by_one_command(place, tmp_path):
    name, folder = place
    (tmp_path/"texts").write_text("a person walks#40\na person runs#NA\n")
    made = run("sample", "--text_path", tmp_path/"texts", *models(folder, name, "MARDM_SiT_XL"), "--formats", "npy", "--time_steps", 3,
               "--solver_steps", 2, "--out", tmp_path/"made", "--json")
    found = [np.load(f) for m in json.loads(made)["motions"] for f in m["files"].values()]
    assert len(found) == 2 and len(found[0]) == 40 and all(np.isfinite(f).all() for f in found)
    assert {f.shape[1:] for f in found} == {({"t2m": 22, "kit": 21}[name], 3)}

def test_the_authors_row_by_one_command(place, tmp_path):
    name, folder = place
    run("evaluate", "mardm", *models(folder, name, "MARDM_DDPM_XL"), "--ae_model", "AE_Model", "--model", "MARDM-DDPM-XL",
        "--solver", "ancestral", "--evaluator", "text_mot_match", "--contrast", "text_mot_match_clip", "--dataset_dir", folder/"datasets",
        "--records_dir", tmp_path, "--repeats", 1, "--time_steps", 2, "--solver_steps", 2, "--method", "MARDM")
    record = read_record(tmp_path/"evaluation_mardm.MARDM_DDPM_XL.json")
    assert {f"published {name}/{n}" for n in ("MARDM_DDPM_XL", "AE", "text_mot_match", "text_mot_match_clip")} <= set(record["reads"])
    assert record["metrics"]["fid"] > 0 and "clip_score" in record["metrics"]

WHOLE = os.environ.get("FSQ_MARDM_WHOLE") == "1"  # every table and figure, for both corpora: half an hour on one core

def small_project(folder):
    "The project with the preset `paper` at two steps a stage, the fewest from which a curve can be told, and small networks."
    for part in ("nbs", "fsq_mardm", "tables", "figures"): (folder/part).symlink_to(PROJECT/part)
    shutil.copytree(PROJECT/"workflow", folder/"workflow")
    read = lambda preset: yaml.safe_load((folder/f"workflow/presets/{preset}.yaml").read_text())
    paper, smoke, trained = read("paper"), read("smoke"), ("train_evaluator", "train_contrast", "train_ae", "train_mardm")
    paper.update(seeds=[3407], sizes=smoke["sizes"], methods=["AE", "VQ", "FSQ"] if WHOLE else ["VQ", "FSQ"])
    stages = paper["stages"] = {**{k: v for k, v in smoke["stages"].items() if k not in trained}, **paper["stages"]}
    for stage in trained: stages[stage] = {**(stages.get(stage) or {}), "steps": 2, "batch_size": 8, "save_every": 2}
    stages["train_evaluator"]["size"], stages["train_mardm"]["time_steps"] = "tiny", 2
    stages["evaluation_mardm"] |= {"repeats": 1, "mm_captions": 2, "mm_generations": 10, "time_steps": 2, "solver_steps": 1}
    stages["prepare_data"].pop("n_clips", None)
    paper["only_for"]["kit"] = {"evaluation_mardm": {"cfg": 2.5}}  # the other settings are sizes
    (folder/"workflow/presets/paper.yaml").write_text(yaml.safe_dump(paper))

PART = {"t2m": ["table_2"], "kit": ["evaluation_real", "train_mardm.FSQ.3407"]}  # and what leads there: all of KIT-ML but generation

def make_graph(folder, name, source, published):
    "Run the graph in `folder`: all of it, or a part."
    targets = () if WHOLE else ("--", *(f"runs/paper-{name}/notebooks/{node}.ipynb" for node in PART[name]))
    call = (f"from fsq_mardm.workflow import PaperSettings, run_graph; import sys; "
            f"sys.exit(run_graph(PaperSettings('paper', {name!r}, {str(source)!r}, '', {str(published)!r}), '.', 1, more={targets!r}))")
    done = subprocess.run([sys.executable, "-c", call], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=3000)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return folder/f"runs/paper-{name}"

def test_the_papers_graph(place, tmp_path):
    name, folder = place
    if not WHOLE and not os.environ.get("CI"):
        pytest.skip("minutes; HumanML3D's to Table 2 and KIT-ML's to a generator in CI, both whole with FSQ_MARDM_WHOLE=1")
    if WHOLE or name == "t2m": teach(folder/"published", folder/"datasets"/FOLDERS[name], name)
    small_project(tmp_path)
    made = make_graph(tmp_path, name, folder/"datasets"/FOLDERS[name], folder/"published")
    nodes = {"evaluator": "train_evaluator", "evaluator_standard": "train_evaluator", "contrast": "train_contrast"}
    rulers = {n: read_record(made/f"records/{kind}.{n}.json") for n, kind in nodes.items()}
    assert {r["labels"]["published"] for r in rulers.values()} == {name}
    generator = read_record(made/"records/train_mardm.FSQ_MARDM-seed3407.json")
    assert generator["reads"]["text encoder"].startswith("clip-") and generator["made_by"]["parameters"]["text_encoder"] == "clip"
    for protocol, ruler in (("", "evaluator"), ("_standard", "evaluator_standard")):
        real = read_record(made/f"records/evaluation_real.real{protocol}.json")
        assert real["labels"]["evaluator"] == rulers[ruler]["labels"]["evaluator"] and real["metrics"]["fid"] > 0
    if not WHOLE and name == "kit": return  # its generation is that of the validation
    for protocol, ruler in (("", "evaluator"), ("_standard", "evaluator_standard")):
        record = read_record(made/f"records/evaluation_mardm{protocol}.VQ_MARDM-seed3407.json")
        assert record["evaluator"] == rulers[ruler]["labels"]["evaluator"]
    assert "VQ" in (made/"tables/table_2.md").read_text()
    asked = [h for h in load_hypotheses(PROJECT/"nbs/paper/claims.yaml") if h.family == "published"]
    rows = ledger(asked, load_records(made/"records"), name).set_index("id")
    assert (rows.verdict["generation-vq-fid"] != "not measured") == (name == "t2m"), rows
