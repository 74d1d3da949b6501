"""Damaged and hostile files for every reader: each input gives a value or one line of error, soon, runs nothing and leaves nothing.

    make fuzz                      10 000 inputs
    python tests/fuzz.py --inputs 500 --seed 7 --readers bvh,prompts

An input is a pristine file of a reader, changed by draws from (seed, number); the same two numbers give the same input again. Inputs are read
in a forked process, so that one that hangs or crashes costs itself only.
"""
import argparse, contextlib, io, json, os, pickle, random, select, shutil, signal, sys, tempfile, time, traceback, warnings, zipfile, zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"): os.environ.setdefault(name, "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import torch

from fsq_mardm import cli
from fsq_mardm.arguments import json_object
from fsq_mardm.bandai import bandai_files
from fsq_mardm.bvh import read_bvh, resample, write_bvh
from fsq_mardm.bvh_import import import_folder, read_caption_table, read_mapping, read_motion
from fsq_mardm.checkpoints import load_checkpoint, load_weights, read_meta, save_checkpoint
from fsq_mardm.config import FsqMardmError
from fsq_mardm.corpora import evaluator_statistics
from fsq_mardm.corpus import account, check_corpus, load_corpus, read_captions, read_split
from fsq_mardm.history import read_history, read_log
from fsq_mardm.length import LengthEstimator
from fsq_mardm.notebooks import check_parameters, notebook_parameters, read_notebook
from fsq_mardm.official import load_official
from fsq_mardm.paper.artefacts import artefact_files, promote, write_table
from fsq_mardm.paper.claims import load_hypotheses
from fsq_mardm.paper.records import Run, describe_trace, load_records, read_records, trace_number
from fsq_mardm.pipeline import plan_samples, read_prompts
from fsq_mardm.skeleton import HUMANML3D
from fsq_mardm.synthetic import draw_clip, make_synthetic
from fsq_mardm.text import embed_captions, HashText, read_glove, read_torchscript
from fsq_mardm.train import fit
from fsq_mardm.workflow import PaperSettings, read_seeds

PROJECT = Path(__file__).resolve().parent.parent

# --- Readers ----------------------------------------------------------------------------------------------------------------------------

@dataclass
class Reader:
    name: str
    make: Callable  # (folder) -> None; its pristine files
    read: Callable  # (folder) -> value
    files: tuple  # patterns of those that are damaged
    share: float  # of the inputs, relative to the others
    whole: bool  # it is checked: a value that comes back is the pristine one

READERS: dict[str, Reader] = {}

def reader(name: str, files="*", share: float = 1., whole: bool = False):
    "A class with `make` and `read` becomes a reader."
    def keep(c):
        READERS[name] = Reader(name, c.make, c.read, tuple(files.split()), share, whole)
        return c
    return keep

def walk(frames: int = 8) -> np.ndarray: return draw_clip("walk", np.random.default_rng(0))[1][:frames]

@reader("bvh", share=2.)
class _:
    def make(folder): write_bvh(folder/"a.bvh", walk(), HUMANML3D, 20)
    def read(folder):
        bvh = read_bvh(folder/"a.bvh")
        return resample(bvh.global_positions(), bvh.fps, 20.)

@reader("npy", share=2.)
class _:
    def make(folder): np.save(folder/"a.npy", walk())
    def read(folder): return read_motion(folder/"a.npy", HUMANML3D)

@reader("history")
class _:
    def make(folder): np.savez(folder/"history.npz", step=np.arange(5), loss=np.linspace(1, 0, 5, dtype=np.float32))
    def read(folder): return read_history(folder)

@reader("events", share=.5)
class _:
    def make(folder):
        from torch.utils.tensorboard import SummaryWriter
        with SummaryWriter(folder) as log:
            for k in range(4): log.add_scalar("Train/loss", 1/(k + 1), k)
    def read(folder): return read_log(folder)

MAPPING = {"joints": {n: n for n in HUMANML3D.joint_names}, "scale": .01}

@reader("mapping")
class _:
    def make(folder): (folder/"map.json").write_text(json.dumps(MAPPING))
    def read(folder): return read_mapping(folder/"map.json")

TABLE = "a.bvh\ta person walks\na.bvh\tturns left\t0\t0.2\nb/c.bvh\ta person waves with the right hand\n"

