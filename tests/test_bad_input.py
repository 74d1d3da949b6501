"""Bad input is one line that names the file or field and what was expected, and leaves nothing half-written."""
import json, re, shutil
from pathlib import Path

import numpy as np
import pytest

from fsq_mardm.autoencoder import build_autoencoder
from fsq_mardm.bvh import read_bvh, write_bvh
from fsq_mardm.bvh_import import import_folder, read_joints
from fsq_mardm.config import FsqMardmError
from fsq_mardm.corpora import open_corpus, prepare_corpus
from fsq_mardm.corpus import account, load_corpus
from fsq_mardm.mardm import build_mardm
from fsq_mardm.skeleton import HUMANML3D
from fsq_mardm.synthetic import draw_clip, make_synthetic

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

# Kinds of fault from the field, each on inputs made of procedural motion.

@pytest.fixture(scope="module")
def walk():
    return draw_clip("walk", np.random.default_rng(0))[1]

def own(folder, motions, lines, **rules):
    "A folder of BVH files in centimetres with its mapping and captions; the arguments of `import_folder`."
    folder.mkdir()
    for name, joints in motions.items(): write_bvh(folder/name, joints, HUMANML3D, 20, scale=100)
    (folder/"map.json").write_text(json.dumps({"joints": {n: n for n in HUMANML3D.joint_names}, "scale": .01, **rules}))
    (folder/"captions.tsv").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder, folder.parent/"out", folder/"map.json", folder/"captions.tsv"

def refused(tmp_path, arguments, *parts):
    with pytest.raises(FsqMardmError) as error: import_folder(*arguments)
    one_line(error, *parts)
    assert not (tmp_path/"out").exists() and not list(tmp_path.glob(".*"))

