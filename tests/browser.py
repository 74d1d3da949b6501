"""A headless Chromium, driven over its DevTools protocol: what a page logs, asks of the network, and shows."""
import base64, json, os, shutil, subprocess, time, urllib.request
from pathlib import Path

from websocket import WebSocketTimeoutException, create_connection

CHROME = os.environ.get("CHROME") or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FLAGS = ("--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
         "--disable-sync --disable-dev-shm-usage --hide-scrollbars --remote-debugging-port=0").split()
KEYS = {" ": ("Space", 32), "ArrowRight": ("ArrowRight", 39), "ArrowLeft": ("ArrowLeft", 37), "ArrowUp": ("ArrowUp", 38), "ArrowDown": ("ArrowDown", 40), "Home": ("Home", 36), "End": ("End", 35)}

class Page:
    "One page; `errors` and `requests` fill as it runs."
    def __init__(self, profile, size=(1200, 800)):
        self.process = subprocess.Popen([CHROME, *FLAGS, f"--window-size={size[0]},{size[1]}", f"--user-data-dir={profile}", "about:blank"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port = self._wait(lambda: (Path(profile)/"DevToolsActivePort").read_text().split()[0], "a debugging port")
        pages = self._wait(lambda: [p for p in json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json")) if p["type"] == "page"], "a page")
        self.socket, self.count = create_connection(pages[0]["webSocketDebuggerUrl"], suppress_origin=True, timeout=30), 0
        self.errors, self.requests, self.events = [], [], []
        for domain in ("Page", "Runtime", "Log", "Network"): self.call(f"{domain}.enable")

    def __enter__(self): return self

    def __exit__(self, *_):
        self.socket.close()
        self.process.terminate()
        self.process.wait(20)

    def _wait(self, look, what, seconds=30.):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.process.poll() is None, f"the browser ended with code {self.process.returncode}"
            try:
                if found := look(): return found
            except (OSError, IndexError): pass
            time.sleep(.05)
        raise TimeoutError(f"no {what} within {seconds:g} s")

    def _note(self, message):
        kind, p = message["method"], message["params"]
        self.events.append(kind)
        if kind == "Runtime.exceptionThrown": self.errors.append(p["exceptionDetails"].get("exception", {}).get("description") or p["exceptionDetails"]["text"])
        if kind == "Runtime.consoleAPICalled" and p["type"] in ("error", "assert", "warning"): self.errors.append(" ".join(str(a.get("value", a.get("description"))) for a in p["args"]))
        if kind == "Log.entryAdded" and p["entry"]["level"] in ("error", "warning"): self.errors.append(p["entry"]["text"])
        if kind == "Network.requestWillBeSent": self.requests.append(p["request"]["url"])

    def call(self, method, **params):
        "The result of a DevTools method."
        self.count += 1
        self.socket.send(json.dumps(dict(id=self.count, method=method, params=params)))
        while "id" not in (message := json.loads(self.socket.recv())) or message["id"] != self.count: self._note(message)
        assert "error" not in message, f"{method}: {message['error']}"
        return message["result"]

    def drain(self, seconds=.05):
        "Take in what has happened."
        self.socket.settimeout(seconds)
        try:
            while True: self._note(json.loads(self.socket.recv()))
        except WebSocketTimeoutException: pass
        finally: self.socket.settimeout(30)

    def run(self, script):
        "The value of an expression in the page."
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, script, what=None, seconds=30.): return self._wait(lambda: self.run(script), what or script, seconds)

    def open(self, url):
        self.call("Page.navigate", url=url)
        self._wait(lambda: self.drain() or "Page.loadEventFired" in self.events, f"load of {url}")

    def click(self, selector, across=.5):
        "A real click on an element, at a share of its width."
        box = self.run(f"(e => {{ e.scrollIntoView({{block: 'nearest'}}); const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; }})(document.querySelector({json.dumps(selector)}))")
        at = dict(x=box[0] + across*box[2], y=box[1] + box[3]/2, button="left", clickCount=1)
        for kind in ("mousePressed", "mouseReleased"): self.call("Input.dispatchMouseEvent", type=kind, **at)

    def drag(self, start, end):
        "Press at one point of the window, move, and release at another."
        for kind, (x, y) in (("mousePressed", start), ("mouseMoved", end), ("mouseReleased", end)):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=int(kind == "mouseMoved"), clickCount=1)

    def press(self, key):
        code, number = KEYS[key]
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=code, windowsVirtualKeyCode=number, **({"text": key} if key == " " and kind == "keyDown" else {}))

    def screenshot(self, path, **how):
        Path(path).write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png", **how)["data"]))
        return Path(path)
