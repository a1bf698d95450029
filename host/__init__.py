"""neuron485, the PC's side. A folder a stage: data -> training -> models -> node; the commands stand beside this file.

core holds the twins of the firmware; its wire holds every register, command and limit.
"""

__version__ = "0.2.0"