@reader("captions table")
class _:
    def make(folder): (folder/"captions.tsv").write_text(TABLE)
    def read(folder): return read_caption_table(folder/"captions.tsv")

@reader("import", share=.3)
class _:
    def make(folder):
        write_bvh(folder/"a.bvh", walk(44), HUMANML3D, 20, scale=100)
        (folder/"map.json").write_text(json.dumps(MAPPING))
        (folder/"captions.tsv").write_text("a.bvh\ta person walks\na.bvh\tturns left\t0\t2\n")
    def read(folder): return import_folder(folder, folder/"out", folder/"map.json", folder/"captions.tsv")

def make_corpus(folder):
    make_synthetic(folder/"corpus", n_clips=6, seed=0)
    shutil.rmtree(folder/"corpus/.packed", ignore_errors=True)

def frames_of(corpus): return corpus.fingerprint, [corpus.split(s).full(i).tobytes() for s in ("train", "val", "test") for i in range(len(corpus.split(s)))]

@reader("corpus", "corpus/*.json corpus/*.txt corpus/*.npy corpus/*/*")
class _:
    make = make_corpus
    def read(folder):
        corpus = load_corpus(folder/"corpus", cache=folder/"cache", skip=None)
        account({s: corpus.split(s) for s in ("train", "val", "test")})
        return frames_of(corpus)

@reader("check", "corpus/*.json corpus/*.txt corpus/*.npy corpus/*/*", share=.3)
class _:
    make = make_corpus
    def read(folder): return str(check_corpus(folder/"corpus"))

@reader("packed cache", "cache/*/*/*", whole=True)
class _:
    def make(folder):
        make_corpus(folder)
        load_corpus(folder/"corpus", cache=folder/"cache")
    def read(folder): return frames_of(load_corpus(folder/"corpus", cache=folder/"cache"))

@reader("split list")
class _:
    def make(folder): (folder/"train.txt").write_text("000001\nM000001\n000002\n")
    def read(folder): return read_split(folder/"train.txt")

@reader("texts")
class _:
    def make(folder): (folder/"a.txt").write_text("a man walks#a/DET man/NOUN walk/VERB#0.0#0.0\nhe waves#he/PRON wave/VERB#1.0#2.5\n")
    def read(folder): return read_captions(folder/"a.txt")

@reader("statistics")
class _:
    def make(folder):
        for name in ("mean", "std"): np.save(folder/f"eval_{name}.npy", np.ones(67, np.float32))
    def read(folder):
        corpus = argparse.Namespace(skeleton=HUMANML3D)
        return evaluator_statistics(corpus, folder)

def tiny(meta=None) -> torch.nn.Module:
    sizes = (meta or {"config": {"sizes": [3, 2]}})["config"]["sizes"]
    return torch.nn.Linear(*sizes)

@reader("checkpoint", share=2., whole=True)
class _:
    def make(folder):
        torch.manual_seed(0)
        save_checkpoint(folder/"a.safetensors", {"model": tiny().state_dict(), "more": [1, {"x": torch.arange(4)}]}, {"kind": "test", "config": {"sizes": [3, 2]}})
    def read(folder):
        read_meta(folder/"a.safetensors")
        state, meta = load_checkpoint(folder/"a.safetensors", expect={"kind": "test"})
        return state, meta, load_weights(folder/"a.safetensors", tiny)[0].state_dict()

def train(folder, steps: int, **more):
    torch.manual_seed(0)
    loss = lambda model, step, rng: (model(torch.ones(1, 3)).square().mean(), {})
    return fit(tiny(), loss, steps=steps, out=folder/"run", warm_up_iter=1, save_every=2, log_every=2, progress=False, **more)

@reader("resume", "run/model/latest.safetensors", share=.5, whole=True)
class _:
    def make(folder):
        train(folder, 2)
        for path in (folder/"run").rglob("*tfevents*"): path.unlink()
    def read(folder):
        try: return train(folder, 4, is_continue=True).model.state_dict()
        finally:
            for path in sorted((folder/"run").rglob("*"), reverse=True):  # what a training writes
                if path.name != "latest.safetensors" and path.is_file() and not path.name.startswith(".partial"): path.unlink()

