"""host/models/onnx_nodes.py: every node that is read, beside ONNX's own reference, and those that are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from host.core.wire import Activation
from host.errors import NeuronError
from host.models import convert, load
from host.models.dense import reference
from host.models.imported import Decide
from tests.graphs import ADD, MATMUL, ML, WB, B, W, X, graph, node

SAME: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "matmul and add": ([MATMUL, ADD], WB),
    "bias of one row": ([MATMUL, ADD], {"w": W, "b": B[np.newaxis]}),
    "a number": ([MATMUL, ADD], {"w": W, "b": np.float32(2)}),
    "bias first": ([MATMUL, node("Add", "b h")], WB),
    "minus": ([MATMUL, node("Sub", "h b")], WB),
    "minus what": ([MATMUL, node("Sub", "b h")], WB),
    "times": ([MATMUL, node("Mul", "b h")], WB),
    "divided": ([MATMUL, node("Div", "h b")], WB),
    "negated": ([MATMUL, node("Neg", "h")], WB),
    "gemm": ([node("Gemm", "x w b")], WB),
    "gemm without bias": ([node("Gemm", "x w")], WB),
    "gemm scaled and turned": (
        [node("Gemm", "x v b", transB=1, alpha=0.5, beta=-2.0)],
        {"v": W.T.copy(), "b": B},
    ),
    "gemm with one number": ([node("Gemm", "x w b")], {"w": W, "b": np.float32(3)}),
    "one column spread": ([node("MatMul", "x w", "h"), ADD], {"w": W[:, :1], "b": B}),
    "one column times many": ([node("MatMul", "x w", "h"), node("Mul", "h b")], {"w": W[:, :1], "b": B}),
    "relu": ([MATMUL, node("Relu", "h")], WB),
    "tanh": ([MATMUL, node("Tanh", "h")], WB),
    "sigmoid": ([MATMUL, node("Sigmoid", "h")], WB),
    "sigmoid by exp": (
        [
            MATMUL,
            node("Neg", "h", "n"),
            node("Exp", "n", "e"),
            node("Add", "one e", "p"),
            node("Reciprocal", "p"),
        ],
        {"w": W, "one": np.float32(1)},
    ),
    "two layers": (
        [MATMUL, node("Relu", "h", "r"), node("Gemm", "r v c")],
        {"w": W, "v": W.T.copy(), "c": np.zeros(4, np.float32)},
    ),
    "identity and dropout": (
        [node("Identity", "x", "a"), node("Dropout", "a", "b"), node("MatMul", "b w")],
        {"w": W},
    ),
    "cast": ([node("Cast", "x", "a", to=11), node("Cast", "a", "c", to=1), node("MatMul", "c w")], {"w": W}),
    **{
        f"constants cast to type {to}": (
            [MATMUL, node("Cast", "c", "i", to=to), node("Cast", "i", "b", to=1), ADD],
            {"w": W, "c": np.array([1.7, 100.2, 2.5], np.float32)},
        )
        for to in (2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13)
    },
    **{
        f"a quotient of {kind}": (
            [node("Div", "c d", "q"), node("Cast", "q", "b", to=1), MATMUL, ADD],
            {"w": W, "c": np.array([7, 100, 3]).astype(kind), "d": np.array([2, 3, 5]).astype(kind)},
        )
        for kind in ("int8", "int64", "uint8", "float32")
    },
    "a sum that is constant": (
        [
            node("Gemm", "x w b", "h"),
            node("ReduceSum", "h a", "s", keepdims=1),
            node("Div", "h s"),
        ],
        {"w": np.hstack([W[:, :1], -W[:, :1]]), "b": np.array([1, 3], np.float32), "a": np.array([1])},
    ),
    "a quotient below 0": (
        [node("Div", "c d", "q"), node("Cast", "q", "b", to=1), MATMUL, ADD],
        {"w": W, "c": np.array([-7, 7, -6]), "d": np.array([2, -2, 2])},
    ),
    "cast like an input": ([node("CastLike", "x x", "a"), node("MatMul", "a w")], {"w": W}),
    "cast like a constant": ([node("CastLike", "x w", "a"), node("MatMul", "a w")], {"w": W}),
    "flatten": ([node("Flatten", "x", "a"), node("MatMul", "a w")], {"w": W}),
    "reshape": ([node("Reshape", "x s", "a"), node("MatMul", "a w")], {"w": W, "s": np.array([-1, 4])}),
    "squeeze": ([node("MatMul", "x w", "h"), node("Squeeze", "h a")], {"w": W[:, :1], "a": np.array([1])}),
    "batch norm": (
        [MATMUL, node("BatchNormalization", "h b b b v", epsilon=1e-3)],
        {"w": W, "b": B, "v": np.array([1, 4, 9], np.float32)},
    ),
    "concat": ([MATMUL, node("Concat", "x h", axis=1)], {"w": W}),
    "branches": (
        [
            MATMUL,
            node("Relu", "h", "r"),
            node("MatMul", "x v", "k"),
            node("Relu", "k", "q"),
            node("Concat", "r q", axis=-1),
        ],
        {"w": W, "v": 2 * W},
    ),
    "sum of branches": (
        [
            MATMUL,
            node("Relu", "h", "r"),
            node("MatMul", "x v", "k"),
            node("Relu", "k", "q"),
            node("Sub", "r q"),
        ],
        {"w": W, "v": W[::-1].copy()},
    ),
    "a linear way around": (
        [MATMUL, node("MatMul", "h v", "k"), node("Add", "k x")],
        {"w": W, "v": W.T.copy()},
    ),
    "slice": ([node("Slice", "x a e c")], {"a": np.array([1]), "e": np.array([9]), "c": np.array([1])}),
    "slice with a step": (
        [node("Slice", "x a e c s")],
        {"a": np.array([3]), "e": np.array([-9]), "c": np.array([-1]), "s": np.array([-2])},
    ),
    "gather": ([node("Gather", "x i", axis=1)], {"i": np.array([2, 0])}),
    "columns": ([node("ArrayFeatureExtractor", "x i", domain=ML)], {"i": np.array([[3, 1]])}),
    "sum of columns": ([node("ReduceSum", "x a", keepdims=1)], {"a": np.array([1])}),
    "scaler": (
        [node("Scaler", "x", domain=ML, offset=[1.0, 2.0, 3.0, 4.0], scale=[2.0, 0.5, 1.0, -1.0])],
        {},
    ),
    "scaler of one": ([node("Scaler", "x", domain=ML, offset=[1.0], scale=[2.0])], {}),
    "regressor": (
        [
            node(
                "LinearRegressor",
                "x",
                domain=ML,
                coefficients=W.T.ravel().tolist(),
                intercepts=B.tolist(),
                targets=3,
            )
        ],
        {},
    ),
    "constants": (
        [
            node("Constant", "", "c", value=numpy_helper.from_array(W)),
            node("Transpose", "t", "v"),
            node("Sqrt", "s", "q"),
            node("Mul", "c q", "d"),
            node("Add", "d v", "w"),
            node("MatMul", "x w"),
        ],
        {"t": W.T.copy(), "s": np.array([4.0], np.float32)},
    ),
}


@pytest.mark.parametrize("what", SAME)
def test_a_node_is_read_as_onnx_means_it(what: str) -> None:
    """Compared with ONNX's own reference implementation, which computes in float32."""
    made = graph(*SAME[what])
    (expected,) = ReferenceEvaluator(made).run(None, {"x": X})
    outputs = reference(load(made).layers, X.astype(np.float64))[1]
    assert outputs.shape == expected.reshape(40, -1).shape
    assert np.abs(outputs - expected.reshape(40, -1)).max() <= 1e-5


