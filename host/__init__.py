"""neuron485, the PC's side: one flat module per stage of the pipeline.

dataset -> train (learn) -> quantise -> deploy; wire holds every register, command and limit.
"""

import sys

# Python is still looking for the module of `python -m host.COMMAND`, and will run it.
if sys.argv[:1] == ["-m"]:
    try:
        from host.start import prepare

        prepare()
    except KeyboardInterrupt:
        sys.exit(130)