@reader("official", share=2.)
class _:
    def make(folder): torch.save({"estimator": LengthEstimator(4, 6, (4, 4, 4)).state_dict()}, folder/"a.tar")
    def read(folder): return load_official(folder/"a.tar", "length")

@reader("torchscript")
class _:
    def make(folder): torch.jit.trace(torch.nn.Sequential(tiny(), torch.nn.ReLU()), torch.ones(1, 3)).save(str(folder/"a.pt"))
    def read(folder): return read_torchscript(folder/"a.pt")

@reader("text cache", "*/*.safetensors", share=.5, whole=True)
class _:
    def make(folder): embed_captions(HashText(), ["a man walks", "he waves"], folder)
    def read(folder): return embed_captions(HashText(), ["a man walks", "he waves"], folder)

@reader("glove", share=.5)
class _:
    def make(folder):
        np.save(folder/"our_vab_data.npy", np.ones((2, 4), np.float32))
        for name, value in (("words", ["a", "b"]), ("idx", {"a": 0, "b": 1})): (folder/f"our_vab_{name}.pkl").write_bytes(pickle.dumps(value))
    def read(folder): return read_glove(folder)

def make_records(folder):
    paths = []
    for seed in (0, 1):
        run = Run("evaluation_mardm", f"FSQ_MARDM-seed{seed}", folder/"records", {"seed": seed, "steps": 4})
        paths.append(run.finish({"method": "FSQ", "seed": seed, "corpus": "synthetic"}, {"fid": 1.5 + seed, "top1": .25}, curve=[1, 2]))
    return paths

@reader("records", "records/*", share=2.)
class _:
    make = make_records
    def read(folder):
        load_records(folder/"records")
        return read_records(folder/"records", "evaluation_mardm", seeds=[0, 1], methods=["FSQ"])

def make_table(folder):
    import pandas as pd
    paths = make_records(folder)
    numbers = pd.DataFrame([{"method": "FSQ", "corpus": "synthetic", "n": 2, "fid": 2., "top1": .25}])
    settings = {"notebook": "table_2", "corpus": "synthetic", "preset": "cpu", "scale": "small", "seeds": [0, 1], "parameters": {}}
    write_table(numbers, numbers.astype(str), folder/"tables/table_2", "A caption.", settings, paths)

@reader("trace", "tables/* records/*", share=2.)
class _:
    make = make_table
    def read(folder): return describe_trace(trace_number(folder/"tables/table_2.csv", "FSQ", "fid"))

@reader("promote", "tables/* records/*")
class _:
    make = make_table
    def read(folder):
        artefact_files(folder/"tables")
        try: return [p.name for p in promote(folder, folder/"out")]
        finally: shutil.rmtree(folder/"out", ignore_errors=True) if not list(folder.glob("out/.*")) else None

@reader("claims")
class _:
    def make(folder): shutil.copy(PROJECT/"nbs/paper/claims.yaml", folder/"claims.yaml")
    def read(folder): return load_hypotheses(folder/"claims.yaml")

@reader("notebook")
class _:
    def make(folder): shutil.copy(PROJECT/"nbs/paper/prepare_data.ipynb", folder/"a.ipynb")
    def read(folder): return read_notebook(folder/"a.ipynb"), notebook_parameters(folder/"a.ipynb")

@reader("parameters")
class _:
    def make(folder): (folder/"p.json").write_text(json.dumps({"dataset_name": "mine", "n_clips": 4, "seed": 0, "workers": 1, "source": "x"}))
    def read(folder):
        try: given = json_object((folder/"p.json").read_text(encoding="latin-1"))  # as the command line reads them
        except (argparse.ArgumentTypeError, OSError): return None
        return check_parameters(PROJECT/"nbs/paper/prepare_data.ipynb", given)

@reader("prompts", share=2.)
class _:
    def make(folder): (folder/"a.txt").write_text("a person walks#120\nhe costs $5 and $6#NA\nwaves\n")
    def read(folder): return plan_samples([(text, frames or 8) for text, frames in read_prompts(text_path=folder/"a.txt")], 2, 0)

