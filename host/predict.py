"""Evaluate inputs on a node.

python -m host.predict PORT x1 x2 ...
"""

from __future__ import annotations

from collections.abc import Sequence

from host.boards.opening import PORT_HELP, SIMULATED
from host.cli.line import add_line_options, line_of
from host.cli.parser import Parser, add_json_option, number, program, spoken
from host.errors import NeuronError, command, counted


@command
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog=program("predict"),
        description="Evaluate one row of inputs on a node, in the model's own units.",
    )
    parser.add_argument("port", metavar="PORT", help=PORT_HELP)
    parser.add_argument(
        "inputs", nargs="+", type=number, metavar="x", help="one number for each input of the model"
    )
    add_line_options(parser)
    add_json_option(parser)
    args = parser.parse_args(argv)
    line = line_of(args)
    import json

    from host.core.infer import dequantise_outputs
    from host.core.registers import unpack
    from host.core.wire import BY_NAME
    from host.node.client import NodeError
    from host.node.proof import set_coils, taken
    from host.show.terminal import warn

    if args.port in SIMULATED:
        alone = f"{SIMULATED[args.port]} of its own has no model: start one that stays"
        how = "python -m host.sim --link /tmp/node, then deploy to /tmp/node and ask there"
        raise NeuronError(f"{alone}, {spoken(how)}")
    with line.open(args.port) as node:
        identity = node.identity()
        if identity.sequence == 0:
            raise NodeError(f"the node runs no model: deploy one first ({program('train')} --deploy PORT)")
        if len(args.inputs) != identity.inputs:
            raise NodeError(
                f"the node's model takes {counted(identity.inputs, 'input')}, not {len(args.inputs)}"
            )
        coils = set_coils(node)
        if "HOLD" in coils:
            raise NodeError(
                "coil HOLD is set: the node's outputs stay as they were, whatever its inputs; clear it"
            )
        scales = node.scales(identity.inputs, identity.outputs)
        took = taken(args.inputs, scales)
        result = node.evaluate_float(args.inputs, identity.outputs, whose=True)
        if result.held:
            coils = set_coils(node)
        if "HOLD" in coils:
            raise NodeError(
                "another master has set coil HOLD meanwhile: the outputs are older than the inputs"
            )
        if result.model_crc != identity.model_crc:
            raise NodeError("another master has changed the node's model meanwhile: ask again")
        outputs = dequantise_outputs(scales, result.outputs)[0].tolist()
        stands = unpack(BY_NAME["INPUTS"], node.read_words(BY_NAME["INPUTS"], identity.inputs))
    lit = bool(result.led[0])
    warn(took.warnings(args.inputs))
    warn(f"coil {coil} is set: the lamp does not follow the neuron" for coil in coils)
    if stands != took.q:
        warn(["the node's inputs have changed again: another master writes them"])
    if args.json:
        print(
            json.dumps(
                {
                    "inputs": args.inputs,
                    "used": took.used,
                    "clipped": any(took.clipped),
                    "outputs": outputs,
                    "led": lit,
                    "crc32": identity.model_crc,
                }
            )
        )
    else:
        print(f"{' '.join(f'{value:g}' for value in outputs)}   LED {'on' if lit else 'off'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