def test_linear_maps_become_one_layer() -> None:
    nodes = [MATMUL, node("MatMul", "h v", "k"), node("Gemm", "k w b")]
    assert load(graph(nodes, {**WB, "v": W.T.copy()})).units == (4, 3)


def test_dimensions_of_a_row_are_flattened() -> None:
    made = graph([node("Flatten", "x", "a"), node("MatMul", "a w")], {"w": W}, shape=("n", 1, 2, 2))
    (expected,) = ReferenceEvaluator(made).run(None, {"x": X.reshape(40, 1, 2, 2)})
    assert np.abs(reference(load(made).layers, X.astype(np.float64))[1] - expected).max() <= 1e-5
    with pytest.raises(
        NeuronError, match="node 1 of 1, MatMul 'matmul': its inputs have several dimensions: flatten"
    ):
        load(graph([node("MatMul", "x w")], {"w": W}, shape=("n", 1, 2, 4)))


CLASSIFIER = {"coefficients": W.T.ravel().tolist(), "intercepts": [0.0, 0.5, 0.0], "domain": ML}
TWO = {"coefficients": [*(-W[:, 0]).tolist(), *W[:, 0].tolist()], "intercepts": [-0.25, 0.25], "domain": ML}
DECISIONS: dict[str, tuple[list[Any], dict[str, Any], str, Decide]] = {
    "argmax": ([MATMUL, node("ArgMax", "h", axis=1)], WB, "y", Decide.ARGMAX),
    "argmax behind softmax": (
        [MATMUL, node("Softmax", "h", "s"), node("ArgMax", "s", axis=-1)],
        WB,
        "y",
        Decide.ARGMAX,
    ),
    "argmax behind log softmax": (
        [MATMUL, node("LogSoftmax", "h", "s"), node("ArgMax", "s", axis=1)],
        WB,
        "y",
        Decide.ARGMAX,
    ),
    "argmax behind sigmoid": (
        [MATMUL, node("Sigmoid", "h", "s"), node("ArgMax", "s", axis=1)],
        WB,
        "y",
        Decide.ARGMAX,
    ),
    "argmax behind relu": (
        [MATMUL, node("Relu", "h", "s"), node("ArgMax", "s", axis=1)],
        WB,
        "y",
        Decide.ARGMAX,
    ),
    "argmax of two": (
        [node("MatMul", "x w", "h"), node("ArgMax", "h", axis=1)],
        {"w": W[:, :2].copy()},
        "y",
        Decide.SIGN,
    ),
    "argmax of two behind softmax": (
        [node("MatMul", "x w", "h"), node("Softmax", "h", "s"), node("ArgMax", "s", axis=1)],
        {"w": W[:, :2].copy()},
        "y",
        Decide.PROBABILITY,
    ),
    "a probability and the rest": (
        [
            node("MatMul", "x w", "h"),
            node("Sigmoid", "h", "p"),
            node("Sub", "one p", "q"),
            node("Concat", "q p", "c", axis=1),
            node("ArgMax", "c", axis=1, keepdims=0),
        ],
        {"w": W[:, :1].copy(), "one": np.float32(1)},
        "y",
        Decide.PROBABILITY,
    ),
    "linear classifier": (
        [node("LinearClassifier", "x", "y p", classlabels_ints=[0, 1, 2], **CLASSIFIER)],
        {},
        "y",
        Decide.ARGMAX,
    ),
    "linear classifier, softmax": (
        [
            node(
                "LinearClassifier",
                "x",
                "y p",
                classlabels_ints=[0, 1, 2],
                post_transform="SOFTMAX",
                **CLASSIFIER,
            )
        ],
        {},
        "y p",
        Decide.ARGMAX,
    ),
    "linear classifier of two, logistic": (
        [node("LinearClassifier", "x", "y p", classlabels_ints=[0, 1], post_transform="LOGISTIC", **TWO)],
        {},
        "y p",
        Decide.PROBABILITY,
    ),
    "linear classifier of two": (
        [node("LinearClassifier", "x", "y p", classlabels_ints=[0, 1], **TWO)],
        {},
        "y p",
        Decide.SIGN,
    ),
}


