"""Two processes, in the environment that torchrun gives them, take the steps of one: the same batches, gradients and weights."""
import os, runpy, socket, sys
from concurrent.futures import ThreadPoolExecutor

import forked
import pytest
import torch
from safetensors.torch import load_file

from fsq_mardm.config import close

TRAINING = """
import sys
from pathlib import Path
from fsq_mardm.corpora import open_corpus
from fsq_mardm.stages import caption_conditions, load_autoencoder, train_autoencoder, train_generator
folder, name, alone = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
corpus = open_corpus("synthetic", folder)
common = dict(steps=3, batch_size=4, warm_up_iter=1, lr=1e-3, log_every=3, save_every=3, progress=False, accumulate=alone)
train_autoencoder("FSQ_AE_High_Tiny", corpus, folder/name/"ae", overrides={"dropout": 0.}, **common)
ae = load_autoencoder(folder/"one/ae", corpus)
conditions = caption_conditions(corpus.split("train"), "hash")
train_generator("FSQ-MARDM-SiT-Tiny", ae, corpus, conditions, folder/name/"mardm", encoder="hash", ema=.9,
                overrides={"dropout": 0.}, **common)
"""

def free_port() -> str:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])

@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="two processes over gloo")
def test_two_processes_train_as_one(tmp_path):
    from fsq_mardm.corpora import prepare_corpus
    prepare_corpus("synthetic", tmp_path, n_clips=40)
    (tmp_path/"train.py").write_text(TRAINING)
    def train(name, alone, **environment):
        os.environ.update(environment)
        sys.argv = [str(tmp_path/"train.py"), str(tmp_path), name, str(alone)]
        torch.set_num_threads(1)
        runpy.run_path(sys.argv[0])
    crew = dict(WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=free_port(), GLOO_SOCKET_IFNAME="lo")  # no network is needed
    with ThreadPoolExecutor(2) as pool:
        alone = forked.in_copy(lambda: train("one", 2))
        two = [pool.submit(forked.in_copy, lambda r=r: train("two", 1, RANK=str(r), LOCAL_RANK=str(r), **crew)) for r in range(2)]
    for done in (alone, *(t.result() for t in two)): assert done.returncode == 0, done.stderr[-3000:]
    for model in ("ae", "mardm"):
        one, two = (load_file(tmp_path/name/model/"model/latest.safetensors") for name in ("one", "two"))
        assert one.keys() == two.keys()
        compared = [k for k in one if "exp_avg" in k or k.startswith(("model", "ema"))]  # weights, and both moments of the gradients
        assert any("exp_avg" in k for k in compared) and any(k.startswith("model") for k in compared)
        for k in compared: close(two[k], one[k], 1e-4, where=f"{model}: {k}")
