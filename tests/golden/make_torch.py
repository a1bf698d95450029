"""Write tests/golden/torch.json: the same trainings by PyTorch, in float64. Needs torch; the tests do not.

python -m tests.golden.make_torch
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from host.core.learn import Config
from host.core.wire import Activation, Loss
from host.data.dataset import BUILT_IN, synthetic
from host.training.starts import random_start

IDENTITY, RELU, STEP, SIGMOID, TANH = Activation
WXB, LOGISTIC = BUILT_IN["wxb"], BUILT_IN["logistic"]
DATA = synthetic()
NETWORK = Config((10, 7, 10), (RELU, IDENTITY), loss=Loss.SUM, rate=1e-4, epochs=500)
BARE = Config((10, 7, 10), (RELU, IDENTITY), bias=False, loss=Loss.SUM, rate=1e-4, epochs=500)
ADAM = Config((10, 7, 10), (RELU, IDENTITY), adam=True, batch=50, rate=0.01, epochs=50)
NEURON = Config((1, 1), (IDENTITY,), adam=True, rate=0.1, epochs=5000)
PROBABILITY = Config((1, 1), (SIGMOID,), loss=Loss.CROSS, rate=0.5, epochs=1000)

CASES: dict[str, tuple[Config, Any, Any, list[float]]] = {
    "wxb adam": (NEURON, WXB.x, WXB.y, [0.0, 0.0]),
    "logistic": (PROBABILITY, LOGISTIC.x, LOGISTIC.y, [0.0, 0.0]),
    "network": (NETWORK, DATA.x, DATA.y, random_start(NETWORK, 0)),
    "network without biases": (BARE, DATA.x, DATA.y, random_start(BARE, 0)),
    "network adam minibatch": (ADAM, DATA.x, DATA.y, random_start(ADAM, 0)),
}


def train(config: Config, x: Any, y: Any, start: list[float]) -> tuple[list[float], list[float]]:
    """Losses before the last step of each epoch, and the final parameters in our order."""
    import torch

    modules: list[Any] = []
    for first, inputs, outputs, activation in config.layers:
        linear = torch.nn.Linear(inputs, outputs, bias=config.bias, dtype=torch.float64)
        end = first + inputs * outputs
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(start[first:end]).reshape(outputs, inputs))
            if config.bias:
                linear.bias.copy_(torch.tensor(start[end : end + outputs]))
        modules += [
            linear,
            *({RELU: [torch.nn.ReLU()], SIGMOID: [torch.nn.Sigmoid()]}.get(activation, [])),
        ]
    network = torch.nn.Sequential(*modules)
    loss_of = {
        Loss.MEAN: torch.nn.MSELoss(),
        Loss.SUM: torch.nn.MSELoss(reduction="sum"),
        Loss.CROSS: torch.nn.BCELoss(),
    }[config.loss]
    optimiser = (torch.optim.Adam if config.adam else torch.optim.SGD)(network.parameters(), lr=config.rate)
    table, targets = torch.tensor(np.asarray(x)), torch.tensor(np.asarray(y)).reshape(len(x), -1)
    losses = []
    for _ in range(config.epochs):
        for rows, wanted in zip(
            table.split(config.batch or len(x)), targets.split(config.batch or len(x)), strict=True
        ):
            optimiser.zero_grad()
            loss = loss_of(network(rows), wanted)
            loss.backward()
            optimiser.step()
        losses.append(loss.item())
    return losses, [value for part in network.parameters() for value in part.detach().ravel().tolist()]


def main() -> None:
    import torch

    torch.set_default_dtype(torch.float64)
    golden = {}
    for name, case in CASES.items():
        losses, parameters = train(*case)
        epochs = sorted({round(k) for k in np.geomspace(1, len(losses), 24)})
        golden[name] = {
            "epochs": [epoch - 1 for epoch in epochs],
            "losses": [losses[epoch - 1] for epoch in epochs],
            "absolute": 1e-18 if name == "wxb adam" else 0,  # at its optimum only rounding is left
            "parameters": parameters[:20],
        }
    path = Path(__file__).with_name("torch.json")
    path.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
