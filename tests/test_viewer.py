"""The viewer in a real browser: it plays, scrubs and obeys its speed, says nothing on the console and asks nothing of the network."""
import numpy as np
import pytest

from fsq_mardm.skeleton import HUMANML3D
from fsq_mardm.synthetic import draw_clip
from fsq_mardm.viewer import save_html

browser = pytest.importorskip("browser", reason="needs websocket-client, which JupyterLab brings")
needs_chromium = pytest.mark.skipif(not browser.CHROME, reason="no chromium or chrome on PATH, and CHROME does not name one")
FRAME, STATE = "Number(document.getElementById('scrub').value)", "document.getElementById('play').textContent"

@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("viewer")
    motions = [(kind, draw_clip(kind, np.random.default_rng(seed))[1]) for seed, kind in enumerate(("walk", "kick"))]
    path = save_html(folder/"motion.html", motions, HUMANML3D, title="Two motions")
    with browser.Page(folder/"profile") as page:
        page.open(path.as_uri())
        page.last = max(len(j) for _, j in motions) - 1
        yield page

def pixels(page): return page.run("[...document.querySelectorAll('canvas')].map(c => c.toDataURL()).join()")

def rate(page):
    "Frames a second that go by, on the page's own clock."
    page.run("document.getElementById('scrub').value = 0; document.getElementById('scrub').oninput()")
    page.click("#play")
    # both looks are taken when a picture is due, right after the viewer's own: between pictures the number on the page is old
    return page.run(f"new Promise(done => {{ let from = null; function look(now) {{ if (from === null) from = [now, {FRAME}];"
                    f" else if (now - from[0] > 700) return done(({FRAME} - from[1])/(now - from[0])*1000); requestAnimationFrame(look); }}"
                    " requestAnimationFrame(look); })")

@needs_chromium
def test_viewer_plays_scrubs_and_keeps_to_itself(page, tmp_path):
    assert page.run(STATE) == "Pause"                                   # it plays by itself
    first = page.run(FRAME)
    page.until(f"{FRAME} > {first}", "a frame that moves on")
    page.click("#play")
    assert page.run(STATE) == "Play"
    still = page.run(FRAME)
    page.run("new Promise(done => setTimeout(done, 200))")
    assert page.run(FRAME) == still                                     # paused is paused
    before = pixels(page)
    page.click("#scrub", .5)
    assert abs(page.run(FRAME) - page.last/2) < .05*page.last and pixels(page) != before
    assert page.run("document.getElementById('time').textContent").endswith(f"frame {page.run(FRAME)}")
    for key, moved in (("ArrowRight", 1), ("ArrowRight", 1), ("ArrowLeft", -1)):
        at = page.run(FRAME)
        page.press(key)
        assert page.run(FRAME) == at + moved
    page.press("End"); assert page.run(FRAME) == page.last
    page.press("Home"); assert page.run(FRAME) == 0
    speeds = {}
    for share in ("0.25", "2"):
        page.run(f"document.getElementById('speed').value = '{share}'")
        speeds[share] = rate(page)
        page.click("#play")
    assert 2 < speeds["0.25"] < 9 and 30 < speeds["2"] < 48, speeds       # of 5 and 40 frames a second
    box, before = page.run("(b => [b.x + b.width/2, b.y + b.height/2])(document.querySelector('canvas').getBoundingClientRect())"), pixels(page)
    page.drag(box, [box[0] + 120, box[1] + 20])
    assert pixels(page) != before                                       # dragging turns the camera
    page.click("#scrub", .4)
    assert page.screenshot(tmp_path/"viewer.png").stat().st_size > 10_000
    page.drain(.2)
    assert not page.errors and all(url.startswith("file:") and url.endswith("motion.html") for url in page.requests), (page.errors, page.requests)
