"""neuron485, the PC's side. A folder a stage: data -> training -> models -> node; the commands stand beside this file.

core holds the twins of the firmware; its wire holds every register, command and limit.
"""

import os.path
import sys

__version__ = "0.1.0"

# As a program: the command `neuron485`, or Python is still looking for the module of `python -m host.COMMAND`.
if os.path.basename((sys.argv or [""])[0]) in ("-m", "neuron485", "neuron485.exe"):
    try:
        from host.start import prepare

        prepare()
    except KeyboardInterrupt:
        sys.exit(130)
