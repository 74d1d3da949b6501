"""HumanML3D, KIT-ML and what others publish, by stand-ins: the authors' models by one command, and the paper's graph to its tables."""
import json, os, shutil, subprocess, sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from fsq_mardm.corpora import open_corpus
from fsq_mardm.paper.records import read_record
from standin import FOLDERS, make_corpus, make_published

PROJECT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONHASHSEED": "0"}

@pytest.fixture(scope="module", params=["t2m", "kit"])
def place(request, tmp_path_factory):
    "A corpus and what others publish for it: (name, folder)."
    folder = tmp_path_factory.mktemp(request.param)
    make_published(folder/"published", make_corpus(folder/"datasets", request.param), request.param)
    return request.param, folder

def run(*words, cwd=PROJECT, **more):
    done = subprocess.run([sys.executable, "-m", "fsq_mardm.cli", *map(str, words)], cwd=cwd, env={**ENVIRONMENT, **more}, capture_output=True, text=True, timeout=1500)
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
    assert len(found) == 2 and all(np.isfinite(f).all() and f.shape[1:] == ({"t2m": 22, "kit": 21}[name], 3) for f in found) and len(found[0]) == 40

def test_the_authors_row_by_one_command(place, tmp_path):
    name, folder = place
    run("evaluate", "mardm", *models(folder, name, "MARDM_DDPM_XL"), "--ae_model", "AE_Model", "--model", "MARDM-DDPM-XL", "--solver", "ancestral", "--evaluator", "text_mot_match",
        "--contrast", "text_mot_match_clip", "--dataset_dir", folder/"datasets", "--records_dir", tmp_path, "--repeats", 1, "--time_steps", 2, "--solver_steps", 2, "--method", "MARDM")
    record = read_record(tmp_path/"evaluation_mardm.MARDM_DDPM_XL.json")
    assert {f"published {name}/{n}" for n in ("MARDM_DDPM_XL", "AE", "text_mot_match", "text_mot_match_clip")} <= set(record["reads"])
    assert record["metrics"]["fid"] > 0 and "clip_score" in record["metrics"]

SMALL = ["table_1", "table_2", "table_5"]  # what is made of the graph unless FSQ_MARDM_WHOLE asks for all of it

def small_project(folder):
    "The project with the preset `paper` at one step a stage and small networks."
    for part in ("nbs", "fsq_mardm", "tables", "figures"): (folder/part).symlink_to(PROJECT/part)
    shutil.copytree(PROJECT/"workflow", folder/"workflow")
    read = lambda preset: yaml.safe_load((folder/f"workflow/presets/{preset}.yaml").read_text())
    paper, smoke = read("paper"), read("smoke")
    paper.update(seeds=[3407], sizes=smoke["sizes"], methods=smoke["methods"])
    trained = ("train_evaluator", "train_contrast", "train_ae", "train_mardm")
    own = {stage: {**({} if stage in trained else smoke["stages"][stage]), **(paper["stages"].get(stage) or {})} for stage in smoke["stages"]}
    for stage in trained: own[stage] |= {"steps": 1, "batch_size": 8, "save_every": 1}
    own["train_evaluator"]["size"], own["train_mardm"]["time_steps"] = "tiny", 2
    own["evaluation_mardm"] |= {"repeats": 1, "mm_captions": 2, "mm_generations": 10, "time_steps": 2, "solver_steps": 1}
    own["prepare_data"].pop("n_clips", None)
    paper["only_for"]["kit"] = {"evaluation_mardm": paper["only_for"]["kit"]["evaluation_mardm"]}  # the other settings are sizes
    (folder/"workflow/presets/paper.yaml").write_text(yaml.safe_dump({**paper, "stages": own}))

def test_the_papers_graph(place, tmp_path):
    name, folder = place
    small_project(tmp_path)
    whole = os.environ.get("FSQ_MARDM_WHOLE") == "1"
    targets = [] if whole else [f"runs/paper-{name}/notebooks/{t}.ipynb" for t in SMALL]
    settings = {"preset": "paper", "corpus": name, "source": str(folder/"datasets"/FOLDERS[name]), "seeds": "", "published": str(folder/"published")}
    command = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile", "--cores", "1", "--quiet", "rules", "--nolock", *targets]
    done = subprocess.run(command, cwd=tmp_path, env={**ENVIRONMENT, "FSQ_MARDM_PAPER": json.dumps(settings)}, capture_output=True, text=True, timeout=3000)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    made = tmp_path/f"runs/paper-{name}"
    rulers = {n: read_record(made/f"records/train_{k}.{n}.json") for k, n in (("evaluator", "evaluator"), ("evaluator", "evaluator_standard"), ("contrast", "contrast"))}
    assert {r["labels"]["published"] for r in rulers.values()} == {name}
    generator = read_record(made/"records/train_mardm.FSQ_MARDM-seed3407.json")
    assert generator["reads"]["text encoder"].startswith("clip-") and generator["made_by"]["parameters"]["text_encoder"] == "clip"
    for protocol, ruler in (("", "evaluator"), ("_standard", "evaluator_standard")):
        record = read_record(made/f"records/evaluation_mardm{protocol}.FSQ_MARDM-seed3407.json")
        assert record["evaluator"] == rulers[ruler]["labels"]["evaluator"]
    judged = {h["id"]: h for h in json.loads((made/"tables/table_5.json").read_text())["hypotheses"] if h["family"] == "published"}
    assert (judged["generation-vq-fid"]["verdict"] != "not measured") == (name == "t2m"), judged
    assert (made/"tables/table_2.csv").is_file()