@pytest.mark.parametrize("what", DECISIONS)
def test_a_decision_is_read_as_onnx_means_it(what: str) -> None:
    nodes, constants, outputs, decide = DECISIONS[what]
    made = graph(nodes, constants, outputs)
    expected = ReferenceEvaluator(made).run(None, {"x": X})[0]
    imported = load(made)
    assert imported.decide is decide
    assert (imported.decisions(X)[:, 0] == expected.ravel()).all()
    assert len(set(expected.ravel().tolist())) == len(imported.classes)


def test_a_softmax_at_the_end_makes_classes() -> None:
    imported = load(graph([MATMUL, node("Softmax", "h")], WB))
    assert (imported.decide, imported.classes) == (Decide.ARGMAX, ("0", "1", "2"))
    assert imported.layers[-1].activation is Activation.IDENTITY
    assert any("before the softmax" in note for note in imported.notes)
    assert load(graph([MATMUL, node("Softmax", "h")], WB), classes=["a", "b", "c"]).classes == ("a", "b", "c")


def test_numbers_become_classes_where_they_are_named() -> None:
    three, two, one = (graph([node("MatMul", "x w")], {"w": W[:, :n].copy()}) for n in (3, 2, 1))
    assert load(three).decide is Decide.NUMBERS
    assert load(three, classes="abc").decide is Decide.ARGMAX
    scores = X @ W
    assert (load(two, classes="ab").decisions(X)[:, 0] == scores[:, :2].argmax(axis=1)).all()
    assert (load(one, classes="ab").decisions(X)[:, 0] == (scores[:, 0] > 0)).all()
    with pytest.raises(NeuronError, match="2 class names for 3 classes"):
        load(three, classes="ab")
    with pytest.raises(NeuronError, match="a name of its own"):
        load(three, classes="aab")


