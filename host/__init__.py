"""neuron485, the PC's side: one flat module per stage of the pipeline.

dataset -> train (learn) -> quantise -> deploy; wire holds every register, command and limit.
"""
