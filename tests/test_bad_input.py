"""Bad input is one line that names the file or field and what was expected, and leaves nothing half-written."""
import re, shutil
from pathlib import Path

import numpy as np
import pytest

from fsq_mardm.autoencoder import build_autoencoder
from fsq_mardm.bvh import read_bvh, write_bvh
from fsq_mardm.config import FsqMardmError
from fsq_mardm.corpora import open_corpus
from fsq_mardm.mardm import build_mardm
from fsq_mardm.corpora import prepare_corpus
from fsq_mardm.skeleton import HUMANML3D
from fsq_mardm.synthetic import make_synthetic

@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    "A small corpus that is never changed."
    folder = tmp_path_factory.mktemp("pristine")
    make_synthetic(folder/"synthetic", n_clips=24, seed=0)
    return folder

@pytest.fixture
def corpus(pristine, tmp_path):
    "A copy to damage, without its packed cache."
    shutil.copytree(pristine/"synthetic", tmp_path/"synthetic", ignore=shutil.ignore_patterns(".packed"))
    return tmp_path/"synthetic"

def one_line(error, *parts):
    text = str(error.value)
    assert "\n" not in text and "expected" in text, text
    for part in parts: assert part in text, f"{part!r} not in {text!r}"

def first(corpus, folder, ending):
    return sorted((corpus/folder).glob(f"*.{ending}"))[0]

def nothing_packed(corpus): return not list((corpus/".packed").glob("*")) if (corpus/".packed").exists() else True

def damage_missing(corpus):
    path = first(corpus, "new_joint_vecs", "npy"); path.unlink(); return path.name

def damage_nan(corpus):
    path = first(corpus, "new_joint_vecs", "npy"); x = np.load(path); x[3, 5] = np.nan; np.save(path, x); return path.name

def damage_width(corpus):
    path = first(corpus, "new_joint_vecs", "npy"); np.save(path, np.load(path)[:, :100]); return path.name

def damage_truncated(corpus):
    path = first(corpus, "new_joint_vecs", "npy"); path.write_bytes(path.read_bytes()[:-7]); return path.name

def damage_caption(corpus):
    path = first(corpus, "texts", "txt"); path.write_text("a line without fields\n"); return f"{path.name}:1"

def damage_statistics(corpus):
    np.save(corpus/"Mean.npy", np.zeros(10, np.float32)); return "Mean.npy"

@pytest.mark.parametrize("damage", [damage_missing, damage_nan, damage_width, damage_truncated, damage_caption, damage_statistics])
def test_damaged_corpus(corpus, damage):
    name = damage(corpus)
    with pytest.raises(FsqMardmError) as error: open_corpus("synthetic", corpus.parent)
    one_line(error, name)
    assert nothing_packed(corpus)

@pytest.fixture(scope="module")
def bvh(tmp_path_factory):
    path = tmp_path_factory.mktemp("bvh")/"walk.bvh"
    joints = np.random.default_rng(0).normal(size=(1, 22, 3)) + np.linspace(0, 1, 12)[:, None, None]
    return write_bvh(path, joints, HUMANML3D, 20)

@pytest.mark.parametrize("change", [
    lambda text: text[:len(text)//2], lambda text: text[:-40], lambda text: text.replace("MOTION", "MOTOIN"),
    lambda text: text.replace("CHANNELS 6", "CHANNELS six", 1), lambda text: re.sub(r"Frames: *\d+", "Frames: many", text), lambda text: ""],
    ids=["half", "last line cut", "no motion", "channels", "frames", "empty"])
def test_malformed_bvh(bvh, change, tmp_path):
    path = tmp_path/"broken.bvh"
    path.write_text(change(Path(bvh).read_text()))
    with pytest.raises(FsqMardmError) as error: read_bvh(path)
    one_line(error, "broken.bvh")

def test_import_of_a_broken_archive_leaves_nothing(bvh, tmp_path):
    data = tmp_path/"archive/dataset/Bandai-Namco-Research-Motiondataset-2/data"
    data.mkdir(parents=True)
    (data/"dataset-2_walk_normal_001.bvh").write_text(Path(bvh).read_text()[:500])
    with pytest.raises(FsqMardmError) as error: prepare_corpus("bandai", tmp_path/"out", tmp_path/"archive", workers=1)
    one_line(error, "dataset-2_walk_normal_001.bvh")
    assert not (tmp_path/"out").exists() or not list((tmp_path/"out").iterdir())

@pytest.mark.parametrize("call", [lambda: build_autoencoder("FSQ_AE_Huge", 67), lambda: build_mardm("MARDM-SiT-XXL"), lambda: open_corpus("amass", ".")])
def test_unknown_names(call):
    with pytest.raises(FsqMardmError) as error: call()
    one_line(error)
