"""Stand-ins for what cannot be carried along: HumanML3D and KIT-ML in their published layout, and the files that others publish,
with weights drawn at random, or taught for seconds. They prove the wiring and say nothing about any method."""
import gzip, pickle
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fsq_mardm.autoencoder import build_autoencoder
from fsq_mardm.corpus import load_corpus, read_captions
from fsq_mardm.evaluators import EvaluatorNet, MotionCLIP, train_evaluator
from fsq_mardm.features import joints_to_features
from fsq_mardm.length import LengthEstimator
from fsq_mardm.mardm import MARDM
from fsq_mardm.official import find_published, open_evaluator
from fsq_mardm.skeleton import KIT, SKELETONS
from fsq_mardm.synthetic import make_synthetic
from fsq_mardm.text import clip_tokenizer

FOLDERS = {"t2m": "HumanML3D", "kit": "KIT-ML"}
# KIT's joints among HumanML3D's; heels lie between ankle and toes
_OF_22 = (0, 3, 6, 12, 15, 17, 19, 21, 16, 18, 20, 2, 5, 8, 8, 11, 1, 4, 7, 7, 10)

def kit_features(joints):  # (T, 22, 3) in metres at 20 fps -> (T', 251) and (T', 21, 3) at 12.5 fps, in KIT's unit
    "A motion of 22 joints on KIT's skeleton."
    at = np.arange(0, len(joints) - 1, 20/KIT.fps)
    low, part = at.astype(int), (at % 1)[:, None, None]
    moved = (joints[low]*(1 - part) + joints[low + 1]*part)[:, list(_OF_22)]*1000
    for heel, ankle, toe in ((14, 13, 15), (19, 18, 20)): moved[:, heel] = .6*moved[:, ankle] + .4*moved[:, toe]
    return np.asarray(joints_to_features(moved, KIT), np.float32), moved[:-1].astype(np.float32)

def make_corpus(
    folder,  # gets HumanML3D or KIT-ML
    name: str,  # "t2m" or "kit"
    n_clips: int = 60,  # mirrored twins not counted
) -> Path:
    "A corpus as its users have it: numbered clips and their M-twins, timed captions, five lists, Mean and Std of all features."
    root = Path(folder)/FOLDERS[name]
    made = make_synthetic(Path(folder)/"synthetic", n_clips, mirror=True)
    for sub in ("new_joint_vecs", "new_joints", "texts"): (root/sub).mkdir(parents=True)
    width = {"t2m": 6, "kit": 5}[name]
    originals = sorted(p.stem for p in (made/"texts").glob("*.txt") if not p.stem.startswith("M"))
    numbers = {old: f"{k:0{width}d}" for k, old in enumerate(originals)}
    numbers |= {f"M{old}": f"M{new}" for old, new in numbers.items()}
    for old, new in numbers.items():
        vectors, joints = np.load(made/f"new_joint_vecs/{old}.npy"), np.load(made/f"new_joints/{old}.npy")
        if name == "kit": vectors, joints = kit_features(joints)
        np.save(root/f"new_joint_vecs/{new}.npy", vectors), np.save(root/f"new_joints/{new}.npy", joints)
        lines = [f"{c.text}#{' '.join(c.tokens)}#0.0#0.0" for c in read_captions(made/f"texts/{old}.txt")]
        if int(new.lstrip("M")) % 5 == 0: lines.append(lines[0].rsplit("#", 2)[0] + "#0.0#3.2")  # of a part of the clip
        if int(new.lstrip("M")) % 7 == 0: lines[0] = lines[0].rsplit("#", 2)[0] + "#nan#nan"  # as in some files of HumanML3D
        (root/f"texts/{new}.txt").write_text("\n".join(lines) + "\n")
    parts = ("test", "test", "test", "test", "val", "train", "train", "train")  # many to test on
    place = lambda new: parts[int(new.lstrip("M")) % 8]  # twins together
    splits = {s: [new for new in numbers.values() if place(new) == s] for s in ("train", "val", "test")}
    for s, ids in {**splits, "train_val": splits["train"] + splits["val"], "all": sum(splits.values(), [])}.items():
        (root/f"{s}.txt").write_text("".join(f"{i}\n" for i in ids))
    frames = np.concatenate([np.load(f) for f in sorted((root/"new_joint_vecs").glob("*.npy"))])
    np.save(root/"Mean.npy", frames.mean(0)), np.save(root/"Std.npy", frames.std(0) + 1e-3)
    return root

def save_evaluators(clone: Path, name: str, features: int, mean, std, statistics: str, contrast: bool) -> None:
    "Evaluators, word vectors, word lists and statistics, where the authors keep them."
    where = clone/"checkpoints"/name
    net = EvaluatorNet(features, movement=24, motion=24, text=24, word=300, embed=16)
    networks = ("movement_encoder", "text_encoder", "motion_encoder")
    save = lambda path, content: (path.parent.mkdir(parents=True, exist_ok=True), torch.save(content, path))
    save(where/"text_mot_match/model/finest.tar", {**{n: getattr(net, n).state_dict() for n in networks}, "epoch": 1})
    pair = MotionCLIP(features, 16, 1, 2, 32, 0., 16, len(VOCABULARY), 77)
    if contrast: save(where/"text_mot_match_clip/model/finest.tar", {"contrast_model": pair.state_dict()})
    (clone/statistics).mkdir(parents=True, exist_ok=True)
    prefix = "eval_" if "eval" in statistics else ""
    for what, value in (("mean", mean), ("std", std)): np.save(clone/statistics/f"{prefix}{what}.npy", value)

