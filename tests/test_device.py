"""Every stage of the preset `paper` on a device that has shapes and no numbers (`meta` stands in for a GPU): tensors of its batch sizes
and widths fit each other and lie where they should, and no training or sampling step waits for them. One block of a head
stands for all."""
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from fsq_mardm.autoencoder import build_autoencoder, reconstruction_loss
from fsq_mardm.cost import HostWaits
from fsq_mardm.evaluators import ContrastEvaluator, Evaluator, EvaluatorNet, MotionCLIP
from fsq_mardm.mardm import build_mardm
from fsq_mardm.skeleton import SKELETONS
from fsq_mardm.stages import AutoencoderSettings, GeneratorSettings, known_points
from fsq_mardm.text import Vocabulary
from fsq_mardm.train import sort_settings

PROJECT = Path(__file__).resolve().parent.parent
PRESET, METHODS = (yaml.safe_load((PROJECT/"workflow"/f).read_text()) for f in ("presets/paper.yaml", "methods.yaml"))
CONDITION, WORDS = 512, 77  # CLIP's vector, and the tokens it reads
DRAWS = ("VQ", "RVQ", "MetricFSQ")  # draw from the generator in a step, which lies on the device in training and on the host here

def asked(stage: str, method: str, corpus: str) -> dict:
    "What the preset asks of a stage."
    return {**PRESET["stages"].get(stage, {}), **PRESET["only_for"].get(corpus, {}).get(stage, {}), **METHODS[method].get(stage, {})}

def on_device(build, *args, **settings):
    with torch.device("meta"): return build(*args, **settings)

def autoencoder(method: str, corpus: str):
    "A method's autoencoder, and the settings of its stage."
    options = {**asked("train_ae", method, corpus), "model": METHODS[method]["ae_model"]}
    s, _ = sort_settings(AutoencoderSettings, options)
    ae = on_device(build_autoencoder, s.model, SKELETONS[corpus].essential_dim, **(s.overrides or {}))
    for part in ae.modules():
        if hasattr(part, "_started"): part._started = True  # a codebook's start on the first batch is no step
    return ae, s

def step(waits: HostWaits, loss, model) -> dict:
    "What a training step waited for; its gradients lie beside the weights."
    before = dict(waits.counts)
    loss().backward()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert grads and all(g.is_meta for g in grads)
    return {k: n - before.get(k, 0) for k, n in waits.counts.items() if n > before.get(k, 0)}

AGAIN = {"FSQ-raw", "FSQ-headXL", *(m for m in METHODS if METHODS[m].get("group") == "capacity" and m != "FSQ-HighDim8")}  # others' shapes
CASES = [(m, "t2m") for m in PRESET["methods"] if m not in AGAIN] + [(m, "kit") for m in ("AE", "VQ", "FSQ")]

@pytest.mark.parametrize("method, corpus", [c for c in CASES if "ae_model" in METHODS[c[0]]])
def test_autoencoder(method, corpus):
    ae, s = autoencoder(method, corpus)
    x = torch.empty(s.batch_size, s.window_size, ae.input_width, device="meta")
    generator = torch.Generator().manual_seed(0)
    def loss():
        made, extra = ae.train().forward_train(x, generator=generator)
        assert made.shape == x.shape and made.dtype == torch.float32
        return reconstruction_loss(made, x, SKELETONS[corpus].n_joints, s.recons_loss, s.aux_loss_joints) + extra
    with HostWaits() as waits: waited = step(waits, loss, ae)
    draws = ae.kind in DRAWS or ae.cfg.noise_dropout
    assert set(waited) <= ({"to the device"} if draws else set()), waited