@reader("bandai", share=.5)
class _:
    def make(folder):
        import tarfile
        write_bvh(folder/"dataset-2_walk_normal_001.bvh", walk(3), HUMANML3D, 30)
        with tarfile.open(folder/"a.tar.xz", "w:xz") as archive: archive.add(folder/"dataset-2_walk_normal_001.bvh", "x/data/dataset-2_walk_normal_001.bvh")
        (folder/"dataset-2_walk_normal_001.bvh").unlink()
    def read(folder): return [name for name, _, _ in bandai_files(folder/"a.tar.xz")]

COMMANDS = (["data", "check", "corpus"], ["trace", "tables/table_2.csv", "--row", "FSQ", "--column", "fid"], ["promote", "."],
    ["data", "import-bvh", "in", "out", "--mapping", "in/map.json", "--captions", "in/captions.tsv"], ["data", "import-bvh", "in", "out"],
    ["sample", "--text_prompt", "a walk", "--motion_length", "40", "--seed", "3", "--repeat_times", "2", "--cfg", "4.5", "--formats", "npy"],
    ["sample", "--text_path", "a.txt", "--time_steps", "18", "--temperature", "1", "--name", "x", "--ae_name", "y", "--dataset_name", "t2m"],
    ["edit", "--source_motion", "a.npy", "--text_prompt", "waves", "--mask_edit_section", "20,40", "--bvh_scale", "100"],
    ["edit", "--source_motion", "a.npy", "--text_prompt", "waves", "--task", "prefix", "--solver", "euler"],
    ["paper", "--preset", "smoke", "--corpus", "mine", "--source", "x", "--seeds", "0,1", "--cores", "2", "--dry_run"],
    ["notebook", "a.ipynb", "b.ipynb", '{"seed": 1}'], ["train-length", "--dataset_name", "mine", "--steps", "2", "--lr", "0.1"],
    ["evaluate", "mardm"], ["tables", "--records", "x"], ["demo", "--methods", "FSK"])

@reader("command", "words.json", share=2.)
class _:
    def make(folder): (folder/"words.json").write_text(json.dumps(COMMANDS))
    def read(folder):
        try: lines = json.loads((folder/"words.json").read_text(encoding="utf-8"))
        except (ValueError, RecursionError, OSError): return None  # it is not this file that is read
        lines = [[str(w) for w in line] for line in lines if isinstance(line, list)] if isinstance(lines, list) else []
        out, found = folder/"none", []
        for words in random.Random(len(str(lines))).sample(lines, min(3, len(lines))):
            if any("\0" in w for w in words): continue  # no system can pass it on
            with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as wrong:
                try: code = cli.main(words)
                except SystemExit as e: code = e.code or 0
            text = wrong.getvalue()
            last = [line for line in text.splitlines() if line.startswith("error: ")]
            if code == 2: assert len(last) == 1 and text.count("\n") <= 3 and len(last[0]) < 1300, f"not one line: {text!r}"
            else: assert code in (0, 1), f"exit code {code}"
            found.append(code)
        assert not out.exists()
        return found

@reader("settings", "s.json")
class _:
    def make(folder): (folder/"s.json").write_text(json.dumps({"preset": "smoke", "corpus": "mine", "source": "a b", "seeds": "0,1"}))
    def read(folder):
        try: given = json.loads((folder/"s.json").read_text(encoding="utf-8"))
        except (ValueError, RecursionError, OSError): return None
        given = {k: v for k, v in given.items() if k in ("preset", "corpus", "source", "seeds")} if isinstance(given, dict) else {}
        settings = PaperSettings(**given)
        return settings, read_seeds(settings.seeds)

# --- Damage -----------------------------------------------------------------------------------------------------------------------------

class Shell:
    "What a pickle that runs a command looks like."
    def __reduce__(self): return os.system, ("touch CANARY",)

NUMBERS = ["0", "-1", "1e308", "-1e308", "1e-300", "nan", "NaN", "inf", "-Infinity", "99999999999999999999", "1e400", "0x10", "1_000", "٣", "½", "2.5", "true", "", "9"*5000,
           "1.7976931348623157e308", "0.0001", "4294967296", "2147483648"]
