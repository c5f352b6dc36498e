"""The last step of training: probabilities that can be taken at their word, by what was held out."""

from __future__ import annotations

from dataclasses import replace

from bluebird.bundle import Bundle, Validation
from bluebird.nets.familiarity import familiarity, quantiles
from bluebird.quality.calibration import fit_temperature


def calibrated(model: Bundle, validation: Validation) -> Bundle:
    """`model` with what it said of its val split, a temperature fitted on that, and how familiar those pictures look.

    Where none of those pictures was mistaken there is nothing to learn from how sure it may be, and the temperature,
    which would sink until all scores are 0 or 1, stays at 1 or above.
    """
    temperature = fit_temperature(validation.logits.numpy(), validation.targets.numpy())
    if bool((validation.logits.argmax(1) == validation.targets).all()):
        temperature = max(1.0, temperature)
    known = quantiles(familiarity(validation.logits))
    return replace(model, temperature=temperature, familiarity=known, validation=validation)
