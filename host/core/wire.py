"""The wire contract: registers, commands, limits and codes. The one source.

`python -m tools.generated` writes `firmware/core/wire.h` and docs/registers.md from this module.
Change anything here that a node or a PLC could notice, and WIRE_VERSION goes up by one.

Values of more than one register stand high word first and change only whole, within one frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

WIRE_VERSION = 2
"""Checked by the host before anything else."""

# ----------------------------------------------------------------------------------------------------- limits

LAYERS_MAX = 8
UNITS_MAX = 64
"""Inputs of the model, and outputs of any layer."""
VECTORS_MAX = 32
"""Self-test vectors of one image."""
IMAGE_MAX = 8192
"""Bytes of an image, header and CRC included."""
ARENA_BYTES = 61440
"""Memory of a node for the data of a training and all that it needs."""
NAME_BYTES = 16
FRACTION_MIN, FRACTION_MAX = -16, 31
"""Fraction bits of an input or of a layer's output: value = q * 2**-fraction."""
SHIFT_MIN, SHIFT_MAX = -15, 46
"""Accumulator's fraction bits minus those of its output: a negative shift goes left, saturating."""
UID_BYTES = 12
FAULT_FILE_BYTES = 16

# ------------------------------------------------------------------------------------------------------ image

IMAGE_MAGIC = int.from_bytes(b"N485", "little")
IMAGE_VERSION = 2
IMAGE_VERSION_OLDEST = 1
"""A node runs images of both: what it keeps outlives an update of its firmware. The PC writes the newer only."""
NAMES_GROUP, NAMES_NEXT = 0x1E, 0x1F
"""Between the groups of names in an image, and between the names of a group: ASCII's record and unit separator."""


class Flag(IntEnum):
    """Flags of an image: parts that only some images have, and what lights the LED; core/image draws them."""

    RANGES = 1
    OFFSETS = 2
    OUTPUT_FRACTIONS = 4
    NAMES = 8
    LED_CLASS = 16


class Activation(IntEnum):
    """How a layer turns its accumulator into its output."""

    IDENTITY = 0
    RELU = 1
    STEP = 2
    SIGMOID = 3
    TANH = 4


SIGMOID_IN_FRACTION = 11
TANH_IN_FRACTION = 12
UNIT_OUT_FRACTION = 15
"""Fraction bits of what sigmoid and tanh give: Q0.15."""
STEP_OUT_FRACTION = 0

# ------------------------------------------------------------------------------------------------------ codes


class Command(IntEnum):
    """Codes of the COMMAND register. Each may be sent twice: a repeat after a lost reply changes nothing more."""

    NONE = 0
    VERIFY = 1
    COMMIT = 2
    ROLLBACK = 3
    SAVE_SETTINGS = 4
    RESTART = 5
    TRAIN = 6
    RESUME = 7
    STOP = 8
    INSTALL = 9
    """VERIFY, and where that is accepted, COMMIT."""


class State(IntEnum):
    """What the node is doing beside serving and inferring."""

    IDLE = 0
    ERASING = 1
    COMMITTING = 2
    TRAINING = 3


class Training(IntEnum):
    """How the training on the board stands. DONE and CONVERGED: its model is quantised, tested and staged."""

    NONE = 0
    RUNNING = 1
    PAUSED = 2
    DONE = 3
    CONVERGED = 4
    DIVERGED = 5
    STOPPED = 6
    REFUSED = 7


class Loss(IntEnum):
    """What a training makes small: mean squared error; half of it; the sum of squares over outputs and samples; mean
    cross-entropy, for sigmoid outputs and targets 0..1; cross-entropy of classes, for identity outputs, of which
    softmax makes shares."""

    MEAN = 0
    HALF = 1
    SUM = 2
    CROSS = 3
    SOFTMAX = 4


class Start(IntEnum):
    """Why the node last started."""

    POWER = 0
    PIN = 1
    SOFTWARE = 2
    WATCHDOG = 3
    FAULT = 4


