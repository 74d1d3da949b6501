"""Six BVH files by the documented route: folder, corpus, small models without an evaluator, a sample, warnings."""
import inspect, json
from pathlib import Path

import numpy as np
import pytest

from fsq_mardm.bvh import read_bvh, write_bvh
from fsq_mardm.bvh_import import EVALUATOR_NEEDS
from fsq_mardm.cli import main
from fsq_mardm.pipeline import Prompt, prompt_warnings, read_known
from fsq_mardm.skeleton import HUMANML3D
from fsq_mardm.synthetic import KINDS as ALL_KINDS
from fsq_mardm.synthetic import draw_clip

PROJECT = Path(__file__).resolve().parent.parent
KINDS = ("walk", "jump", "wave", "kick", "turn", "sit")

@pytest.fixture(scope="module")
def takes(tmp_path_factory):
    "A folder of six files, their captions, and the mapping of their rig."
    home = tmp_path_factory.mktemp("own")
    folder, lines = home/"takes", []
    folder.mkdir()
    for k, kind in enumerate(KINDS):
        _, joints, captions, _ = draw_clip(kind, np.random.default_rng(k))
        write_bvh(folder/f"take {k}.bvh", joints, HUMANML3D, 20, scale=100)
        lines += [f"take {k}.bvh\t{c.text}\n" for c in captions]
    (folder/"captions.tsv").write_text("".join(lines), encoding="utf-8")
    (home/"joints.json").write_text(json.dumps({"joints": {n: n for n in HUMANML3D.joint_names}, "scale": .01, "up": "y"}))
    return home

def asked(capsys, *words):
    "Output as JSON, and the lines of the error stream, of a command that succeeds."
    assert main([*words, "--json"]) == 0
    done = capsys.readouterr()
    return json.loads(done.out), done.err.splitlines()

def test_from_six_files_to_a_motion(takes, capsys, monkeypatch):
    monkeypatch.chdir(takes)
    made, said = asked(capsys, "data", "import-bvh", "takes", "datasets/mine", "--mapping", "joints.json")
    assert {s: made[s] for s in ("train", "val", "test")} == dict(train=8, val=2, test=2)      # a recording and its mirror image each
    few = "too few entries for an evaluator (train 8, val 2, test 2; it needs at least train 64, val 2, test 32)"
    assert [line for line in said if line.startswith("warning: ")] == [line for line in said if few in line] != []
    report, _ = asked(capsys, "data", "check", "datasets/mine")
    assert report["ok"] and sum(few in text for text in report["notes"]) == 1
    with monkeypatch.context() as there:   # the graph, too, says it before it begins
        there.chdir(PROJECT)
        assert main(["paper", "--corpus", "mine", "--source", str(takes/"datasets/mine"), "--dry_run"]) == 2
        assert capsys.readouterr().err == f"error: {takes/'datasets/mine'}: {report['notes'][-1]}\n" and few in report["notes"][-1]
    found, _ = asked(capsys, "train-own", "datasets/mine", "--ae_steps", "3", "--steps", "3", "--length_steps", "3")
    assert found == dict(checkpoints_dir="./checkpoints", dataset_name="mine", ae_name="FSQ_AE_High", name="FSQ_MARDM")
    words = ("sample", "--dataset_name", "mine", "--formats", "npy,bvh", "--time_steps", "2", "--solver_steps", "1")
    caption = (takes/"takes/captions.tsv").read_text(encoding="utf-8").split("\n")[0].split("\t")[1]
    motion, said = asked(capsys, *words, "--text_prompt", caption, "--motion_length", "NA")
    files = motion["motions"][0]["files"]
    joints = np.load(files["npy"])
    assert joints.shape == (motion["motions"][0]["frames"], 22, 3) and np.isfinite(joints).all()
    assert len(read_bvh(files["bvh"]).global_positions()) == len(joints)
    assert not [line for line in said if line.startswith("warning")]
    for text, tells in (("a person xyzzies", "never read 'xyzzies'"), ("eine Person geht vorwärts", "not English")):
        _, said = asked(capsys, *words, "--text_prompt", text, "--motion_length", "NA")
        assert [tells in line for line in said if line.startswith("warning: ")] == [True], said

def test_what_an_evaluator_needs_is_what_it_asks_for():
    from fsq_mardm.evaluate import evaluate_real
    from fsq_mardm.evaluators import EvaluatorSettings
    assert EVALUATOR_NEEDS["test"] == inspect.signature(evaluate_real).parameters["pool"].default
    assert EVALUATOR_NEEDS["train"] == EvaluatorSettings().batch_size

TYPED = """a person walks forward|someone runs fast|a man jumps|a person kicks with the right leg|a person sits down|someone crouches|
a person waves with the left hand|a person turns left|a person walks and then waves|a person runs and then stops|a person steps back|
a person raises both arms"""
ODD = """a person xyzzies|florble the grommet|a man surfs on a wave of lava|asdf qwer|eine Person geht nach vorne und winkt|
ein Mann springt hoch|der Mann läuft schnell|
一个人向前走|人が歩く|человек идёт вперёд|un homme marche vers la gauche|una persona corre y salta"""

def test_warnings_come_when_they_should_and_only_then():
    known = read_known(PROJECT/"fsq_mardm/models/synthetic")
    asked = [Prompt(" ".join(text.split()), 120) for text in TYPED.split("|")]
    for k in range(50):   # clips that no model was trained on
        _, joints, captions, _ = draw_clip(ALL_KINDS[k % len(ALL_KINDS)], np.random.default_rng(10**6 + k))
        asked.append(Prompt(captions[0].text, len(joints)//4*4))
    assert {text: said for text, frames in asked if (said := prompt_warnings([Prompt(text, frames)], "minilm", known))} == {}
    for text in map(str.strip, ODD.split("|")):
        assert len(prompt_warnings([Prompt(text, 120)], "minilm", known)) == 1, text