def save_words(clone: Path, words: list[str]) -> None:
    "GloVe in `our_vab` form, and code with the lists of motion words that must not run."
    (clone/"glove").mkdir(parents=True, exist_ok=True), (clone/"utils").mkdir(exist_ok=True)
    words = ["unk", "sos", "eos", *words]
    np.save(clone/"glove/our_vab_data.npy", np.random.RandomState(0).randn(len(words), 300))
    tables = {"words": words, "idx": {w: i for i, w in enumerate(words)}}
    for what, content in tables.items(): (clone/f"glove/our_vab_{what}.pkl").write_bytes(pickle.dumps(content))
    (clone/"utils/word_vectorizer.py").write_text("Loc_list = ('left', 'right')\nAct_list = ('walk', 'run')\n"
        "VIP_dict = {\n    'Loc_VIP': Loc_list,\n    'Act_VIP': Act_list,\n}\nraise SystemExit('this file is read, not run')\n")

MERGES = ["a n", "t h", "th e</w>"]
VOCABULARY = clip_tokenizer(MERGES).get_vocab()

class _Tower(nn.Module):
    "Modules named as in OpenAI's ViT-B-32.pt; only names and tensors matter."
    def __init__(self, width=64, out=32):
        super().__init__()
        self.positional_embedding, self.text_projection = nn.Parameter(torch.randn(77, width)), nn.Parameter(torch.randn(width, out)/8)
        self.token_embedding, self.ln_final, block = nn.Embedding(len(VOCABULARY), width), nn.LayerNorm(width), nn.Module()
        block.attn, block.mlp = nn.MultiheadAttention(width, 1), nn.Sequential()
        block.ln_1, block.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        block.mlp.add_module("c_fc", nn.Linear(width, 4*width)), block.mlp.add_module("c_proj", nn.Linear(4*width, width))
        block.forward = lambda x: x
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.Sequential(block)
    def forward(self, x: torch.Tensor): return x + self.positional_embedding.sum()

def save_clip(folder: Path) -> None:
    "CLIP's text tower as OpenAI publishes it: a TorchScript archive and a list of merges."
    folder.mkdir(parents=True, exist_ok=True)
    torch.jit.save(torch.jit.trace(_Tower(), torch.zeros(1)), folder/"ViT-B-32.pt")
    with gzip.open(folder/"bpe_simple_vocab_16e6.txt.gz", "wt", encoding="utf-8") as f: f.write("\n".join(["#version", *MERGES]))

def save_models(clone: Path, name: str) -> None:
    "Autoencoder, generators and length estimator of the authors of MARDM."
    ae = build_autoencoder("AE_Model", SKELETONS[name].essential_dim, width=32, latent_dim=32).state_dict()
    head = dict(depth=2, width=32)
    size = dict(latent_dim=64, ff_size=64, num_heads=16, head=head)
    models = {k: MARDM(32, 32, 32, diffmlp=f"{k}-XL", **size) for k in ("SiT", "DDPM")}
    own = lambda m: {k: v for k, v in m.state_dict().items() if not k.startswith("target_")}
    files = {"AE/model/latest.tar": {"ae": ae, "ep": 1, "total_it": 2}, "AE/model/net_best_fid.tar": {"ae": ae, "ep": 1},
             "length_estimator/model/finest.tar": {"estimator": LengthEstimator(32, 50, (64, 32, 16)).state_dict()},
             **{f"MARDM_{k}_XL/model/latest.tar": {"mardm": own(m), "ema_mardm": own(m), "ep": 1} for k, m in models.items()}}
    for path, content in files.items():
        (clone/"checkpoints"/name/path).parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, clone/"checkpoints"/name/path)

def make_published(
    folder,  # gets MARDM, text-to-motion and clip
    corpus: Path,  # of `make_corpus`
    name: str,  # "t2m" or "kit"
) -> Path:
    "What others publish for a corpus, in one folder."
    folder, skeleton = Path(folder), SKELETONS[name]
    mean, std = np.load(corpus/"Mean.npy"), np.load(corpus/"Std.npy")
    words = sorted({t.rsplit("/", 1)[0] for f in (corpus/"texts").glob("*.txt") for c in read_captions(f) for t in c.tokens})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        n = skeleton.essential_dim
        save_evaluators(folder/"MARDM", name, n, mean[:n], std[:n], f"utils/eval_mean_std/{name}", contrast=True)
        meta = f"checkpoints/{name}/Comp_v6_KLD01/meta"
        save_evaluators(folder/"text-to-motion", name, skeleton.full_dim - 4, mean, std, meta, contrast=False)
        for clone in ("MARDM", "text-to-motion"): save_words(folder/clone, words)
        save_models(folder/"MARDM", name)
        save_clip(folder/"clip"), save_clip(folder/"MARDM/clip")
    return folder

def teach(
    folder: Path,  # of `make_published`
    corpus: Path,  # of `make_corpus`
    name: str,  # "t2m" or "kit"
) -> None:
    "Train the stand-in of MARDM's evaluator on the very clips it will measure, so that it stands clear of chance."
    where = find_published(folder/"MARDM/checkpoints"/name/"text_mot_match")
    judge, test = open_evaluator(where.folder), load_corpus(corpus, name).split("test")
    widths = dict(movement=24, motion=24, text=24, word=300, embed=16)
    made = train_evaluator(test, test, judge.vocabulary, judge.mean, judge.std, folder/"taught", widths=widths, steps=120, batch_size=32,
                           lr=3e-3, seed=0, progress=False)
    torch.save({n: getattr(made.net, n).state_dict() for n in ("movement_encoder", "text_encoder", "motion_encoder")}, where.file)