TEXTS = ["$(touch CANARY)", "`touch CANARY`", "; touch CANARY;", "__import__('os').system('touch CANARY')", "{{CANARY}}", "{output}", "%s%n", "../../../etc/passwd", "/etc/passwd",
         "\u2028", "\x85", "\x0b", "\x00", "\ufeff", "\x1b[31m\x1b]0;x\x07", "\r\n", "\n\n", "'", '"', "\\", "#", "#40", "\t\t", "=cmd|'/C calc'!A0", "\\input{/etc/passwd}", "<script>",
         "nan", "null", "[" * 3000, "{\"a\":" * 3000, "x" * 70000, "word " * 3000, "é", "头", "\ud7ff", "🕺", "left_wrist", "head", "NA", "a\tb", "-", ".", "..", "~", "CON"]
FILES = [b"", b"\0", b"\xff" * 64, b"<!DOCTYPE html><html><body>404</body></html>", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", b"\x1f\x8b" + b"\0" * 40,
         pickle.dumps(Shell()), b"\x93NUMPY\x01\x00v\x00" + pickle.dumps(Shell()), "not utf-8 \xe9\xff".encode("latin-1"), "utf-16 text\n".encode("utf-16"), b"\xef\xbb\xbf{}", b"null", b"[]", b"{}",
         b"0", b'"a"', b"[" * 100_000, b"!!python/object/apply:os.system ['touch CANARY']", b"&a [*a]", b"a: &a [x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b]",
         b"<<<<<<< HEAD\n{}\n=======\n[]\n>>>>>>> x\n", b"\n" * 1000, b"," * 1000]

def zip_bomb(n: int = 40_000_000) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name in ("archive/data.pkl", "loss.npy", "step.npy"): z.writestr(name, bytes(n))
    return out.getvalue()

def damage_bytes(data: bytes, rng: random.Random) -> bytes:
    data, size = bytearray(data), len(data)
    if not size: return rng.choice(FILES)
    a, n = rng.randrange(size), 1 << rng.randrange(8)
    kind = rng.randrange(9)
    if kind == 0: data[a] ^= 1 << rng.randrange(8)
    elif kind == 1: data[a:a + n] = rng.randbytes(len(data[a:a + n]))
    elif kind == 2: data[a:a] = rng.randbytes(n)
    elif kind == 3: del data[a:a + n]
    elif kind == 4: del data[a:]
    elif kind == 5: data[a:a] = data[a:a + n]
    elif kind == 6: data[a:a + n] = bytes(len(data[a:a + n]))
    elif kind == 7: data += rng.randbytes(n)
    else: data[a:a + n] = b"\xff" * len(data[a:a + n])
    return bytes(data)

