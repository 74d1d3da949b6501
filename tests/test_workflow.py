"""The graph of the paper: dry runs, one-line errors, settings that no shell reads, and the SLURM profile."""
import json, os, shutil, subprocess, sys
from pathlib import Path

import forked
import pytest, yaml

from fsq_mardm import cli
from fsq_mardm.config import ConfigError
from fsq_mardm.paper.claims import load_hypotheses
from fsq_mardm.synthetic import make_synthetic
from fsq_mardm.workflow import PaperSettings, only_run, run_graph

PROJECT = Path(__file__).resolve().parent.parent
PRESETS = sorted(p.stem for p in (PROJECT/"workflow/presets").glob("*.yaml"))

def snakemake(*arguments):
    "A dry run in the project."
    return forked.snakemake("--snakefile", PROJECT/"workflow/Snakefile", "--cores", 2, "--dry-run", "--quiet", "rules", "--nolock", *arguments, cwd=PROJECT)

@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_makes_a_graph(preset):
    done = snakemake("--config", f"preset={preset}", "source=somewhere", "--forceall")
    assert done.returncode == 0, done.stdout + done.stderr

def test_every_registered_row_can_be_run():
    """A hypothesis about a row that no graph makes would stay open for ever; the preset of the decisive run makes them all."""
    asked = {m for h in load_hypotheses(PROJECT/"nbs/paper/claims.yaml") for row in h.methods for m in ((row,) if isinstance(row, str) else row)} - {"Real"}
    methods, run = (yaml.safe_load((PROJECT/"workflow"/f).read_text()) for f in ("methods.yaml", "presets/cpu.yaml"))
    assert len(asked) > 20 and asked <= set(methods) and asked <= set(run["methods"])
    assert min(run["seeds"]) >= 10 and len(run["seeds"]) >= 5  # seeds that formed no hypothesis

def test_guidance_is_chosen_before_the_test_split_is_opened():
    made = planned(PROJECT, "--forceall")
    for node in (n for n in made if n.startswith("evaluation_mardm.")): assert node.replace("evaluation", "selection") in made

@pytest.mark.parametrize("settings, says", [
    (["preset=huge"], "preset 'huge' is unknown; expected one of"),
    (["corpus=amass"], "corpus 'amass' is unknown; expected one of"),
    (["corpus=bandai"], "corpus 'bandai' needs source=PATH")])
def test_a_wrong_setting_is_one_line(settings, says):
    done = snakemake("--config", *settings)
    assert done.returncode != 0
    assert [line for line in done.stderr.splitlines() if says in line and line.startswith("error: ")], done.stderr

@pytest.mark.parametrize("settings", [["preset=smoke"], ["preset=paper", "corpus=t2m", "source=somewhere", "seeds=0"], ["preset=paper", "corpus=kit", "source=somewhere", "seeds=0"]])
def test_slurm_profile_makes_a_graph(settings):
    done = snakemake("--profile", str(PROJECT/"workflow/profiles/slurm"), "--config", *settings, "--forceall")
    assert done.returncode == 0, done.stdout + done.stderr

def test_slurm_profile_gives_a_gpu_to_what_computes_on_one():
    profile = yaml.safe_load((PROJECT/"workflow/profiles/slurm/config.yaml").read_text())
    picks = {p.stem for p in (PROJECT/"nbs/paper").glob("*.ipynb") if "pick_device(" in p.read_text()}
    assert "train_mardm" in picks and "evaluation_topology" not in picks
    assert {rule.removesuffix("_standard") for rule, own in profile["set-resources"].items() if own.get("gres") == "gpu:1"} == picks
    # a submission counts no cores by itself, as a dry run does, and the graph asks for their number
    assert profile["cores"] >= profile["jobs"] and "workflow.cores" in (PROJECT/"workflow/Snakefile").read_text()

def test_misspelt_parameter_stops_before_the_run(tmp_path):
    notebook = PROJECT/"nbs/paper/train_ae.ipynb"
    done = forked.command("notebook", notebook, tmp_path/"o.ipynb", '{"batchsize": 3}')
    assert done.returncode == 2 and done.stderr.startswith("error: train_ae.ipynb: unknown parameter 'batchsize'")
    assert not list(tmp_path.iterdir())