class Reason(IntEnum):
    """Why the node refused the last command, or a model at start."""

    NONE = 0
    MAGIC = 1
    VERSION = 2
    LENGTH = 3
    CRC = 4
    SIZES = 5
    ALIGNMENT = 6
    FRACTION = 7
    ACTIVATION = 8
    PADDING = 9
    SELF_TEST = 10
    NOT_VERIFIED = 11
    NO_PREVIOUS = 12
    SETTINGS = 13
    FLASH = 14
    COMMAND = 15
    TRAIN_SHAPE = 16
    TRAIN_ROOM = 17
    TRAIN_DATA = 18
    ROTTEN_MODEL = 19
    ROTTEN_SETTINGS = 20
    ROTTEN_RUNNING = 21
    SUPPLY = 22
    WEAR = 23
    CRYSTAL = 24


REASON_TEXT = {
    Reason.NONE: "nothing was refused",
    Reason.MAGIC: "the bytes are not a neuron485 image",
    Reason.VERSION: "the image has a format version that the node does not know",
    Reason.LENGTH: "the image's length does not fit its contents or the node",
    Reason.CRC: "the image's CRC-32 does not match its bytes",
    Reason.SIZES: "a layer, input, output or vector count is out of range or does not chain",
    Reason.ALIGNMENT: "the image is not aligned to 4 bytes",
    Reason.FRACTION: "fraction bits, or an input's offset or range, are out of range",
    Reason.ACTIVATION: "a layer has an unknown activation",
    Reason.PADDING: "a reserved field, padding byte or the name is not in its one allowed form",
    Reason.SELF_TEST: "a self-test vector gave another output on the node",
    Reason.NOT_VERIFIED: "COMMIT names an image that was not verified",
    Reason.NO_PREVIOUS: "there is no previous model of that CRC-32 to go back to",
    Reason.SETTINGS: "an address, baud rate, format or gap setting is out of range",
    Reason.FLASH: "the flash did not keep what was written",
    Reason.COMMAND: "the command is unknown",
    Reason.TRAIN_SHAPE: "the training asked for has sizes, activations or options that the node does not know",
    Reason.TRAIN_ROOM: "data and parameters of the training do not fit into the node's memory",
    Reason.TRAIN_DATA: "a number of the training's data is not finite, or a range is reversed",
    Reason.ROTTEN_MODEL: "a kept model is damaged in the flash: an older one runs, or none; deploy it again",
    Reason.ROTTEN_SETTINGS: "kept line settings are damaged in the flash: older ones or the defaults are in force; "
    "save them again",
    Reason.ROTTEN_RUNNING: "the running image no longer matched its CRC-32 and was taken out of use; deploy it again",
    Reason.SUPPLY: "the supply is below 2.9 V: nothing is written to the flash until it is higher",
    Reason.WEAR: "too many commits in a short time, which would wear the flash out: wait DETAIL min",
    Reason.CRYSTAL: "the crystal does not oscillate: the node runs from its internal oscillator",
}


class Format(IntEnum):
    """Character formats of the serial line."""

    F8E1 = 0
    F8O1 = 1
    F8N1 = 2
    F8N2 = 3


class Gap(IntEnum):
    """How long the silence is that ends a frame."""

    STANDARD = 0
    """3.5 characters, but 1750 us above 19200 baud (Modbus over Serial Line V1.02, 2.5.1.1)."""
    TRUE_CHARACTERS = 1
    """3.5 characters at every rate."""


FORMATS = {code.name[1:]: code for code in Format}
GAPS = {"standard": Gap.STANDARD, "true": Gap.TRUE_CHARACTERS}
"""What people call them."""


DEFAULT_ADDRESS = 1
DEFAULT_BAUD = 19200
DEFAULT_FORMAT = Format.F8E1
DEFAULT_GAP = Gap.STANDARD
ADDRESS_MIN, ADDRESS_MAX = 1, 247
BAUD_MIN, BAUD_MAX = 1200, 1_000_000

# -------------------------------------------------------------------------------------------------- registers


class Table(IntEnum):
    """The four Modbus tables."""

    COIL = 0
    DISCRETE = 1
    HOLDING = 2
    INPUT = 3


