"""Two processes of torchrun take the steps of one: the same batches, gradients and weights."""
import os, runpy, socket, subprocess, sys
from pathlib import Path

import forked
import pytest
import torch
from safetensors.torch import load_file

from fsq_mardm.config import close

PROJECT = Path(__file__).resolve().parent.parent
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

@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="torchrun over gloo")
def test_two_processes_train_as_one(tmp_path):
    from fsq_mardm.corpora import prepare_corpus
    prepare_corpus("synthetic", tmp_path, n_clips=40)
    (tmp_path/"train.py").write_text(TRAINING)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}  # no network is needed
    torchrun = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_addr", "127.0.0.1", "--master_port", free_port(),
                "--local_addr", "127.0.0.1"]  # no name is looked up
    arguments = lambda name, alone: [str(tmp_path/"train.py"), str(tmp_path), name, str(alone)]
    def train_alone():
        sys.argv = arguments("one", 2)
        torch.set_num_threads(1)
        runpy.run_path(sys.argv[0])
    done = forked.in_copy(train_alone)
    assert done.returncode == 0, done.stderr[-3000:]
    done = subprocess.run([sys.executable, *torchrun, *arguments("two", 1)], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    for model in ("ae", "mardm"):
        one, two = (load_file(tmp_path/name/model/"model/latest.safetensors") for name in ("one", "two"))
        assert one.keys() == two.keys()
        compared = [k for k in one if "exp_avg" in k or k.startswith(("model", "ema"))]  # weights, and both moments of the gradients
        assert any("exp_avg" in k for k in compared) and any(k.startswith("model") for k in compared)
        for k in compared: close(two[k], one[k], 1e-4, where=f"{model}: {k}")
