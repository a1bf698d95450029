"""The learner's page: what can be trained, and a training with all that is drawn of it (host/web/shown.py)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, cast

from host.errors import NeuronError, counted
from host.show.report import LOSS_NAMES
from host.show.subject import in_sight, title_of
from host.training.fit import Diverged
from host.training.options import Options
from host.training.pipeline import train
from host.training.plan import Plan, make_plan
from host.training.trained import Trained
from host.web.asked import OFFERED, options_of, require_small
from host.web.shown import Recipe, TrainingJson
from host.web.told import became, losses, names_of, nothing, planned, samples_of, stable_rate_of, walked

ARTICLES: dict[str, list[int] | None] = {
    "wx": None,
    "wxb": None,
    "and": None,
    "logistic": None,
    "mlp": [2, 4, 1],
}
"""The models that a page offers; of a network the units, so that its boundary can be drawn."""


def recipes() -> list[Recipe]:
    """The articles' models with their data, in the articles' order."""
    return [_recipe(make_plan(Options(model, layers=layers)), layers) for model, layers in ARTICLES.items()]


def _recipe(plan: Plan, layers: list[int] | None) -> Recipe:
    config, data = plan.config, plan.data
    return {
        "key": plan.name,
        "label": plan.label,
        "kind": plan.recipe.kind,
        "layers": layers,
        "inputs": list(data.inputs),
        "target": data.target,
        "classes": list(plan.classes),
        "samples": samples_of(plan),
        "activation": config.activation[-1].name.lower(),
        "algorithm": plan.algorithm,
        "algorithms": list(OFFERED),
        "loss": LOSS_NAMES[config.loss],
        "rate": config.rate,
        "epochs": config.epochs,
        "start": plan.starts[0] if layers is None else [],
        "seed": None if layers is None else config.seed,
        "parameters": names_of(config, data),
        "stable_rate": stable_rate_of(plan),
        "surface": config.count <= 2,
        "boundary": len(data.inputs) <= 2,
    }


class Cancelled(NeuronError):
    """Somebody has ended it."""


class Training:
    """One training. request: a Request of host.web.shown, or whatever came in its place. `run` does the work, in one
    thread; others may ask for all else meanwhile.

    plan, trained, diverged: as far as it has come, for who deploys it or trains a node beside it.
    """

    def __init__(self, number: str, request: object) -> None:
        self.id, self._request = number, request
        model = request.get("model") if isinstance(request, dict) else None
        self._model = model if isinstance(model, str) else ""
        self.state, self.error = "waiting", ""
        self.plan: Plan | None = None
        self.trained: Trained | None = None
        self.diverged: Diverged | None = None
        self._done = 0, 0
        self._shown: dict[str, Any] = {}
        self._ended = threading.Event()

    def run(self) -> None:
        """Train. What may be expected to fail is not raised: `state` and `error` say it. A fault of ours is."""
        self.state = "running"
        try:
            with options_of(self._request) as options:
                self._request = None  # its files may be long, and a shelf is full of trainings
                self.plan = plan = make_plan(options, self._tell)
            require_small(plan)
            try:
                self.trained = train(plan, self._tell)
            except Diverged as diverged:
                self.diverged = diverged
            self._shown = self._show(plan)
            self.state = "diverged" if self.diverged else "trained"
        except Cancelled as error:
            self.error, self.state = str(error), "cancelled"
        except NeuronError as error:
            self.error, self.state = str(error), "refused"
        except Exception:
            self.error, self.state = (
                "a fault of this program, whose log says more: try another request",
                "refused",
            )
            raise

    def cancel(self) -> None:
        """End it, soon. What has come to its end stays as it is."""
        self._ended.set()

    def _tell(self, step: str, done: int, total: int) -> None:
        if self._ended.is_set():
            raise Cancelled("cancelled: somebody has ended this training")
        self._done = done, total

    @property
    def start(self) -> Sequence[float]:
        """The parameters that it began with."""
        found = self.trained or self.diverged
        return found.start if found else []

    def as_dict(self) -> TrainingJson:
        """How it stands now."""
        state = self.state
        done, total = self._done
        stands = {
            "id": self.id,
            "state": state,
            "error": self.error,
            "done": done,
            "total": total,
            "model": self._model,
        }
        known = self._shown if state in ("trained", "diverged") else {}
        return cast(TrainingJson, {**nothing(), **known, **stands})

    def _show(self, plan: Plan) -> dict[str, Any]:
        rate = f"rate {plan.config.rate:g}"
        if self.trained:
            fit = self.trained.fit
            return {
                **planned(plan),
                **walked(plan, self.start, fit.spread, fit.end),
                **losses(fit.spread),
                **became(self.trained),
                "title": title_of(plan, f"{rate}, {counted(fit.epochs, 'epoch')}"),
            }
        assert self.diverged is not None
        seen = in_sight(self.diverged)
        return {
            **planned(plan),
            **walked(plan, self.start, seen, None),
            **losses(self.diverged.fit.spread),
            "title": title_of(plan, f"{rate}, diverges"),
            "diverged": {
                "why": str(self.diverged),
                "epoch": self.diverged.fit.epochs,
                "stable_rate": stable_rate_of(plan),
            },
        }
