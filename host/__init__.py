"""neuron485, the PC's side. A folder a stage: data -> training -> models -> node; the commands stand beside this file.

core holds the twins of the firmware; its wire holds every register, command and limit.
"""

import sys

__version__ = "0.2.0"

# Python is still looking for the module of `python -m host.COMMAND`, and will run it.
if sys.argv[:1] == ["-m"]:
    try:
        from host.start import prepare

        prepare()
    except KeyboardInterrupt:
        sys.exit(130)