@pytest.mark.parametrize("method, corpus", [c for c in CASES if "model" in METHODS[c[0]]])
def test_generator(method, corpus):
    (ae, _), m = autoencoder(METHODS[method].get("ae", method), corpus), METHODS[method]
    options = {**asked("train_mardm", m.get("mardm", method), corpus), "model": f"{m['model']}-{PRESET['sizes']['generator']}"}
    s, _ = sort_settings(GeneratorSettings, options)
    sampling = {k: v for k, v in asked("evaluation_mardm", method, corpus).items() if k in ("cfg", "solver", "snap")}
    with HostWaits() as waits, torch.no_grad():
        head = {**known_points(s.model, ae), **(s.overrides or {}).get("head", {})}
        head["depth"] = 1
        mardm = on_device(build_mardm, s.model, ae.latent_dim, ae.target_dim, CONDITION, **{**(s.overrides or {}), "head": head})
        tokens = s.max_motion_length//s.unit_length
        lengths, generator = torch.full((s.batch_size,), tokens), torch.Generator().manual_seed(0)
        cond = torch.empty(s.batch_size, *([1 + WORDS] if mardm.text_tokens else []), CONDITION, device="meta")
        motion = torch.empty(s.batch_size, s.max_motion_length, ae.input_width, device="meta")
        mask = mardm.draw_mask(lengths, tokens, generator)
        target = ae.eval().encode_target(motion, lengths=(4*lengths).to("meta", non_blocking=True))
        def loss(): return mardm.train().forward_loss(ae.lift(target).detach(), target, cond, lengths, generator, bottleneck=ae, mask=mask)
        if "mardm" not in m:  # else another method's, sampled otherwise
            with torch.enable_grad(): assert step(waits, loss, mardm) == {}
        waits.counts.clear()
        steps = 50 if sampling.get("solver") == "ancestral" else 1  # a chain has its own number
        made = mardm.generate(cond, lengths, 1, solver_steps=steps, generator=[generator]*s.batch_size, bottleneck=ae, **sampling)
        assert made.shape == target.shape and made.is_meta
        motions = ae.decode_target(made, lengths=4*lengths)
        assert motions.shape == motion.shape and motions.is_meta and motions.dtype == torch.float32
    assert waits.counts == {}

def embedded(embed, what: list, copies: int, **options):
    "The rows that an evaluator makes of 64 things in one batch: so many copies to the device, and one back."
    with HostWaits() as waits: found = embed(what, **options)
    assert found.shape == (64, 512) and waits.counts == {"to the device": copies, "to the host": 1}

@pytest.mark.parametrize("corpus", ["t2m", "kit"])
def test_rulers(corpus):
    "The published evaluators of both protocols and of the CLIP score."
    essential, full = SKELETONS[corpus].essential_dim, SKELETONS[corpus].full_dim
    words = Vocabulary(["unk", "sos", "eos", "walk"], torch.zeros(4, 300))
    motions = {n: [np.zeros((40, n), np.float32)]*64 for n in (essential, full)}
    for width, read in ((essential, essential), (full, full - 4)):
        ruler = Evaluator(on_device(EvaluatorNet, read), words, np.zeros(width), np.ones(width))
        embedded(ruler.embed_motion, motions[width], 5, exact=False)  # clips, mean, deviation, lengths, their order
        embedded(ruler.embed_text, [["walk/VERB"]]*64, 3)  # words, parts of speech, order of lengths
    tokenize = lambda captions: torch.zeros(len(captions), WORDS, dtype=torch.int64)
    contrast = ContrastEvaluator(on_device(MotionCLIP, essential), tokenize, np.zeros(essential), np.ones(essential))
    embedded(contrast.embed_motion, motions[essential], 4, exact=False)
    embedded(contrast.embed_captions, ["a person walks"]*64, 1)

def test_a_part_on_the_wrong_device_is_found():
    ae, _ = autoencoder("FSQ", "t2m")
    ae.bottleneck.pre.to_empty(device="cpu")
    with pytest.raises(RuntimeError), HostWaits(): ae.encode_target(torch.empty(2, 64, 67, device="meta"))