BAD: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "conv": (
        [node("Conv", "x w")],
        {"w": W},
        "node 1 of 1, Conv 'conv': it wants convolutions; a node runs dense",
    ),
    "layer norm": (
        [MATMUL, node("LayerNormalization", "h b b")],
        WB,
        "node 2 of 2, LayerNorm.*: it wants a division",
    ),
    "leaky": (
        [MATMUL, node("LeakyRelu", "h")],
        WB,
        "LeakyRelu 'leakyrelu': it wants an activation that it does not",
    ),
    "lstm": ([node("LSTM", "x w w")], {"w": W}, "LSTM 'lstm': it wants a loop"),
    "custom": (
        [node("Mine", "x", domain="my.own")],
        {},
        "node 1 of 1, Mine 'mine': a node runs dense layers",
    ),
    "in integers": ([node("DynamicQuantizeLinear", "x", "y s z")], {}, "it wants weights in integers"),
    "product": (
        [node("Mul", "x x")],
        {},
        "Mul 'mul': it multiplies two values that both come from the inputs",
    ),
    "quotient": ([node("Div", "x x")], {}, "Div 'div': it divides by what comes from the inputs"),
    "a way around": (
        [node("MatMul", "x w", "h"), node("Relu", "h", "r"), node("Add", "r x")],
        {"w": np.eye(4, dtype=np.float32)},
        "node 3 of 3, Add 'add': it joins values that stand behind different layers",
    ),
    "over rows": ([node("Softmax", "x", axis=0)], {}, "it goes along axis 0"),
    "argmax over rows": ([node("ArgMax", "x")], {}, "it goes along axis 0"),
    "the last of equals": (
        [node("ArgMax", "x", axis=1, select_last_index=1)],
        {},
        "of equal scores it takes the last",
    ),
    "a row a constant": (
        [node("Add", "x c")],
        {"c": np.ones((40, 4), np.float32)},
        "not the same for every row",
    ),
    "shapes": (
        [node("MatMul", "x w")],
        {"w": W.T.copy()},
        "weights of 4 x 3 and biases of 4 behind 4 values",
    ),
    "wrong bias": ([MATMUL, ADD], {"w": W, "b": X[0]}, "constants that do not go with 3 values"),
    "infinite": (
        [MATMUL, ADD],
        {"w": W, "b": np.array([0, np.inf, 0], np.float32)},
        "node 2 of 2, Add 'add': a weight or bias is not a finite",
    ),
    "integers": ([node("Div", "x c")], {"c": np.int64(2)}, "divides integers, which drops the fraction"),
    "constant integers by 0": (
        [node("Div", "a b", "c"), node("Add", "x c")],
        {"a": np.int64(7), "b": np.int64(0)},
        "divides integers by 0",
    ),
    "complex": ([node("Add", "x c")], {"c": np.complex64(1 + 2j)}, "is a complex number"),
    "complex weights": ([node("Gemm", "x c")], {"c": W.astype(np.complex64)}, "is a complex number"),
    "a constant beyond its type": (
        [node("Cast", "c", "i", to=3), node("Cast", "i", "f", to=1), node("Add", "x f")],
        {"c": np.float32(300)},
        "Cast 'cast': a constant is beyond int8",
    ),
    "a constant to text": (
        [node("Cast", "c", "i", to=8), node("Cast", "i", "f", to=1), node("Add", "x f")],
        {"c": np.float32(3)},
        "a type that is not read",
    ),
    "exponentials to integers": (
        [
            node("Neg", "x", "n"),
            node("Exp", "n", "e"),
            node("Cast", "e", "i", to=7),
            node("Cast", "i", "f", to=1),
            node("Add", "one f", "p"),
            node("Reciprocal", "p"),
        ],
        {"one": np.float32(1)},
        "node 3 of 6, Cast 'cast': .* another type than float32",
    ),
    "one column to integers": (
        [node("Reshape", "x s", "r"), node("Cast", "r", to=6)],
        {"s": np.array([-1, 1])},
        "another type than float32",
    ),
    "a decision to true": (
        [node("ArgMax", "x", "a", axis=1), node("Cast", "a", to=9)],
        {},
        "true or false of a decision",
    ),
    "by zero": ([node("Div", "x c")], {"c": np.float32(0)}, "not a finite number"),
    "to integers": ([node("Cast", "x", to=7)], {}, "another type than float32"),
    "to integers like a constant": (
        [node("CastLike", "x c")],
        {"c": np.array([1])},
        "another type than float32",
    ),
    "like what is computed": (
        [node("Neg", "x", "n"), node("CastLike", "x n")],
        {},
        "type of a value that is computed",
    ),
    "weights that are computed": ([node("MatMul", "w x")], {"w": W}, "its weights must be constant"),
    "behind a decision": (
        [node("ArgMax", "x", "a", axis=1), node("Neg", "a")],
        {},
        "node 2 of 2, Neg.*it goes on from what has become a decision",
    ),
    "probit": (
        [
            node(
                "LinearClassifier",
                "x",
                "y p",
                classlabels_ints=[0, 1, 2],
                post_transform="PROBIT",
                **CLASSIFIER,
            )
        ],
        {},
        "a node has no PROBIT",
    ),
    "nothing gives it": (
        [node("Relu", "z")],
        {},
        "node 1 of 1, Relu 'relu': it takes 'z', which nothing before it gives",
    ),
    "training": (
        [node("BatchNormalization", "x c c c c", training_mode=1)],
        {"c": X[0]},
        "learns from the batch",
    ),
    "dropped": (
        [node("Dropout", "x r t")],
        {"r": np.float32(0.5), "t": np.bool_(True)},
        "it drops at random",
    ),
    "a constant alone": ([node("Identity", "w")], WB, "output 'y' is not made of its inputs"),
    "shares": (
        [MATMUL, node("Sigmoid", "h", "p"), node("ReduceSum", "p a", "s", keepdims=1), node("Div", "h s")],
        {"w": W, "a": np.array([1])},
        "output 'y' is not made of its inputs by dense layers",
    ),
    "names of names": (
        [
            node("ArgMax", "x", "a", axis=1),
            node("ArrayFeatureExtractor", "c a", "b", domain=ML),
            node("ArrayFeatureExtractor", "c b", domain=ML),
        ],
        {"c": np.array([3, 2, 1, 0])},
        "node 3 of 3, ArrayFeatureExtractor",
    ),
    "rows that are mixed": (
        [node("Reshape", "x s")],
        {"s": np.array([8, -1])},
        "another shape of rows of 4 values: .8, -1.",
    ),
    "another line": ([node("Re\nlu", "x")], {}, "node 1 of 1, Re.lu"),
    "other rows": (
        [node("Reshape", "x s")],
        {"s": np.array([-1, 2])},
        "another shape of rows of 4 values: .-1, 2.",
    ),
    "huge": (
        [node("Mul", "a b", "c"), node("Add", "x c")],
        {"a": np.ones((9000, 1), np.float32), "b": np.ones((1, 9000), np.float32)},
        "constants are larger than any",
    ),
    "spread wide": (
        [node("MatMul", "x w", "h"), node("Add", "h c")],
        {"w": W[:, :1], "c": np.ones(5000, np.float32)},
        "5000 values side by side",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_refused_is_named(what: str) -> None:
    nodes, constants, why = BAD[what]
    with pytest.raises(NeuronError, match=why) as error:
        load(graph(nodes, constants))
    assert "\n" not in str(error.value)


def test_inputs_of_several_columns_each_stand_side_by_side() -> None:
    made = graph([node("Concat", "z x", "h", axis=1), node("MatMul", "h w")], {"w": np.vstack([W[:2], W])})
    made.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ("n", 2)))
    (expected,) = ReferenceEvaluator(made).run(None, {"x": X, "z": X[:, :2]})
    imported = load(made)
    assert imported.notes == ("the graph's inputs stand side by side, in this order: x, z",)
    outputs = reference(imported.layers, np.hstack([X, X[:, :2]]).astype(np.float64))[1]
    assert np.abs(outputs - expected).max() <= 1e-5


