"""What TensorBoard shows of a trained network: how good its search is, its worst mistakes, and how it sees them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.special import softmax
from torch import Tensor
from torch.nn import functional
from torch.utils.tensorboard.writer import SummaryWriter
from torchvision.utils import make_grid

from bluebird.bundle import Bundle, Validation
from bluebird.engines.engine import AT_ONCE, Fetch
from bluebird.quality.calibration import reliability
from bluebird.quality.ranking import ranking
from bluebird.report.mistakes import confusion
from bluebird.report.why import explained
from bluebird.watch.figures import draw_confusion, draw_looking, draw_precision_recall, draw_reliability

_MISTAKES, _IN_A_ROW = 16, 8
_PROJECTED, _THUMBNAIL_PX = 500, 48

FeaturesOf = Callable[[Sequence[int]], Tensor]


@dataclass(frozen=True)
class Board:
    """Where and when the figures of one run are written.

    Args:
        writer: TensorBoard's.
        step: they are shown at this training step.
    """

    writer: SummaryWriter
    step: int

    def show(
        self, model: Bundle, pictures: Fetch, features: FeaturesOf, validation: Validation, target: Sequence[str]
    ) -> None:
        """Everything, from the val split.

        Args:
            model: calibrated.
            pictures: of the val split.
            features: float32 (n, F), what the model's last layer decides on, of some of these pictures.
            validation: what the model said of them, in the same order.
            target: the classes that are looked for; the curves are left out if no picture shows them.
        """
        logits, targets = validation.logits.double().numpy(), validation.targets.numpy()
        probs = softmax(logits / model.temperature, axis=1)
        columns = [model.classes.index(name) for name in target]
        self._figures(model, probs, targets, columns)
        self._mistakes(model, pictures, probs, targets)
        self._project(model, pictures, features, targets)
        self.writer.flush()

    def _figures(self, model: Bundle, probs: np.ndarray, targets: np.ndarray, columns: list[int]) -> None:
        add = self.writer.add_figure
        add("val/confusion", draw_confusion(confusion(targets, probs), model.classes, columns), self.step)
        diagram = reliability(probs.max(1), probs.argmax(1) == targets)
        figure = draw_reliability([("at its temperature", diagram)], "Trust", "probability", "share that was right")
        add("val/reliability", figure, self.step)
        relevant = np.isin(targets, columns)
        if not relevant.any():
            return
        scores = probs[:, columns].sum(1).clip(0, 1)
        order, name = ranking(scores, relevant), " or ".join(model.classes[column] for column in columns)
        add("val/looking", draw_looking(order, name), self.step)
        add("val/precision_recall", draw_precision_recall(order, name), self.step)
        self.writer.add_pr_curve(f"val/{name}", relevant, scores, self.step)

    def _mistakes(self, model: Bundle, pictures: Fetch, probs: np.ndarray, targets: np.ndarray) -> None:
        """The pictures it was most wrongly sure of, beside where it looked for what it took them for."""
        own, first = probs[np.arange(len(targets)), targets], probs.argmax(1)
        wrong = np.flatnonzero(first != targets)
        if not len(wrong):
            return
        worst = wrong[np.argsort(own[wrong] - probs[wrong, first[wrong]], kind="stable")][:_MISTAKES]
        shown = pictures(worst.tolist()).contiguous()
        overlays, _ = explained(model, shown, torch.from_numpy(first[worst]))
        self.writer.add_image("val/worst_mistakes", make_grid(shown, _IN_A_ROW), self.step)
        self.writer.add_image("val/worst_mistakes_why", make_grid(overlays.cpu(), _IN_A_ROW), self.step)
        lines = [
            f"{place}. {model.classes[targets[n]]}, taken for {model.classes[first[n]]} with {probs[n, first[n]]:.2f}"
            for place, n in enumerate(worst.tolist(), 1)
        ]
        self.writer.add_text("val/worst_mistakes", "\n".join(lines), self.step)

    def _project(self, model: Bundle, pictures: Fetch, features: FeaturesOf, targets: np.ndarray) -> None:
        """Features of at most 500 pictures, evenly out of all, with thumbnails."""
        chosen = sorted({round(place) for place in np.linspace(0, len(targets) - 1, _PROJECTED)})
        parts = [chosen[start : start + AT_ONCE] for start in range(0, len(chosen), AT_ONCE)]
        small = [functional.interpolate(pictures(part).float() / 255, _THUMBNAIL_PX, mode="area") for part in parts]
        labels = [model.classes[index] for index in targets[chosen]]
        # what an earlier end of the same run left there; the name is torch's
        shutil.rmtree(Path(self.writer.log_dir, f"{self.step:05}", "val"), ignore_errors=True)
        self.writer.add_embedding(
            torch.cat([features(part) for part in parts]), labels, torch.cat(small), self.step, "val"
        )
