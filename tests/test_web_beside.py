"""A node trains beside the PC: at every frame its bits are ours, whatever becomes of the training."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import monocypher
import pytest

from host.core.modbus import WRITE_REGISTERS
from host.core.wire import BY_NAME, DEFAULT_ADDRESS, Command, Training
from host.errors import NeuronError
from host.node.client import NodeError
from host.node.keyed import with_key
from host.node.keyfile import Signer
from host.node.node import Node
from host.training.onboard import read_standing
from host.web import learning
from host.web.beside import SENDING, TRAINING, beside
from host.web.shown import BoardFrame, BoardStep
from tests import recordings
from tests.memory_node import MemoryNode
from tests.owner import Owner
from tests.virtual_link import VirtualLink

Answer = Callable[[bytes], bytes | None]


@pytest.fixture(scope="module")
def memory_node() -> Iterator[MemoryNode]:
    """One compiler's will do: what a node computes is compared elsewhere."""
    with MemoryNode() as memory:
        yield memory


def opened(memory: MemoryNode, answer: Answer | None = None) -> Node:
    return Node(VirtualLink(answer or memory.answer, baud=115200), DEFAULT_ADDRESS)


def slowly(memory: MemoryNode) -> Node:
    """A node that does little between two requests."""
    return opened(memory, lambda pdu: memory.answer(pdu, 1))


def trained(**request: Any) -> learning.Training:
    training = learning.Training("1", request)
    training.run()
    assert training.state in ("trained", "diverged"), training.error
    return training


def frames(steps: list[BoardStep]) -> list[BoardFrame]:
    return [step["frame"] for step in steps if step["frame"] is not None]


REQUESTS: dict[str, dict[str, Any]] = {
    "wx": {"model": "wx"},
    "wxb": {"model": "wxb"},
    "and": {"model": "and"},
    "logistic": {"model": "logistic", "epochs": 200},
    "xor": {"model": "mlp", "layers": [2, 4, 1], "epochs": 300},
    "float32": {"model": "wxb", "dtype": "float32", "epochs": 200},
    "shuffled": {"model": "and", "seed": 4, "epochs": 50},
}


@pytest.mark.parametrize("name", REQUESTS)
def test_every_frame_has_the_same_bits_on_the_node(node: MemoryNode, name: str) -> None:
    training = trained(**REQUESTS[name])
    steps = list(beside(opened(node), training))
    json.dumps(steps, allow_nan=False)
    ours = training.as_dict()["frames"][1:]
    found = frames(steps)
    assert [frame["epoch"] for frame in found] == [frame["epoch"] for frame in ours]
    assert [frame["loss"] for frame in found] == [frame["loss"] for frame in ours]
    assert [frame["parameters"] for frame in found] == [frame["parameters"] for frame in ours]
    assert all(frame["equal"] for frame in found)
    assert [step["text"] for step in steps if step["text"]] == []
    assert {step["step"] for step in steps} == {SENDING, TRAINING}
    assert (steps[-1]["done"], steps[-1]["total"]) == (ours[-1]["epoch"], ours[-1]["epoch"])


def test_own_data_with_more_parameters_than_are_shown_are_compared_by_their_chain(node: MemoryNode) -> None:
    """Over-fitting with patience: the model is that of an earlier epoch, and the node ends there."""
    rows = [f"{n * 37 % 101},{n * 53 % 97},{(n * 37 % 101 + n * 71 % 13) % 2}" for n in range(60)]
    training = trained(
        model="mlp", csv="\n".join(["a,b,c", *rows, ""]), layers=[2, 16, 1], epochs=400, rate=0.05
    )
    page = training.as_dict()
    assert page["standardised"]
    assert 0 < page["kept"] < page["frames"][-1]["epoch"]
    found = frames(list(beside(opened(node), training)))
    assert [frame["epoch"] for frame in found] == [
        frame["epoch"] for frame in page["frames"] if 0 < frame["epoch"] <= page["kept"]
    ]
    assert all(frame["equal"] and frame["parameters"] == [] for frame in found)


@pytest.mark.parametrize(
    ("request_", "epochs", "says"),
    [
        ({"model": "wxb", "rate": 0.5}, 223, "the training on the board diverged in epoch 223, as ours did"),
        ({"model": "and", "rate": 100.0}, 17, "the training on the board diverged in epoch 17, as ours did"),
        ({"model": "wx", "rate": 0.3}, 100, "the board could not make a model of what it learnt"),
    ],
    ids=str,
)
def test_both_explode_alike(node: MemoryNode, request_: dict[str, Any], epochs: int, says: str) -> None:
    training = trained(**request_)
    steps = list(beside(opened(node), training))
    json.dumps(steps, allow_nan=False)
    found, ours = frames(steps), training.as_dict()["frames"][1:]
    assert [frame["parameters"] for frame in found[:-1]] == [frame["parameters"] for frame in ours]
    assert all(frame["equal"] for frame in found)
    assert found[-1]["epoch"] == epochs
    assert steps[-1]["text"].startswith(says)


def test_a_difference_is_said_and_ends_it(node: MemoryNode) -> None:
    """One bit of the start is another one on its way."""
    start = BY_NAME["ARENA"].address + (16 + 5 * 8 + 5 * 8) // 2 + 2

    def answer(pdu: bytes) -> bytes | None:
        function, address, count = struct.unpack(">BHH", pdu[:5])
        if function == WRITE_REGISTERS and address <= start < address + count:
            at = 6 + 2 * (start - address)
            pdu = pdu[:at] + bytes([pdu[at] ^ 1]) + pdu[at + 1 :]
        return node.answer(pdu)

    training = trained(model="wxb", epochs=50, start=[0.5, 0.25])
    board = opened(node, answer)
    steps = list(beside(board, training))
    (frame,) = frames(steps)
    assert (frame["epoch"], frame["equal"]) == (1, False)
    assert steps[-1]["text"].startswith("the board's parameters differ from ours in epoch 1 or before")
    assert read_standing(board).state is Training.STOPPED


