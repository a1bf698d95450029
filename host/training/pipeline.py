"""The PC's pipeline: data -> fit -> quantise -> image."""

from __future__ import annotations

from collections.abc import Sequence

from host.core.image import Model, Names, encode
from host.data.scaler import fold, unscaled
from host.models.dense import Dense, dense_layers
from host.models.formats import WEIGHT_BITS
from host.models.quantise import quantise
from host.models.report import Report
from host.progress import Progress
from host.training import grid
from host.training.doubts import doubts
from host.training.fit import fit
from host.training.plan import Plan
from host.training.trained import Trained, measures_of


def float_layers(plan: Plan, parameters: Sequence[float]) -> list[Dense]:
    """The float model of these parameters, for raw inputs."""
    layers, samples = dense_layers(plan.config, parameters), plan.samples
    if samples.target_scaler:
        layers[-1] = unscaled(layers[-1], samples.target_scaler)
    if samples.input_scaler:
        layers[0] = fold(layers[0], samples.input_scaler)
    return layers


def fixed_point(plan: Plan, layers: Sequence[Dense], weight_bits: int = WEIGHT_BITS) -> tuple[Model, Report]:
    """What becomes of a float model, and what that cost."""
    data, samples = plan.data, plan.samples
    return quantise(
        data.name,
        layers,
        samples.seen,
        ranges=plan.ranges,
        led_output=plan.lamp.output,
        led_threshold=plan.lamp.threshold,
        led_class=plan.lamp.of_class,
        nearest_threshold=plan.threshold_may_move,
        names=Names(data.inputs, data.targets_named, data.classes) if plan.own_data else Names(),
        shared_outputs=plan.shared_outputs,
        sensed=data.windows.sensed if data.windows else None,
        numerators=samples.seen_numerators,
        decision=plan.decision,
        off_threshold=plan.off_threshold,
        release=plan.release,
        weight_bits=weight_bits,
    )


def train(plan: Plan, progress: Progress | None = None) -> Trained:
    """Train as planned, and turn the result into an image."""
    config, samples = plan.config, plan.samples
    scaled = {part: samples.weighted(part) for part in samples.parts}

    measures = measures_of(config, scaled)
    x, y, weights = scaled["training"]
    if plan.axes is not None:
        fits = [grid.search(config, x, y, plan.axes, progress)]
    else:
        fits = [
            fit(
                config,
                x,
                y,
                start,
                weights=weights,
                validation=scaled.get("validation"),
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

    layers = float_layers(plan, fitted.end.parameters)
    model, report = fixed_point(plan, layers)
    trained = Trained(
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
    trained.warnings.extend(doubts(trained))
    return trained
