"""What is installed: one version, every dependency locked with its hashes, every import declared."""
import ast
import configparser
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import fsq_mardm

PROJECT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((PROJECT/"pyproject.toml").read_text(encoding="utf-8"))
SETTINGS = configparser.ConfigParser()
SETTINGS.read(PROJECT/"settings.ini", encoding="utf-8")
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
NEEDED = [Requirement(r) for group in (PYPROJECT["project"]["dependencies"], *EXTRAS.values()) for r in group]

def locked() -> dict[str, tuple[str, list[str]]]:
    "Version and hashes of each package of the lock."
    text = (PROJECT/"requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    entries = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(e[0].split("==")[0]): (e[0].split("==")[1], e[1:]) for e in entries}

LOCKED = locked()

def test_one_version():
    assert SETTINGS["DEFAULT"]["version"] == fsq_mardm.__version__
    assert PYPROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "fsq_mardm.__version__"}
    assert yaml.safe_load((PROJECT/"CITATION.cff").read_text(encoding="utf-8"))["version"] == fsq_mardm.__version__
    assert re.search(rf"^## {re.escape(fsq_mardm.__version__)}\b", (PROJECT/"CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)

def test_nbdev_and_pyproject_say_the_same():
    settings, project = SETTINGS["DEFAULT"], PYPROJECT["project"]
    assert (settings["lib_name"], settings["description"]) == (project["name"], project["description"])
    assert project["requires-python"] == f">={settings['min_python']}"
    modules = {".".join(p.relative_to(PROJECT).parent.parts) for p in PROJECT.glob("fsq_mardm/**/*.py")}
    assert set(PYPROJECT["tool"]["setuptools"]["packages"]) == modules

def test_no_address_that_leads_nowhere():
    for file in ("settings.ini", "pyproject.toml", "CITATION.cff", "README.md"):
        text = (PROJECT/file).read_text(encoding="utf-8")
        assert not (found := re.findall(r"\S*\bexample\.(?:org|com|net)\b|\S+\.example\b", text)), f"{file}: {found}"

def test_every_locked_package_has_hashes():
    assert len(LOCKED) > 100
    for name, (version, hashes) in LOCKED.items():
        assert hashes and all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", h) for h in hashes), f"{name}=={version}"

@pytest.mark.parametrize("requirement", NEEDED, ids=str)
def test_dependency_is_locked_in_its_range(requirement):
    name = canonicalize_name(requirement.name)
    if name == "fsq-mardm":  # an extra that holds another one
        assert requirement.extras <= set(EXTRAS)
        return
    makefile = (PROJECT/"Makefile").read_text(encoding="utf-8")
    version = re.search(r"^TORCH .*==(\S+)$", makefile, re.MULTILINE)[1] if name == "torch" else LOCKED[name][0]
    assert requirement.specifier.contains(version), f"{name}: locked {version}, declared {requirement.specifier}"

def test_every_import_is_declared():
    "A name that is imported belongs to a declared package; those whose package is called otherwise are listed."
    called = {"yaml": "pyyaml", "IPython": "ipython"}
    optional = {"clip", "open_clip", "huggingface_hub"}  # used where a user has them
    declared = {canonicalize_name(r.name) for r in NEEDED} | {"jupyter-client", "traitlets", "fsq-mardm"}
    for path in PROJECT.glob("fsq_mardm/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level: names = [node.module]
            for top in {n.split(".")[0] for n in names} - sys.stdlib_module_names - optional:
                assert canonicalize_name(called.get(top, top)) in declared, f"{path.name} imports {top}"

def test_the_packaged_model_does_what_its_sentence_says():
    import numpy as np
    import torch

    from fsq_mardm.pipeline import box_folder
    from fsq_mardm.skeleton import bones
    from fsq_mardm.stages import TextToMotion
    model = TextToMotion.from_pretrained(box_folder())
    sentences = ["a person walks forward", "a person raises both arms"]
    walks, stands = model.joints(sentences, [120, 120], [0, 1], time_steps=10, cfg=4.5, solver_steps=4)
    gone = lambda joints: float(np.linalg.norm(joints[-1, 0, [0, 2]] - joints[0, 0, [0, 2]]))
    assert gone(walks) > 1.5 > .5 > gone(stands)
    assert stands[..., 1].max() > walks[..., 1].max() + .05  # hands above the head
    lengths = bones(torch.as_tensor(walks), model.skeleton).norm(dim=-1)
    assert float((lengths.amax(0)/lengths.amin(0)).max()) < 1.001  # nothing stretches
