"""README's end of the demo: what `python3 tools/demo.py` prints last, as it was printed.

python -m tools.generated writes it; it runs the demo's command on a simulated node.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tools.generate import ROOT

STARTS_WITH = "  1 if "


def ending() -> str:
    """From the trained neuron to the lit lamp; the seconds, which differ from run to run, are left out."""
    result = subprocess.run(
        [sys.executable, "-m", "host.train", "--deploy", "sim"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1"},
    )
    text = result.stdout[result.stdout.index(STARTS_WITH) :]
    return re.sub(r", after [\d.]+ s", "", text)


def block() -> str:
    return "```text\n" + ending().rstrip("\n") + "\n```\n"
