"""The notebooks of nbs/explore run offline on tiny models, their sliders and buttons do what they say."""
import json, socket
from pathlib import Path

import matplotlib
import nbformat
import numpy as np
import pytest

from fsq_mardm.pipeline import make_demo

PROJECT = Path(__file__).resolve().parent.parent
BRIEF = dict(steps=1, batch_size=4, warm_up_iter=1)
LEAST = dict(corpus=dict(n_clips=24), ae=dict(BRIEF, overrides=dict(width=32, latent_dim=32)), length=dict(steps=1), encoder="hash",
             generator=dict(BRIEF, overrides=dict(latent_dim=16, ff_size=16, head=dict(depth=1, width=16))))

@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return str(make_demo(tmp_path_factory.mktemp("demo"), ("AE", "VQ", "FSQ"), LEAST, progress=False))

@pytest.fixture
def run(monkeypatch, models):
    "A function that runs a notebook's code cells here, with parameters, and gives its names."
    matplotlib.use("Agg")
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *things: shown.extend(things))
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the notebook asks the network"))
    def run(name, **parameters):
        names = {"__name__": name, "shown": shown}
        for cell in nbformat.read(PROJECT/f"nbs/explore/{name}.ipynb", 4).cells:
            if cell.cell_type != "code": continue
            exec(compile(cell.source, name, "exec"), names)
            if "parameters" in cell.metadata.get("tags", []):
                assert set(parameters) <= set(names)
                names.update(checkpoints_dir=models, **parameters)
        return names
    return run

def test_coordinates_move_the_pose(run):
    names = run("coordinates")
    codes, before, sliders, picture, at = (names[k] for k in ("codes", "before", "sliders", "picture", "at"))
    first, where = bytes(picture.value), at.value
    assert first.startswith(b"\x89PNG") and np.allclose([g[s.value] for g, s in zip(names["grid"], sliders)], before[0, where], atol=1e-6)
    sliders[0].value = level = (sliders[0].value + 3) % len(names["grid"][0])
    assert (codes != before).nonzero().tolist() == [[0, where, 0]] and codes[0, where, 0] == names["grid"][0][level]
    assert not np.array_equal(names["decoded"](codes)[0], names["still"]) and names["moved"].value.startswith("joints moved by ")
    at.value = where - 3
    assert bytes(picture.value) != first and (codes != before).sum() == 1           # choosing a token shows it and changes nothing
    names["reset"](None)
    at.value = where
    assert bytes(picture.value) == first and (codes == before).all()
    names["watch"](None)
    assert "as it is now" in names["shown"][-1].data

def test_compare_shows_every_method(run, tmp_path):
    names = run("compare", out=str(tmp_path/"three.html"), frames=24, time_steps=2)
    scene = json.loads((tmp_path/"three.html").read_text().split('id="motion">')[1].split("</script>")[0])
    assert [m["title"].split(":")[0] for m in scene["motions"]] == ["AE", "VQ", "FSQ"] and {m["frames"] for m in scene["motions"]} == {24}

def test_a_prompt_makes_motion(run, tmp_path):
    names = run("sample", out=str(tmp_path/"kept"), frames_at_start=16)
    names["prompt"].value, names["frames"].value, names["count"].value = "someone jumps", 24, 1
    names["go"].click()
    assert names["make"].last[0][0].text == "someone jumps" and np.shape(names["make"].last[1]) == (1, 24, 22, 3)
    assert len(list((tmp_path/"kept").iterdir())) == 10                  # three figures and one page