def test_a_block_that_is_cast_to_integers_is_refused() -> None:
    nodes = [node("Cast", "x", "i", to=7), node("Cast", "i", "f", to=1), node("Flatten", "f", "y")]
    with pytest.raises(NeuronError, match=r"node 1 of 3, Cast 'cast': .* another type than float32"):
        load(graph(nodes, shape=("n", 2, 2)))


def test_what_is_beside_a_decision_is_said() -> None:
    """Its own scores, or their softmax, are no more than that; other values are left out."""
    scores = [MATMUL, ADD, node("ArgMax", "y", "label", axis=1), node("Softmax", "y", "p", axis=1)]
    assert not any("left out" in note for note in load(graph(scores, WB, "label y p")).notes)
    other = [*scores, node("Gemm", "x v", "z"), node("LeakyRelu", "x", "leaky")]
    notes = load(graph(other, {**WB, "v": W[:, ::-1].copy()}, "label p z leaky")).notes
    assert "left out, what the graph gives beside its decision: 'z', 'leaky'" in notes


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.INT32])
def test_inputs_of_whole_numbers_are_said(kind: int) -> None:
    made = graph([node("Cast", "x", "f", to=1), node("MatMul", "f w", "h"), ADD], WB)
    assert load(made).notes == ()
    made.graph.input[0].type.tensor_type.elem_type = kind
    assert load(made).notes == ("of x the original takes whole numbers only, a node fractions as well",)