@dataclass(frozen=True)
class Register:
    """One named value or row of values on the bus.

    `kind` is bit, u16, i16, u32, f32, f64 or bytes; `count` is how many values stand in a row, of bytes
    how many bytes.
    """

    table: Table
    address: int
    name: str
    kind: str
    count: int
    text: str

    @property
    def width(self) -> int:
        """Modbus addresses that one value takes."""
        return {"u32": 2, "f32": 2, "f64": 4}.get(self.kind, 1)

    @property
    def size(self) -> int:
        """Modbus addresses that the whole row takes."""
        return self.count // 2 if self.kind == "bytes" else self.count * self.width

    @property
    def end(self) -> int:
        return self.address + self.size


def _codes(codes: type[IntEnum]) -> str:
    """ "0 IDLE, 1 ERASING, ...": the codes of a register, for its text."""
    return ", ".join(f"{code.value} {code.name}" for code in codes)


def _rows(table: Table, *rows: tuple[int, str, str, int, str]) -> list[Register]:
    return [Register(table, *row) for row in rows]


REGISTERS: list[Register] = [
    *_rows(
        Table.COIL,
        (0, "LAMP_TEST", "bit", 1, "1: the lamp is lit whatever the neuron says"),
        (1, "HOLD", "bit", 1, "1: inputs may change, outputs and lamp keep their values until 0"),
        (2, "IDENTIFY", "bit", 1, "1: the lamp blinks, to find this node among many"),
    ),
    *_rows(
        Table.DISCRETE,
        (0, "LED", "bit", 1, "the lamp is lit"),
        (1, "MODEL_VALID", "bit", 1, "a model is running"),
        (2, "TRAINING", "bit", 1, "the node is training itself"),
        (3, "FAULT", "bit", 1, "something is wrong that will not pass by itself; see FAULTS"),
        (4, "BUSY", "bit", 1, "an erase or a commit is under way; see STATE"),
        (5, "STAGED", "bit", 1, "a verified image waits for COMMIT"),
        (6, "DECISION", "bit", 1, "what lights the LED: an output above its threshold, or a class"),
        (7, "CLIPPED", "bit", 1, "an input is beyond what its format holds, and was cut to the nearest"),
        (8, "ATTENTION", "bit", 1, "FAULTS, FAULT_FILE or MISSED have something to say"),
        (9, "HELD", "bit", 1, "a coil is set, and holds the lamp or the outputs"),
        (10, "OUT_OF_RANGE", "bit", 1, "CLIPPED, or an input is beyond what the model was made for"),
    ),
    *_rows(
        Table.HOLDING,
        (0x0000, "INPUTS", "i16", UNITS_MAX, "inputs of the neuron, q; see INPUT_FRACTION"),
        (0x0100, "INPUTS_FLOAT", "f32", UNITS_MAX, "the same inputs in their own units, as written"),
        (
            0x0200,
            "ADDRESS",
            "u16",
            1,
            f"node address, {ADDRESS_MIN}..{ADDRESS_MAX}; SAVE_SETTINGS applies and keeps these four",
        ),
        (0x0201, "BAUD", "u32", 1, f"baud rate, {BAUD_MIN}..{BAUD_MAX}; default {DEFAULT_BAUD}"),
        (
            0x0203,
            "FORMAT",
            "u16",
            1,
            _codes(Format).replace(" F8", " 8") + f"; default {DEFAULT_FORMAT.value}",
        ),
        (0x0204, "GAP", "u16", 1, "silence that ends a frame: " + _codes(Gap)),
        (0x0300, "COMMAND", "u16", 1, _codes(Command)),
        (0x0301, "LENGTH", "u32", 1, "VERIFY, INSTALL: bytes of the staged image"),
        (
            0x0303,
            "CRC",
            "u32",
            1,
            "VERIFY, COMMIT, INSTALL: the image's CRC-32; ROLLBACK: that of the previous model",
        ),
        (0x03FB, "RESULT_SEQUENCE", "u32", 1, "read only: SEQUENCE, so that one request tells whose results"),
        (0x03FD, "RESULT_CRC", "u32", 1, "read only: MODEL_CRC, likewise"),
        (0x03FF, "RESULT_CLASS", "u16", 1, "read only: CLASS, likewise"),
        (0x0400, "RESULT_BITS", "u16", 1, "read only: the discrete inputs, number n in bit n"),
        (
            0x0401,
            "RESULTS",
            "i16",
            UNITS_MAX,
            "read only: OUTPUTS, so that one function 23 sets inputs and reads them",
        ),
        (0x0500, "RESULTS_FLOAT", "f32", UNITS_MAX, "read only: OUTPUTS_FLOAT, likewise"),
        (0x0600, "TRAIN_LAYERS", "u16", 1, "training: layers"),
        (0x0601, "TRAIN_UNITS", "u16", LAYERS_MAX + 1, "training: inputs, then the outputs of each layer"),
        (0x060A, "TRAIN_ACTIVATION", "u16", LAYERS_MAX, "training: of each layer, " + _codes(Activation)),
        (0x0612, "TRAIN_BIAS", "u16", 1, "training: 1 where layers have biases"),
        (0x0613, "TRAIN_LOSS_KIND", "u16", 1, "training: " + _codes(Loss)),
        (0x0614, "TRAIN_ADAM", "u16", 1, "training: 0 plain descent, 1 Adam"),
        (0x0615, "TRAIN_SHUFFLE", "u16", 1, "training: 1 takes the samples in a new order every epoch"),
        (0x0616, "TRAIN_BITS", "u16", 1, "training: 32 or 64, the float type"),
        (0x0617, "TRAIN_SEED", "u32", 1, "training: of the shuffling"),
        (0x0619, "TRAIN_SAMPLES", "u32", 1, "training: rows of data"),
        (0x061B, "TRAIN_BATCH", "u32", 1, "training: samples a step; 1 sgd, 0 all"),
        (0x061D, "TRAIN_EPOCHS", "u32", 1, "training: epochs"),
        (0x061F, "TRAIN_PAUSE", "u32", 1, "training: pause when this epoch is done, 0 never; RESUME goes on"),
        (0x0621, "TRAIN_RATE", "f64", 1, "training: rate"),
        (0x0625, "TRAIN_TOLERANCE", "f64", 1, "training: end when an epoch changes the loss less, 0 never"),
        (0x0629, "TRAIN_VECTORS", "u16", 1, "training: rows of the model's self-test"),
        (0x062A, "TRAIN_LED_OUTPUT", "u16", 1, "training: output or class that drives the LED"),
        (0x062B, "TRAIN_LED_THRESHOLD", "f64", 1, "training: the LED is lit above this output"),
        (0x062F, "TRAIN_LED_CLASS", "u16", 1, "training: 1 where the LED is lit by a class"),
        (0x0630, "TRAIN_SHARED_OUTPUTS", "u16", 1, "training: 1 where all outputs have one scale"),
        (0x0631, "TRAIN_L2", "f64", 1, "training: of the weights, not the biases; 0 none"),
        (0x0635, "TRAIN_WEIGHTED", "u16", 1, "training: 1 where ARENA has a weight of each sample"),
        (0x0636, "TRAIN_SCALED", "u16", 1, "training: 1 where ARENA has means and deviations"),
        (0x0637, "TRAIN_NAME", "bytes", NAME_BYTES, "training: name of the model"),
        (
            0x1000,
            "STAGE",
            "bytes",
            IMAGE_MAX,
            "the image being staged, two bytes a register, first byte high",
        ),
        (
            0x4000,
            "ARENA",
            "bytes",
            ARENA_BYTES,
            "training: ranges, scales, x, y, weights, start, vectors, as trainer.h has them",
        ),
    ),
    *_rows(
        Table.INPUT,
        (0x0000, "OUTPUTS", "i16", UNITS_MAX, "outputs of the neuron, q; see OUTPUT_FRACTION"),
        (0x0040, "CLASS", "u16", 1, "number of the largest output; of a single one 1 above its threshold"),
        (0x0100, "OUTPUTS_FLOAT", "f32", UNITS_MAX, "the same outputs in their own units"),
        (0x01FB, "ADDRESS_IN_FORCE", "u16", 1, "node address as spoken now"),
        (0x01FC, "BAUD_IN_FORCE", "u32", 1, "baud rate as spoken now"),
        (0x01FE, "FORMAT_IN_FORCE", "u16", 1, "character format as spoken now"),
        (0x01FF, "GAP_IN_FORCE", "u16", 1, "silence that ends a frame, as kept now"),
        (0x0200, "WIRE_VERSION", "u16", 1, "version of this table"),
        (0x0201, "STATE", "u16", 1, _codes(State)),
        (0x0202, "MODEL_CRC", "u32", 1, "CRC-32 of the running image, its identity"),
        (
            0x0204,
            "SEQUENCE",
            "u32",
            1,
            "of the running model: goes up by one with every commit; 0 without a model",
        ),
        (0x0206, "MODEL_LENGTH", "u32", 1, "bytes of the running image"),
        (0x0208, "MODEL_LAYERS", "u16", 1, "layers of the running model"),
        (0x0209, "MODEL_INPUTS", "u16", 1, "inputs of the running model"),
        (0x020A, "MODEL_OUTPUTS", "u16", 1, "outputs of the running model"),
        (0x020B, "MODEL_VECTORS", "u16", 1, "self-test vectors of the running model"),
        (0x020C, "MODEL_NAME", "bytes", NAME_BYTES, "name of the running model, ASCII, NUL padded"),
        (0x0214, "PREVIOUS_SEQUENCE", "u32", 1, "of the model that ROLLBACK brings back; 0: there is none"),
        (0x0216, "PREVIOUS_CRC", "u32", 1, "its CRC-32"),
        (0x0218, "STAGED_CRC", "u32", 1, "CRC-32 of the verified image that waits for COMMIT; 0: none"),
        (0x021A, "REASON", "u16", 1, "why the last command, or the stored model, was refused"),
        (
            0x021B,
            "DETAIL",
            "u16",
            1,
            "where: the layer or the self-test vector, from 0; for WEAR: minutes to wait",
        ),
        (0x021C, "UPTIME", "u32", 1, "milliseconds since start, wraps"),
        (0x021E, "INFERENCES", "u32", 1, "inferences since start, wraps"),
        (0x0220, "START_CAUSE", "u16", 1, "why the node last started: " + _codes(Start)),
        (0x0221, "FAULT_LINE", "u16", 1, "after a FAULT: line of the source file; 0 for a processor fault"),
        (0x0222, "FAULT_PC", "u32", 1, "after a FAULT of the processor: the address of the instruction"),
        (
            0x0224,
            "FAULT_FILE",
            "bytes",
            FAULT_FILE_BYTES,
            "after a FAULT: source file or kind, ASCII, NUL padded",
        ),
        (
            0x022C,
            "FAULTS",
            "u32",
            1,
            "what FAULT stands for: reason n in bit n; damage until a commit or a save mends it",
        ),
        (
            0x022E,
            "MISSED",
            "u16",
            1,
            "broadcasts lost since start, as they came while the node was busy; wraps",
        ),
        (0x022F, "FIRMWARE_VERSION", "u16", 1, "major * 256 + minor"),
        (0x0230, "UID", "bytes", UID_BYTES, "unique identity of the chip"),
        (0x0240, "TRAIN_STATE", "u16", 1, _codes(Training)),
        (0x0241, "TRAIN_EPOCH", "u32", 1, "whole epochs done"),
        (0x0243, "TRAIN_LOSS", "f64", 1, "loss of the last epoch, as a float64"),
        (0x0247, "TRAIN_CHAIN", "u32", 1, "CRC-32 over the parameters after every epoch so far, in turn"),
        (0x0249, "TRAIN_PARAMETERS", "u32", 1, "byte of ARENA at which the parameters begin"),
        (0x0300, "INPUT_FRACTION", "i16", UNITS_MAX, "fraction bits of each input; see INPUT_OFFSET"),
        (0x0340, "OUTPUT_FRACTION", "i16", UNITS_MAX, "of each output likewise: value = q * 2^-fraction"),
        (0x0380, "INPUT_OFFSET", "f32", UNITS_MAX, "of each input: value = offset + q * 2^-fraction"),
        (0x1000, "IMAGE", "bytes", IMAGE_MAX, "the running image, readable up to MODEL_LENGTH"),
    ),
]

BY_NAME: dict[str, Register] = {register.name: register for register in REGISTERS}

VENDOR_NAME = "neuron485"
PRODUCT_CODE = "N485-F407"
FIRMWARE_MAJOR, FIRMWARE_MINOR = 0, 1