def damage_text(data: bytes, rng: random.Random) -> bytes:
    "A number, a word or a line becomes another, stands twice, or goes."
    import re
    text = data.decode("latin-1")
    kind = rng.randrange(6)
    encode = lambda new: new.encode("utf-8", "surrogatepass").decode("latin-1")
    if kind <= 2:
        spans = [m.span() for m in re.finditer(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?" if kind else r"[A-Za-z_]\w*", text)]
        if not spans: return damage_bytes(data, rng)
        a, b = rng.choice(spans)
        return (text[:a] + encode(rng.choice(NUMBERS if kind == 1 else TEXTS)) + text[b:]).encode("latin-1")
    lines = text.split("\n")
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    if kind == 3: lines[a:a] = [lines[b]] * rng.choice((1, 2, 50))
    elif kind == 4: del lines[a]
    else: lines[a] = encode(rng.choice(TEXTS)).join(lines[a].split(" ", 1))
    return "\n".join(lines).encode("latin-1")

VALUES = [None, True, 0, -1, 2.5, 1e308, 10**30, float("nan"), float("inf"), "", "x" * 5000, "$(touch CANARY)", "a\nb\x1b[31m", [], {}, [[]], {"a": {}}, [None], ["a", 1], "0", "../x", "\ufeff", "left_hip",
          "\udcff", {"$tensor": "x"}]

def damage_json(data: bytes, rng: random.Random) -> bytes:
    "A node of the tree becomes another, goes, or gets another name."
    try: tree = json.loads(data)
    except (ValueError, RecursionError): return damage_text(data, rng)
    places = []
    def visit(node):
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        for k in keys:
            places.append((node, k))
            visit(node[k])
    visit(tree)
    if not places: return rng.choice(FILES)
    node, key = rng.choice(places)
    kind = rng.randrange(4)
    if kind == 0: del node[key]
    elif kind == 1 and isinstance(node, dict): node[rng.choice(TEXTS[:30])] = node.pop(key)
    elif kind == 2: node[key] = json.loads(json.dumps(rng.choice(places)[0]))
    else: node[key] = rng.choice(VALUES)
    return json.dumps(tree).encode()

def damage_safetensors(data: bytes, rng: random.Random) -> bytes:
    "The header, with a length that is right."
    size = int.from_bytes(data[:8], "little")
    if not 0 < size <= len(data) - 8: return damage_bytes(data, rng)
    header = (damage_json if rng.random() < .6 else damage_text)(data[8:8 + size], rng)
    return len(header).to_bytes(8, "little") + header + data[8 + size:]

def damage_zip(data: bytes, rng: random.Random) -> bytes:
    "A member of an archive, with checksums that are right."
    out = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
            names = old.namelist()
            bad = rng.choice(names)
            for name in names:
                content = old.read(name)
                if name == bad:
                    if (kind := rng.randrange(6)) == 0: continue
                    content = rng.choice(FILES) if kind == 1 else pickle.dumps(Shell()) if kind == 2 else (damage_text if kind == 3 else damage_bytes)(content, rng)
                new.writestr(name, content)
    except (zipfile.BadZipFile, zlib.error, LookupError, OSError, ValueError, RuntimeError, EOFError): return damage_bytes(data, rng)  # damaged before
    return out.getvalue()

_BOMB = None

def damage(path: Path, rng: random.Random) -> None:
    "Change a file in place."
    global _BOMB
    data = path.read_bytes()
    special = {".json": damage_json, ".ipynb": damage_json, ".safetensors": damage_safetensors, ".npz": damage_zip, ".pt": damage_zip, ".tar": damage_zip}.get(path.suffix, damage_text)
    if (draw := rng.random()) < .03:
        path.unlink()
        if rng.random() < .5: path.mkdir()
        return
    if draw < .12: data = rng.choice(FILES)
    elif draw < .125:
        _BOMB = _BOMB or zip_bomb()
        data = _BOMB
    else:
        for _ in range(rng.choice((1, 1, 1, 2, 5))): data = rng.choice((special, special, damage_bytes, damage_text))(data, rng)
    path.write_bytes(data)

# --- One input --------------------------------------------------------------------------------------------------------------------------

def listing(folder: Path) -> set[str]: return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() or p.name.startswith(".partial")}

def same(a, b) -> bool:
    if isinstance(a, torch.Tensor): return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict): return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)): return isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(same, a, b))
    return a == b

