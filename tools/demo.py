"""The main job, end to end, on a simulated node: all set-up, then train w·x and AND, deploy AND, watch the lamp.

    python3 tools/demo.py

Needs Python 3.11, git's clone and a C compiler; makes .venv in the clone on its first run. Linux or macOS.
It runs host.train --deploy sim, and passes options on: python -m host.train --help lists them.
"""

import argparse
import os
import shutil
import subprocess
import sys

if sys.version_info < (3, 11):
    sys.stderr.write("error: Python 3.11 or newer is needed; this is " + sys.version.split()[0] + "\n")
    sys.exit(2)

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from host.boards import monocypher
from host.errors import NeuronError
from tools.environment import ROOT, ensure_python, stop


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python3 tools/demo.py",
        usage="%(prog)s [OPTION ...]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.parse_known_args()
    if not any(shutil.which(name) for name in (os.environ.get("CC") or "cc", "cc", "gcc", "clang")):
        stop("a C compiler is needed for the simulated node; on Debian: apt-get install gcc libc6-dev")
    python = str(ensure_python())
    try:
        monocypher.fetch(python)
    except NeuronError as error:
        print(f"warning: {error} (the simulated node goes without hashes and keys)", file=sys.stderr)
    command = [python, "-m", "host.train", "--deploy", "sim", *sys.argv[1:]]
    os.chdir(ROOT)
    if os.name == "nt":
        return subprocess.run(command).returncode
    sys.stdout.flush()
    os.execv(command[0], command)  # one process: Ctrl-C reaches it, and its exit status is ours


if __name__ == "__main__":
    sys.exit(main())
