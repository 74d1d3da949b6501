"""The plugin that mypy reads: methods under `@patch` are checked like any others."""
import subprocess, sys
from pathlib import Path

PLUGIN = Path(__file__).with_name("mypy_patch.py")
SOURCE = '''
def patch(f=None, as_prop=False): return f

class Loose:
    def __getattr__(self, name: str) -> str: return name

class Grid(Loose):
    size: int = 3

@patch
def times(self: Grid, k: int) -> int: return self.size*k

@patch(as_prop=True)
def half(self: Grid) -> float: return self.times(1)/2

class Other(Loose): pass

@patch
def times(self: Other, word: str) -> str: return word

fits: float = Grid().half + Grid().times(2)
said: str = Other().times("a")
'''

def told(folder: Path, *lines: str) -> str:
    "What mypy says of the source and these lines."
    (folder/"mypy.ini").write_text(f"[mypy]\nplugins = {PLUGIN}\n", encoding="utf-8")
    (folder/"source.py").write_text(SOURCE + "\n".join(lines) + "\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "mypy", "source.py"], cwd=folder, capture_output=True, text=True)
    return done.stdout + done.stderr

def test_patched_methods_have_types(tmp_path):
    assert "Success" in told(tmp_path)
    said = told(tmp_path, 'Grid().times("2")', "wrong: str = Grid().half", "Other().times(1)")
    assert "Found 3 errors" in said, said
    for part in ('"times" of "Grid" has incompatible type "str"', 'has type "float"', '"times" of "Other" has incompatible type "int"'):
        assert part in said, said
