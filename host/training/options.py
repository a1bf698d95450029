"""What is asked of a training."""

from __future__ import annotations

from dataclasses import dataclass

from host.core.decide import AT_ONCE, Decision
from host.core.fixed import VALUE_MAX
from host.data.windows import Windowing


@dataclass(frozen=True)
class Options:
    """What somebody asked for; None, or what the field begins with: as the recipe says.

    model: a key of RECIPES; data: a CSV file; recordings, windowing: recordings instead, and what windows of them are
    the samples; target, drop, columns, categorical: names of the file's columns: what to learn, what to leave out, the
    only inputs, inputs of text to be taken one-hot; missing: "drop" the rows with empty cells;
    task: "classes" or "numbers", what the targets are; layers: units of mlp, inputs first; activation: of the layers
    between, as HIDDEN_ACTIVATIONS names them; class_weight: one of CLASS_WEIGHTS; split: shares of training, validation
    and test, None: of a file of HOLD_OUT_FROM rows HOLD_OUT; split_seed: of the split alone; standardise: None: of a
    file, unless init or grid give parameters of raw inputs; loss, algorithm, dtype: as host.training.recipes names
    them; l2: as in host.core.learn; grid: low, high, step of each parameter or of all; init: the parameters to start
    from; seed: of start, split and shuffling; tries: starts, of which the best is kept; ranges: low, high of each input
    or of all; led: the class, or the target, that lights the LED; off_threshold: what its output must fall to for the
    LED to go out again; decision: the rest of how it follows the model; release: of the model, 0: none; full_history:
    keep the loss of every epoch, however many; resume: a file of host.training.saved to go on from.
    """

    model: str
    data: str | None = None
    recordings: tuple[str, ...] = ()
    windowing: Windowing | None = None
    target: list[str] | None = None
    drop: list[str] | None = None
    columns: list[str] | None = None
    categorical: list[str] | None = None
    missing: str | None = None
    task: str | None = None
    layers: list[int] | None = None
    bias: bool = True
    activation: str | None = None
    class_weight: str | None = None
    split: list[float] | None = None
    split_seed: int | None = None
    standardise: bool | None = None
    algorithm: str | None = None
    loss: str | None = None
    rate: float | None = None
    epochs: int | None = None
    batch_size: int | None = None
    shuffle: bool = False
    tolerance: float | None = None
    patience: int | None = None
    l2: float | None = None
    dtype: str = "float64"
    grid: list[float] | None = None
    init: list[float] | None = None
    seed: int | None = None
    tries: int = 1
    ranges: list[float] | None = None
    led: str | None = None
    led_threshold: float | None = None
    off_threshold: float | None = None
    decision: Decision = AT_ONCE
    release: int = 0
    full_history: bool = False
    resume: str | None = None

    @property
    def own_data(self) -> bool:
        """Whether the samples come from people's files."""
        return bool(self.data or self.recordings)


NETWORK_OPTIONS = {
    "layers": "--layers",
    "bias": "--no-bias",
    "activation": "--activation",
    "tries": "--tries",
}
"""What only a network has."""


def conflict(options: Options, algorithm: str) -> str | None:
    """What does not go together whatever the data are, or None: an option that would do nothing is wrong too.
    algorithm: that is taken."""
    usual = Options(options.model)
    given = [said for name, said in NETWORK_OPTIONS.items() if getattr(options, name) != getattr(usual, name)]
    if options.model != "mlp" and given:
        return f"{given[0]} goes with --model mlp"
    if options.activation and options.layers and len(options.layers) == 2:
        return "--activation is of layers between inputs and outputs: --layers has none"
    if options.init is not None and options.tries > 1:
        return "--tries does nothing with --init: all would start from the same parameters"
    if options.init is not None and max(map(abs, options.init)) > VALUE_MAX:
        return f"--init has a number beyond {VALUE_MAX:.0f}"
    if algorithm == "grid" and options.model == "mlp":
        return "--algorithm grid is for a single neuron; mlp has too many parameters"
    if options.grid and algorithm != "grid":
        return "--grid goes with --algorithm grid"
    if options.batch_size and algorithm not in ("minibatch", "adam"):
        return "--batch-size goes with --algorithm minibatch or adam"
    if options.shuffle and (algorithm == "batch" or (algorithm == "adam" and not options.batch_size)):
        return "--shuffle goes with --algorithm sgd or minibatch, or adam with --batch-size"
    return None