def tree(folder): return {p: p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*")) if ".packed" not in p.parts}

def make_own(folder):
    "A corpus that is the user's: nothing says that it was made here."
    make_synthetic(folder, n_clips=6, seed=0)
    (folder/"corpus.json").write_text(json.dumps({"name": folder.name, "skeleton": "t2m"}))
    return folder

@pytest.mark.parametrize("name, source", [("mine", "mine"), ("mine", "mine/../mine"), ("mine", "./mine"), ("mine", "link"), ("mine", "mine/texts"),
    ("{0}/mine", "mine"), (".", "mine"), ("..", "mine"), ("../datasets/mine", "mine"), ("synthetic", ""), ("bandai", "broken"), ("t2m", "broken"),
    ("mine", "broken"), ("made", "mine"), ("synthetic", "mine")])
def test_nothing_of_a_users_is_deleted(tmp_path, name, source):
    folder = tmp_path/"datasets"
    for own_name in ("mine", "synthetic", "bandai", "t2m", "made"): make_own(folder/own_name)
    (folder/"link").symlink_to(folder/"mine")
    (folder/"broken").mkdir(), (folder/"broken/corpus.json").write_text("{")
    before = tree(folder)
    with pytest.raises(FsqMardmError) as error: prepare_corpus(name.format(folder), folder, str(folder/source) if source else "", n_clips=4, workers=0)
    one_line(error)
    assert tree(folder) == before

def test_a_failed_import_keeps_the_corpus_that_was_there(tmp_path):
    first = prepare_corpus("synthetic", tmp_path, n_clips=6)
    before = tree(tmp_path)
    with pytest.raises(Exception): prepare_corpus("synthetic", tmp_path, n_clips=-1)
    assert tree(tmp_path) == before and open_corpus("synthetic", tmp_path).fingerprint == first.fingerprint

def test_a_read_only_corpus(corpus, tmp_path, monkeypatch):
    "The packed cache lies where the variable says; nothing is written beside the corpus."
    monkeypatch.setenv("FSQ_MARDM_CACHE", str(tmp_path/"cache"))
    before = tree(corpus)
    assert len(open_corpus("synthetic", corpus.parent)) == 24
    assert tree(corpus) == before and not (corpus/".packed").exists() and list((tmp_path/"cache").iterdir())

@pytest.mark.parametrize("count, each, seconds", [(12, 5, 4.5), (6, 10, 9.), (20, 3, 2.5)])
def test_parts_of_a_long_recording(walk, tmp_path, count, each, seconds):
    long = np.concatenate([walk] * (1201 // len(walk) + 1))[:1201]
    lines = ["a.bvh\tall of it"] + [f"a.bvh\tpart {k}\t{each * k}\t{each * k + seconds}" for k in range(count)]
    corpus = load_corpus(import_folder(*own(tmp_path/"in", {"a.bvh": long}, lines), mirror=False))
    found = account({s: corpus.split(s) for s in ("train", "val", "test")})
    assert found.entries == dict(train=count, val=0, test=0) and len(found.warnings) == 2

@pytest.mark.parametrize("line", ["stands\t10\t900", "stands\t900\t901", "stands\t0\t1e308", "stands\t3\t3", "stands\tnan\t4"])
def test_times_beyond_the_recording(walk, tmp_path, line):
    refused(tmp_path, own(tmp_path/"in", {"a.bvh": walk}, ["a.bvh\twalks", f"a.bvh\t{line}"]), "captions.tsv:2")

def test_nothing_left(walk, tmp_path):
    refused(tmp_path, own(tmp_path/"in", {"a.bvh": walk[:30]}, ["a.bvh\twalks"]), "captions.tsv", "nothing is left")

@pytest.mark.parametrize("old, new", [("left_wrist", "head"), ("head", "neck"), ("left_hip", "right_hip")])
def test_a_joint_that_stands_twice(walk, tmp_path, old, new):
    arguments = own(tmp_path/"in", {"a.bvh": walk}, ["a.bvh\twalks"])
    path = tmp_path/"in/a.bvh"
    path.write_text(path.read_text().replace(f"JOINT {old}\n", f"JOINT {new}\n"))
    refused(tmp_path, arguments, "a.bvh", f"'{new}' stands 2 times")

def test_keys_and_lines_that_stand_twice(walk, tmp_path):
    arguments = own(tmp_path/"in", {"a.bvh": walk}, ["a.bvh\twalks", "a.bvh\twalks"])
    refused(tmp_path, arguments, "captions.tsv:2", "the same as line 1")
    arguments[2].write_text(arguments[2].read_text().replace('"head"', '"neck"', 1))
    refused(tmp_path, arguments, "map.json", "'neck' stands twice")

@pytest.mark.parametrize("file", ["a.bvh", "map.json", "captions.tsv"])
def test_a_byte_order_mark_and_names_in_utf8(walk, tmp_path, file):
    arguments = own(tmp_path/"in", {"a.bvh": walk}, ["a.bvh\twalks into a café"], joints={n: "頭 Kopf-ü" if n == "head" else n for n in HUMANML3D.joint_names})
    path = tmp_path/"in/a.bvh"
    path.write_text(path.read_text().replace("JOINT head\n", "JOINT 頭 Kopf-ü\n"), encoding="utf-8")
    marked = tmp_path/"in"/file
    marked.write_bytes(b"\xef\xbb\xbf" + marked.read_bytes())
    assert len(load_corpus(import_folder(*arguments))) == 1   # a sentence that is not plainly English gets no twin

@pytest.mark.parametrize("change, says", [(lambda x: x * 100, "(in centimetres?)"), (lambda x: x * 1000, "(in millimetres?)"), (lambda x: x * 0, "in one place"),
    (lambda x: x[..., [0, 2, 1]] * [1, -1, 1], "Z points up"), (lambda x: x * [1, -1, -1], "-Y points up"), (lambda x: x[:, :21], "expected T x 22 x 3"),
    (lambda x: np.where(np.arange(len(x))[:, None, None] == 2, np.nan, x), "NaN or infinity in frame 2"), (lambda x: x.astype(complex), "expected plain numbers"),
    (lambda x: x[:0], "0 frames")])
def test_units_and_axes_are_not_taken_on_trust(walk, tmp_path, change, says):
    np.save(tmp_path/"a.npy", change(walk))
    with pytest.raises(FsqMardmError) as error: read_joints(tmp_path/"a.npy", HUMANML3D)
    one_line(error, "a.npy", says)

@pytest.mark.parametrize("mark", ["\u2028", "\x0b", "\x85", "\u2029", "\x1c"])
def test_line_breaks_that_are_none(walk, tmp_path, mark):
    corpus = load_corpus(import_folder(*own(tmp_path/"in", {"a.bvh": walk}, [f"a.bvh\twalks{mark}on"]), mirror=False))
    assert [c.text for c in corpus.split("train").captions[0]] == [f"walks{mark}on"]

@pytest.mark.parametrize("old, new", [("Frame Time: 0.05", "Frame Time: 1000"), ("Frame Time: 0.05", "Frame Time: 1e-9"), ("Frames: ", "Frames: 99999999")])
def test_a_header_that_asks_for_too_much(bvh, tmp_path, old, new):
    path = tmp_path/"big.bvh"
    path.write_text(bvh.read_text().replace(old, new))
    with pytest.raises(FsqMardmError) as error: read_bvh(path)
    one_line(error, "big.bvh, line")

@pytest.mark.parametrize("key, value", [("fps", 1e308), ("fps", 1e-300), ("tag_fps", -1), ("min_frames", 10**9), ("name", "")])
def test_a_corpus_that_says_the_impossible(corpus, key, value):
    info = json.loads((corpus/"corpus.json").read_text())
    (corpus/"corpus.json").write_text(json.dumps({**info, key: value}))
    with pytest.raises(FsqMardmError) as error: load_corpus(corpus)
    one_line(error, "corpus.json", key)
    assert nothing_packed(corpus)
