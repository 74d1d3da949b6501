"""Run the Python examples of a README, in order and in one namespace: `python readme_examples.py README.md`."""
import re
import sys
from pathlib import Path

examples = re.findall(r"```python\n(.*?)```", Path(sys.argv[1]).read_text(encoding="utf-8"), re.DOTALL)
if len(examples) < 2: sys.exit(f"error: {sys.argv[1]}: {len(examples)} Python examples; expected at least two")
names: dict = {}
for example in examples: exec(compile(example, sys.argv[1], "exec"), names)
print(f"{len(examples)} passed, 0 failed")