def planned(folder, *settings, mode=("--dry-run",)):
    "Nodes that a run in `folder` would execute, by the names of their executed notebooks."
    done = forked.snakemake("--snakefile", PROJECT/"workflow/Snakefile", "--directory", folder, "--cores", 2, *mode, "--nolock",
                            "--config", "preset=smoke", *settings, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return {Path(line.split()[1]).stem for line in done.stdout.splitlines() if line.strip().startswith("output: runs/")}

def test_a_new_seed_runs_only_what_depends_on_it(tmp_path):
    for name in ("nbs", "fsq_mardm"): (tmp_path/name).symlink_to(PROJECT/name)
    everything = planned(tmp_path, "seeds=0")
    made = tmp_path/"runs/smoke-synthetic/notebooks"
    made.mkdir(parents=True)
    for node in everything: (made/f"{node}.ipynb").touch()
    planned(tmp_path, "seeds=0", mode=("--touch", "--forceall"))                       # as after a finished run
    assert planned(tmp_path, "seeds=0") == set()
    extra, per_seed = planned(tmp_path, "seeds=0,1"), {n for n in everything if n.endswith(".0") and not n.startswith("evaluation_sweep")}  # only the first seed is swept
    assert {n for n in extra if n.endswith(".1")} == {n[:-1] + "1" for n in per_seed} and not extra & per_seed
    assert not {n for n in extra if n.startswith(("prepare", "train_evaluator", "train_contrast"))}
    for node in ("train_mardm.FSQ.0", "evaluation_mardm.FSQ.0", "table_2"): (made/f"{node}.ipynb").unlink()  # as after a kill in the first
    again = planned(tmp_path, "seeds=0")
    assert {"train_mardm.FSQ.0", "evaluation_mardm.FSQ.0", "table_2"} <= again
    assert not again & {"train_mardm.VQ.0", "train_ae.FSQ.0", "evaluation_mardm.AE.0", "prepare_data"}

NASTY = ["a; touch X;", "x||touch X||y", "it's $(touch X)", "`touch X`", '"; touch X; "', "$(shell touch X)", "${SHELL} $$HOME", "two\nlines; touch X", "a b", "{output}"]

@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("setting", ["preset", "corpus", "seeds"])
def test_a_name_with_a_command_in_it_is_refused(setting, name, tmp_path, monkeypatch, capsys):
    (tmp_path/"workflow").symlink_to(PROJECT/"workflow")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["paper", f"--{setting}={name}"]) == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"error: {setting}: found ") and err.count("\n") == 1 and os.listdir(tmp_path) == ["workflow"]

def test_a_source_given_to_snakemake_itself_ends_no_word_of_a_command():
    done = snakemake("--config", "corpus=bandai", "source=a'; touch X; 'b")
    assert done.returncode != 0 and "error: source: found a quote or a line break" in done.stderr

@pytest.mark.parametrize("text", NASTY)
def test_make_hands_settings_on_as_they_are(text, tmp_path):
    (tmp_path/"bin").mkdir()
    (tmp_path/"bin/python").write_text(f"#!/bin/sh\nexec '{sys.executable}' -c 'import json, sys; print(json.dumps(sys.argv[1:]))' \"$@\"\n")
    (tmp_path/"bin/python").chmod(0o755)
    (tmp_path/".installed").touch()
    make = lambda *words, **more: subprocess.run(["make", "-s", "-f", PROJECT/"Makefile", f"VENV={tmp_path}", "-o", f"{tmp_path}/.installed", *words], cwd=tmp_path,
                                                 env={**os.environ, **more}, capture_output=True, text=True)
    given, expected = [f"SOURCE={text}", f"CORPUS={text}", "PRESET=0007", "SEEDS=0"], ["--preset=0007", f"--corpus={text}", f"--source={text}", "--seeds=0"]
    assert json.loads(make("paper", *given).stdout) == ["-m", "fsq_mardm.cli", "paper", *expected]
    assert json.loads(make("paper", **dict(g.split("=", 1) for g in given)).stdout)[3:] == expected   # the same from the environment
    assert json.loads(make("paper", *given, f"CACHE={text}").stdout)[-1] == f"--cache={text}"
    assert json.loads(make("paper", *given, f"METHODS={text}").stdout)[-1] == f"--methods={text}"
    assert json.loads(make("promote", *given).stdout)[-1] == f"runs/0007-{text}"
    assert sorted(os.listdir(tmp_path)) == [".installed", "bin"]

def test_project_and_source_of_any_name(tmp_path):
    "A copy of the project in a folder with a space, a corpus in one that a shell would stumble over: one node is really made."
    project, source = tmp_path/"my project", tmp_path/"it's $(touch X); `touch X` {z} \"q\" &"/"0007"
    for name in ("nbs", "fsq_mardm", "workflow"): shutil.copytree(PROJECT/name, project/name)
    make_synthetic(source, n_clips=240, seed=0)  # enough for an evaluator
    smoke = project/"workflow/presets/smoke.yaml"
    smoke.write_text(smoke.read_text() + "  prepare_data: {text_encoder: hash}\n")  # what embeds the captions is not the question
    assert run_graph(PaperSettings(corpus="0007", source=str(source)), project, cores=1, more=("--until", "prepare_data")) == 0
    made = project/"runs/smoke-0007"
    assert (made/"notebooks/prepare_data.ipynb").is_file() and (made/"data/0007/corpus.json").is_file()
    assert not list(tmp_path.rglob("X"))

def test_a_second_run_says_who_runs(tmp_path, capsys):
    "By the command and by snakemake itself."
    for name in ("nbs", "fsq_mardm"): (tmp_path/name).symlink_to(PROJECT/name)
    shutil.copytree(PROJECT/"workflow", tmp_path/"workflow")
    with only_run(tmp_path/"runs/smoke-synthetic"):
        with pytest.raises(ConfigError, match=f"being made by process {os.getpid()} on "): run_graph(PaperSettings(), tmp_path)
        done = forked.snakemake("--snakefile", "workflow/Snakefile", "--cores", 1, "--config", "preset=smoke", cwd=tmp_path)
    assert done.returncode != 0 and f"being made by process {os.getpid()} on " in done.stderr
    assert not (tmp_path/"runs/smoke-synthetic/notebooks").exists() or not list((tmp_path/"runs/smoke-synthetic/notebooks").iterdir())