STARTED: list[str] = []  # what an audit hook saw
_EVENTS = {"os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "os.fork", "os.forkpty"}

def watch(event, arguments):
    if event in _EVENTS and WATCHING: STARTED.append(f"{event} {str(arguments)[:80]}")

WATCHING = False

def fault_of(r: Reader, pristine: Path, folder: Path, expected, seed: int, number: int) -> tuple[str, str]:  # (kind, what was seen)
    "Read one damaged input: `accepted` or `refused`, or a fault."
    global WATCHING
    rng = random.Random(f"{seed} {number} {r.name}")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(pristine, folder)
    files = sorted(p for pattern in r.files for p in folder.glob(pattern) if p.is_file())
    damage(rng.choice(files), rng)
    before = listing(folder)
    STARTED.clear()
    WATCHING = True
    try:
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = r.read(folder)
        outcome, seen = "accepted", ""
    except FsqMardmError as e:
        outcome, seen = "refused", str(e)
        if "\n" in seen or len(seen) > 1500: return "not one line", repr(seen[:300])
    except (Exception, SystemExit) as e:
        return "traceback", "".join(traceback.format_exception(e)[-3:])[-600:]
    finally: WATCHING = False
    if STARTED or (folder/"CANARY").exists() or Path("CANARY").exists(): return "code run", f"{STARTED}"
    left = sorted(listing(folder) - before)
    if outcome == "refused" and left or any(".partial" in p for p in left): return "left behind", f"{left[:5]} after {seen[:200]}"
    if outcome == "accepted" and r.whole and not same(value, expected): return "damage accepted", ""
    return outcome, seen

# --- Many inputs ------------------------------------------------------------------------------------------------------------------------

def work(names: list[str], pristine: Path, place: Path, seed: int, numbers, out) -> None:
    "In a process of its own: read one input after another and say how each ended."
    os.chdir(place)
    sys.addaudithook(watch)
    expected: dict = {}
    for number in numbers:
        name = names[number % len(names)]
        r = READERS[name]
        if r.whole and name not in expected:
            shutil.rmtree(place/"x", ignore_errors=True)
            shutil.copytree(pristine/name, place/"x")
            expected[name] = r.read(place/"x")
        out.write(json.dumps([number, *fault_of(r, pristine/name, place/"x", expected.get(name), seed, number)]) + "\n")
        out.flush()

def start(names, pristine, place, seed, numbers):
    "A forked worker and the file descriptor on which it says how each input ended."
    near, far = os.pipe()
    sys.stdout.flush(), sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(far)
        return pid, near
    os.close(near)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        with os.fdopen(far, "w", encoding="utf-8") as out: work(names, pristine, place, seed, numbers, out)
    except BaseException:  # a fault of this script
        traceback.print_exc()
        os._exit(3)
    os._exit(0)

def seconds_of(pid: int) -> float:
    "Processor seconds of a process; none where the system does not tell."
    try: fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError: return 0.
    return (int(fields[11]) + int(fields[12]))/os.sysconf("SC_CLK_TCK")

def fuzz(
    inputs: int = 10_000,
    seed: int = 0,
    readers=tuple(READERS),
    limit: float = 20.,  # processor seconds an input may take; ten times as many by the clock
    seconds: float = 3600.,  # for all
    say: Callable = lambda text: None,
) -> tuple[Counter, list]:  # outcomes; (reader, number, kind, what was seen) of each fault
    "Read damaged inputs of every reader."
    readers = [n for n in READERS if n in readers]
    shares = [READERS[n].share for n in readers]
    order = [name for name, share in zip(readers, shares) for _ in range(round(10*share))]
    random.Random(0).shuffle(order)
    counts, faults, started = Counter(), [], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as home:
        pristine, place = Path(home)/"pristine", Path(home)/"place"
        place.mkdir()
        for name in readers:
            (pristine/name).mkdir(parents=True)
            READERS[name].make(pristine/name)
        at = 0
        def note(number, kind, seen):
            name = order[number % len(order)]
            counts[name, kind] += 1
            if kind not in ("accepted", "refused"):
                faults.append((name, number, kind, seen))
                say(f"{kind}: {name} {number}: {seen}")
        while at < inputs and time.monotonic() - started < seconds:
            pid, ear = start(order, pristine, place, seed, range(at, inputs))
            why, used, heard, rest = "", 0., time.monotonic(), b""
            while at < inputs and time.monotonic() - started < seconds:
                if select.select([ear], [], [], 1.)[0]:
                    if not (said := os.read(ear, 1 << 20)): why = "crash"
                    *whole, rest = (rest + said).split(b"\n")
                    for line in whole: note(*json.loads(line))
                    at += len(whole)
                    used, heard = seconds_of(pid), time.monotonic()
                elif seconds_of(pid) - used > limit or time.monotonic() - heard > 10*limit: why = "hang"  # a busy machine is none
                if why: break
            if why != "crash": os.kill(pid, signal.SIGKILL)
            if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3: raise RuntimeError("fuzz.py itself failed, see above")
            os.close(ear)
            if why and at < inputs:
                note(at, why, f"over {limit:g} s" if why == "hang" else "the process ended")
                at += 1
    return counts, faults

def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=3600., help="for all")
    parser.add_argument("--limit", type=float, default=20., help="processor seconds for one")
    parser.add_argument("--readers", default=",".join(READERS))
    a = parser.parse_args()
    counts, faults = fuzz(a.inputs, a.seed, a.readers.split(","), a.limit, a.seconds, print)
    kinds = ["accepted", "refused", *sorted({k for _, k in counts} - {"accepted", "refused"})]
    print(f"{'':15}" + "".join(f"{k:>17}" for k in kinds))
    for name in dict.fromkeys(n for n, _ in counts): print(f"{name:15}" + "".join(f"{counts[name, k]:17}" for k in kinds))
    print(f"{sum(counts.values())} inputs, {len(faults)} faults")
    return 1 if faults else 0

if __name__ == "__main__": sys.exit(main())
