"""Limits and codes of the wire contract, which host/core/wire.py completes with the registers and hands on.

Whatever needs one of these takes it from host.core.wire: the contract is one.
"""

from __future__ import annotations

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
    SENSES = 32
    DECIDES = 64
    RELEASE = 128


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

# ----------------------------------------------------------------------------------------------------- senses

ANALOG, DIGITAL = 8, 4
"""Channels, in this order: A0..A5, the chip's temperature A6, its reference A7; D0..D3. A mask has bit n for channel
n."""
CHANNELS = ANALOG + DIGITAL
CHANNEL_BUS = 0xFF
"""In place of a channel: the input comes from the bus."""
RAW_MAX = 4095
"""Of an analog channel: 12 bits."""
CALIBRATION = 3
"""Words: the chip's raw values at 30 C, at 110 C, and of the reference, all measured at 3.3 V when it was made."""
RATE_MIN, RATE_MAX = 1, 10_000
"""Scans a second."""
DEFAULT_RATE = 1000
WINDOW_MIN, WINDOW_MAX = 2, 1024
"""Samples of a window, a power of two."""
HOP_MAX = 0xFFFF
TRIAL_MAX = 0xFFFF
"""Seconds of a trial."""
BAND_BINS_MAX = 16
"""Of one input's frequency band; a bin is rate / window wide."""
FEATURE_SHIFT_MAX = 62
SAMPLE_WORDS = 16_384
"""Of the ring of raw samples: it holds as many scans as go into it whole."""
SAMPLES_MAX = 120
"""Words of the ring that one request reads."""
SAMPLE_MISSING = 0xFFFF
"""In every word of a scan that was lost."""
EVENTS = 64
"""That a node keeps."""
EVENT_WORDS = 32 * EVENTS
"""Inputs of events that a node keeps, the newest: those of a model of up to 32 inputs as long as the event."""
EVENT_GONE = 0x8000
"""In EVENT_COUNT: the event had so many inputs, which are kept no longer."""
WINDOW_VALUES = 4 * UNITS_MAX
"""Words of the last window's numerators, inputs and outputs together, at most."""
VOTES_MAX = 32
"""Last conditions that a decision may look at."""
DELAY_MAX = 0x7FFFFFFF
"""Milliseconds of a decision's delays and its hold: a clock of 32 bits wraps, and tells half its circle."""
DEBOUNCE_MAX = 1000
"""Milliseconds."""
WINDOW_TEST = 0x100
"""DETAIL of SELF_TEST where a window's feature is another on the node: this, and the input's number."""


class Feature(IntEnum):
    """What an input is made of, over a window of its channel; core/features says how. Up to BAND of an analog channel,
    then of a digital one."""

    LAST = 0
    MEAN = 1
    MIN = 2
    MAX = 3
    P2P = 4
    STD = 5
    RMS = 6
    CROSSINGS = 7
    BAND = 8
    LEVEL = 9
    COUNT = 10
    FREQUENCY = 11


class EventKind(IntEnum):
    """What happened. EVENT_DETAIL: of START the cause, of FAULT the reason, of ORDER the command; of DECISION, CLIPPED,
    BUS_LOST and OVERRIDE 1 where it began, 0 where it ended; of TRIAL 1 where it began, 2 where it was confirmed, 0
    where the old model came back. EVENT_VALUE: of DECISION the inferences, of MODEL and TRIAL its CRC-32, of GAP the
    scans lost, of LATE the windows not decided, of ORDER its counter."""

    NONE = 0
    START = 1
    DECISION = 2
    CLIPPED = 3
    BUS_LOST = 4
    MODEL = 5
    FAULT = 6
    GAP = 7
    LATE = 8
    OVERRIDE = 9
    TRIAL = 10
    ORDER = 11


class WatchdogFor(IntEnum):
    """What the communication watchdog waits for: a good frame to this address, or a write, also by broadcast."""

    FRAME = 0
    WRITE = 1


class Safe(IntEnum):
    """The lamp while the bus is lost: off, on, as it was, or as the neuron goes on to decide."""

    OFF = 0
    ON = 1
    HOLD = 2
    KEEP = 3


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
    TRIAL = 10
    """VERIFY, and where that is accepted, run it from RAM for SECONDS."""
    CONFIRM = 11
    """COMMIT what is on trial."""
    REVERT = 12
    """End the trial: the model of before runs."""
    WRITE = 13
    """From here on by an order only: write INPUTS or INPUTS_FLOAT."""
    COILS = 14
    KEY = 15
    """Another public key, or none."""
    FLOOR = 16
    """Releases of models and firmware below it are refused from now on."""
    ARM = 17
    """Let GO run the image of the session."""


class State(IntEnum):
    """What the node is doing beside serving and inferring."""

    IDLE = 0
    ERASING = 1
    COMMITTING = 2
    TRAINING = 3
    CHECKING = 4
    """The signature of an order."""


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
    SENSES = 25
    SENSED = 26
    SAMPLING = 27
    DECIDES = 28
    LOCKED = 29
    FLOOR = 30
    ROTTEN_TRUST = 31
    UNSIGNED = 32
    ORDER = 33
    TARGET = 34
    COUNTER = 35
    SIGNATURE = 36
    HASH = 37
    TRIAL = 38
    SESSION = 39
    CRYPTO = 40
    PRESENCE = 41
    BROADCAST = 42


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
    Reason.SELF_TEST: "a self-test vector gave another output on the node, or, from detail 256 on, a window "
    "another feature",
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
    Reason.SENSES: "the model wants a channel, rate, window or feature that the node does not have; the detail is the "
    "input, counted from 0",
    Reason.SENSED: "the input comes from a channel: set the coil OVERRIDE to write it",
    Reason.SAMPLING: "the rate or the channels are out of range, or the running model has fixed the rate",
    Reason.DECIDES: "the decision's threshold for off, votes, delays or hold are out of range",
    Reason.LOCKED: "the node is locked: switch it off and on, with its pin held where LOCK is short, and try again",
    Reason.FLOOR: "the model's release, or the firmware, is below the floor that an order has set",
    Reason.ROTTEN_TRUST: "the kept key or counter is damaged in the flash: nothing is obeyed until someone at the "
    "board installs a key again",
    Reason.UNSIGNED: "a key is installed: this needs a signed order, give the key's file by --key",
    Reason.ORDER: "the bytes are not an order, or its arguments are out of range",
    Reason.TARGET: "the order is for another node or group",
    Reason.COUNTER: "the order's counter is not above ORDER_COUNTER: it was used before",
    Reason.SIGNATURE: "the order's signature is not that of the installed key",
    Reason.HASH: "the image is not the one whose hash the order or the session names",
    Reason.TRIAL: "a model is on trial, or that model is not: CONFIRM or REVERT it first",
    Reason.SESSION: "there is no open session that this belongs to",
    Reason.CRYPTO: "this node was built without Monocypher: it has no hashes and takes no keys",
    Reason.PRESENCE: "the first key needs someone at the board: hold its pin while it is switched on",
    Reason.BROADCAST: "commands and settings by broadcast are refused, see BROADCASTS",
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

# ---------------------------------------------------------------------------------------------------- names

VENDOR_NAME = "neuron485"
PRODUCT_CODE = "N485-F407"
FIRMWARE_MAJOR, FIRMWARE_MINOR = 0, 1