def test_other_parameters_than_those_of_the_chain_are_a_difference(node: MemoryNode) -> None:
    """What is read is compared too."""
    training = trained(model="wxb", epochs=5)
    place = BY_NAME["ARENA"].address

    def answer(pdu: bytes) -> bytes | None:
        reply = node.answer(pdu)
        function, address, _ = struct.unpack(">BHH", pdu[:5])
        if function in (3, 4) and address >= place and reply:
            return reply[:2] + bytes([reply[2] ^ 1]) + reply[3:]
        return reply

    board = opened(node, answer)
    assert [frame["equal"] for frame in frames(list(beside(board, training)))] == [False]


def test_a_step_is_a_few_requests(node: MemoryNode) -> None:
    link = VirtualLink(node.answer, baud=115200)
    steps, before = 0, 0
    for _ in beside(Node(link, DEFAULT_ADDRESS), trained(model="mlp", layers=[2, 4, 1], epochs=100)):
        assert link.transactions - before <= 4
        steps, before = steps + 1, link.transactions
    assert steps > 200


def test_the_line_is_free_while_the_node_is_at_an_epoch(node: MemoryNode) -> None:
    """It trains a sample a round here: between two frames it is looked at again and again."""
    training = trained(model="wxb", epochs=5)
    steps = list(beside(slowly(node), training))
    assert sum(step["frame"] is None for step in steps if step["step"] == TRAINING) > 10
    assert [frame["equal"] for frame in frames(steps)] == [True] * 5


def test_who_closes_it_stops_the_training_on_the_node(node: MemoryNode) -> None:
    board = opened(node)
    going = beside(board, trained(model="wxb", epochs=500))
    while next(going)["frame"] is None:
        pass
    assert read_standing(board).state is Training.PAUSED
    going.close()
    assert read_standing(board).state is Training.STOPPED
    assert all(frame["equal"] for frame in frames(list(beside(board, trained(model="and")))))


def test_what_was_left_behind_is_ended_and_what_runs_is_not(node: MemoryNode) -> None:
    training = trained(model="wxb", epochs=500)
    board = opened(node)
    left = beside(board, training)
    while next(left)["frame"] is None:
        pass
    steps = list(beside(board, trained(model="and")))
    assert steps[0]["text"] == "a training that stood still on the node after 1 epoch is ended"
    assert all(frame["equal"] for frame in frames(steps))
    assert [frame["equal"] for frame in frames(list(left))] == [False]
    busy = slowly(node)
    running = beside(busy, trained(model="mlp", epochs=5))  # of 233 samples
    while next(running)["step"] == SENDING:
        pass
    assert read_standing(busy).state is Training.RUNNING
    with pytest.raises(NodeError, match="a training is under way on the node: wait until it has ended"):
        next(beside(busy, training))
    running.close()


@pytest.mark.parametrize("deed", ["restart", "stop"])
def test_who_ends_it_elsewhere_is_told_of(node: MemoryNode, deed: str) -> None:
    board = opened(node)
    going = beside(board, trained(model="wxb", epochs=500))
    while next(going)["frame"] is None:
        pass
    if deed == "stop":
        node.command(Command.STOP)
    else:
        node.power_cycle()
        node.work()
    says = {"restart": "the training was lost", "stop": "was stopped after 1 epoch"}
    with pytest.raises(NodeError, match=says[deed]):
        list(going)


def test_a_node_with_a_key_trains_too(keyed: MemoryNode, owner: Owner) -> None:
    """What trains changes nothing that runs: no order is needed for it."""
    signer = Signer("a.key", owner.key, owner._secret + owner.key)
    assert monocypher.signature_check(signer.sign(b"x"), owner.key, b"x")
    board = with_key(opened(keyed), signer)
    assert all(frame["equal"] for frame in frames(list(beside(board, trained(model="and")))))


def test_what_no_node_trains_is_refused_before_anything_is_sent(node: MemoryNode, tmp_path: Path) -> None:
    asked: list[bytes] = []
    board = opened(node, lambda pdu: asked.append(pdu) or node.answer(pdu))
    with pytest.raises(NeuronError, match="train first"):
        next(beside(board, learning.Training("1", {"model": "and"})))
    rows = "".join(f"{n},{n * n % 7}\n" for n in range(6000))
    large = trained(model="wxb", csv=f"x,y\n{rows}", epochs=2)
    with pytest.raises(NeuronError, match="a node has room for 61440: use fewer rows or --dtype float32"):
        next(beside(board, large))
    texts = []
    for seed, kind in enumerate(("normal", "worn")):
        raw = recordings.pump(kind, 2000, seed)[:, :1]
        path = recordings.write(tmp_path / f"{kind}.csv", raw, [kind] * len(raw), ["a0"])
        texts.append({"name": f"{kind}.csv", "text": Path(path).read_text()})
    windows = trained(model="logistic", recordings=texts, window=128, features=["a0.rms"])
    with pytest.raises(NeuronError, match="a node measures the windows of a recording, it does not learn"):
        next(beside(board, windows))
    assert asked == []