def test_graphs_without_rows_or_columns_are_refused() -> None:
    for shape, why in (
        ((4,), "has no rows"),
        ((), "has no rows"),
        (("n", "m"), "does not say how many columns"),
        (("n", 65), "65 inputs, a node takes 1..64"),
    ):
        with pytest.raises(NeuronError, match=why):
            load(graph([node("Identity", "x")], shape=shape))
    with pytest.raises(NeuronError, match="opset 6: export it with opset 7"):
        load(graph([MATMUL, ADD], WB, opset=6))
    half = graph([MATMUL, ADD], WB)
    half.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    with pytest.raises(NeuronError, match="'x' is no float32"):
        load(half)
    with pytest.raises(NeuronError, match=r"2 outputs .'h', 'y'."):
        load(graph([MATMUL, ADD], WB, "h y"))
    deep = [node("Tanh", "x", "h0"), *(node("Tanh", f"h{i}", f"h{i + 1}") for i in range(8))]
    with pytest.raises(NeuronError, match="9 layers, a node takes at most 8"):
        convert(load(graph(deep, outputs="h8")), X)


def test_what_onnx_itself_refuses_is_refused() -> None:
    """An attribute that Gemm does not have, in place of transB: without it the weights would be read as they stand."""
    wrong = graph([node("Gemm", "x w b", tranqB=1)], {"w": np.eye(4, dtype=np.float32), "b": X[0]})
    with pytest.raises(NeuronError, match=r"its graph is damaged: .*tranqB") as error:
        load(wrong)
    assert "\n" not in str(error.value)
    twice = graph([node("Relu", "x"), node("Tanh", "x")])
    with pytest.raises(NeuronError, match="its graph is damaged: "):
        load(twice)


def test_functions_of_the_model_are_read_where_they_are_called() -> None:
    body = [node("MatMul", "a b", "c"), node("Relu", "c", "d")]
    function = helper.make_function("my.own", "Layer", ["a", "b"], ["d"], body, [helper.make_opsetid("", 17)])
    made = graph([node("Layer", "x w", domain="my.own")], WB)
    made.functions.append(function)
    made.opset_import.append(helper.make_opsetid("my.own", 1))
    assert np.allclose(reference(load(made).layers, X.astype(np.float64))[1], np.maximum(X @ W, 0), atol=1e-5)
