"""The PC's pipeline: data -> fit -> quantise -> image."""

from __future__ import annotations

from host.core.image import encode
from host.data.dataset import split
from host.data.scaler import fold, scaler_of
from host.models.dense import dense_layers
from host.models.quantise import quantise
from host.progress import Progress
from host.training import grid
from host.training.fit import fit
from host.training.plan import Plan
from host.training.trained import Trained, measures_of


def train(plan: Plan, progress: Progress | None = None) -> Trained:
    """Train as planned, and turn the result into an image."""
    data, config = plan.data, plan.config
    parts = split(data, plan.split, plan.split_seed) if plan.split else [data]
    scaler = scaler_of(parts[0]) if plan.standardise else None
    inputs = [scaler.apply(part.x) if scaler else part.x for part in parts]

    measures = measures_of(config, inputs, parts)
    if plan.axes is not None:
        fits = [grid.search(config, inputs[0], parts[0].y, plan.axes, progress)]
    else:
        fits = [
            fit(
                config,
                inputs[0],
                parts[0].y,
                start,
                validation=(inputs[1], parts[1].y) if len(parts) > 1 and len(parts[1]) else None,
                patience=plan.patience,
                every_loss=plan.full_history,
                progress=progress,
            )
            for start in plan.starts
        ]
    judge = measures.get("validation", measures["training"])
    tries = [judge(one.end.parameters) for one in fits]
    kept = tries.index(min(tries))
    fitted = fits[kept]

    layers = dense_layers(config, fitted.end.parameters)
    if scaler:
        layers[0] = fold(layers[0], scaler)
    model, report = quantise(
        data.name,
        layers,
        data.x,
        ranges=plan.ranges,
        led_threshold=plan.led_threshold,
        nearest_threshold=plan.threshold_may_move,
    )
    return Trained(
        plan=plan,
        fit=fitted,
        start=plan.starts[kept] if plan.starts else [],
        tries=tries,
        losses={part: measure(fitted.end.parameters) for part, measure in measures.items()},
        measures=measures,
        layers=layers,
        model=model,
        report=report,
        image=encode(model),
    )
