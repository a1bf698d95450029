"""The wire contract: registers, commands, limits and codes. The one source, with host/core/codes.py, whose limits and
codes it hands on.

`python -m tools.generated` writes `firmware/core/wire.h` and docs/registers.md from this module.
Change anything here that a node or a PLC could notice, and WIRE_VERSION goes up by one.

Values of more than one register stand high word first and change only whole, within one frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from host.core.codes import *

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
        (
            3,
            "OVERRIDE",
            "bit",
            1,
            "1: the bus may write inputs that come from channels; they do not, until 0",
        ),
        (4, "ACKNOWLEDGE", "bit", 1, "1: let a latched decision go, once what set it is over; reads 0"),
    ),
    *_rows(
        Table.DISCRETE,
        (0, "LED", "bit", 1, "the lamp is lit"),
        (1, "MODEL_VALID", "bit", 1, "a model is running"),
        (2, "TRAINING", "bit", 1, "the node is training itself"),
        (3, "FAULT", "bit", 1, "something is wrong that will not pass by itself; see FAULTS"),
        (4, "BUSY", "bit", 1, "an erase or a commit is under way; see STATE"),
        (5, "STAGED", "bit", 1, "a verified image waits for COMMIT"),
        (
            6,
            "DECISION",
            "bit",
            1,
            "what lights the LED: an output above its threshold, or a class; see CONDITION",
        ),
        (7, "CLIPPED", "bit", 1, "an input is beyond what its format holds, and was cut to the nearest"),
        (8, "ATTENTION", "bit", 1, "FAULTS, FAULT_FILE or MISSED have something to say"),
        (9, "HELD", "bit", 1, "a coil is set, and holds the lamp, the outputs or the inputs"),
        (10, "OUT_OF_RANGE", "bit", 1, "CLIPPED, or an input is beyond what the model was made for"),
        (11, "SENSING", "bit", 1, "inputs of the running model come from channels"),
        (12, "BUS_LOST", "bit", 1, "WATCHDOG has run out: the lamp follows SAFE"),
        (13, "LATCHED", "bit", 1, "DECISION stays on until ACKNOWLEDGE, a start, or another model"),
        (14, "CONDITION", "bit", 1, "what the model says now, before votes, delays and latch make DECISION"),
        (15, "WAITING", "bit", 1, "the running model has not seen a whole window yet"),
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
            f"node address, {ADDRESS_MIN}..{ADDRESS_MAX}; SAVE_SETTINGS applies and keeps all up to DEBOUNCE",
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
        (0x0205, "WATCHDOG", "u16", 1, "tenths of a second that the bus may be silent, see BUS_LOST; 0: off"),
        (0x0206, "WATCHDOG_FOR", "u16", 1, "what it waits for, to this node: " + _codes(WatchdogFor)),
        (0x0207, "SAFE", "u16", 1, "the lamp while the bus is lost: " + _codes(Safe)),
        (
            0x0208,
            "DEBOUNCE",
            "u16",
            1,
            f"milliseconds that a digital level must stand to count, 0..{DEBOUNCE_MAX}",
        ),
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
            0x0700,
            "SAMPLE_RATE",
            "u16",
            1,
            f"scans a second, {RATE_MIN}..{RATE_MAX}, where no model fixes it; default {DEFAULT_RATE}",
        ),
        (0x0701, "SAMPLE_CHANNELS", "u16", 1, "channels to sample beside the model's, channel n in bit n"),
        (
            0x0702,
            "SAMPLE_FROM",
            "u32",
            1,
            "number of the scan from which SAMPLES reads, 0 at first: past if less than 2^31 before HEAD, else to come",
        ),
        (0x0704, "SAMPLES_HEAD", "u32", 1, "read only: number of the next scan; all of them wrap"),
        (
            0x0706,
            "SAMPLES_FIRST",
            "u32",
            1,
            "read only: of the first scan in SAMPLES; beyond FROM: some are lost",
        ),
        (0x0708, "SAMPLES_CHANNELS", "u16", 1, "read only: channels in a scan, its words in this order"),
        (
            0x0709,
            "SAMPLES",
            "u16",
            SAMPLES_MAX,
            "read only: whole scans; digital levels in one word, D0 in bit 0; 65535: lost, or not there yet",
        ),
        (
            0x0800,
            "EVENT_FROM",
            "u32",
            1,
            "number of the event from which to read, 0 at first: past if less than 2^31 before HEAD, else to come",
        ),
        (0x0802, "EVENTS_HEAD", "u32", 1, "read only: number of the next event; wraps"),
        (0x0804, "EVENT_NUMBER", "u32", 1, "read only: of the first event kept from FROM on; HEAD: none"),
        (0x0806, "EVENT_UPTIME", "u32", 1, "read only: milliseconds since start, when it happened"),
        (0x0808, "EVENT_SAMPLE", "u32", 1, "read only: number of the next scan then"),
        (0x080A, "EVENT_KIND", "u16", 1, "read only: " + _codes(EventKind)),
        (
            0x080B,
            "EVENT_DETAIL",
            "u16",
            1,
            "read only: cause of START, reason of FAULT; of others 1 as it begins, 0 as it ends",
        ),
        (
            0x080C,
            "EVENT_VALUE",
            "u32",
            1,
            "read only: INFERENCES of DECISION, CRC-32 of MODEL, DETAIL of FAULT, scans lost of GAP, "
            "windows missed of LATE",
        ),
        (0x080E, "EVENT_COUNT", "u16", 1, "read only: inputs that it has, else 0"),
        (0x080F, "EVENT_INPUTS", "i16", UNITS_MAX, "read only: the neuron's inputs then, q"),
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
        (0x01F7, "WATCHDOG_IN_FORCE", "u16", 1, "WATCHDOG as kept now"),
        (0x01F8, "WATCHDOG_FOR_IN_FORCE", "u16", 1, "what it waits for, as kept now"),
        (0x01F9, "SAFE_IN_FORCE", "u16", 1, "the lamp while the bus is lost, as kept now"),
        (0x01FA, "DEBOUNCE_IN_FORCE", "u16", 1, "DEBOUNCE as kept now"),
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
            "where: the layer, input or self-test vector, from 0; a window's test is 256 and its input; for WEAR: "
            "minutes to wait",
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
        (0x0600, "WINDOWS", "u32", 1, "windows decided since the running model began; wraps"),
        (0x0602, "WINDOW_SAMPLE", "u32", 1, "of the last one: number of its last scan"),
        (0x0604, "WINDOW_BITS", "u16", 1, "of the last one: the discrete inputs, number n in bit n"),
        (0x0605, "WINDOWS_MISSED", "u16", 1, "not decided, as scans were lost or overwritten; wraps"),
        (
            0x0606,
            "WINDOW_VALUES",
            "u16",
            WINDOW_VALUES,
            "of the last one: features as u32, one an input, then inputs and outputs as i16, packed",
        ),
        (
            0x0780,
            "CHANNELS",
            "u16",
            1,
            f"that the board has, A0..A{ANALOG - 1} from bit 0, D0 from bit {ANALOG}",
        ),
        (0x0781, "SAMPLING_RATE", "u16", 1, "scans a second in force; 0: none"),
        (0x0782, "SAMPLING_CHANNELS", "u16", 1, "channels being sampled, likewise"),
        (0x0783, "SCANS_LOST", "u32", 1, "scans lost since start; wraps"),
        (0x0785, "CHANNEL_NOW", "u16", ANALOG, "the newest raw values; 65535: not sampled"),
        (0x078D, "LEVELS", "u16", 1, "digital levels after DEBOUNCE, D0 in bit 0"),
        (0x078E, "EDGES", "u32", DIGITAL, "rising edges since start; wrap"),
        (0x0796, "FREQUENCY", "u32", DIGITAL, "of rising edges, 1/256 Hz"),
        (
            0x079E,
            "CALIBRATION",
            "u16",
            CALIBRATION,
            "the chip's raw values at 30 C, at 110 C, of its reference, at 3.3 V",
        ),
        (0x1000, "IMAGE", "bytes", IMAGE_MAX, "the running image, readable up to MODEL_LENGTH"),
    ),
]

BY_NAME: dict[str, Register] = {register.name: register for register in REGISTERS}
