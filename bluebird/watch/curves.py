"""How good the search for one bird becomes while a network trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning as L
import numpy as np

from bluebird.quality.ranking import average_precision, looks_for, ranking


class SearchCurves(L.Callback):
    """Logs at each validation how well the target is found among the pictures held out.

    `val/average_precision`, and `val/looked_at_for_95`: the share of the val split to look at, best first, until 95 %
    of the target's pictures are found.

    Args:
        columns: the numbers of the target's classes; without any, or without a picture of them, nothing is logged.
    """

    def __init__(self, columns: Sequence[int]) -> None:
        self.columns = list(columns)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        module: Any = pl_module
        logits, targets = module.judged()
        relevant = np.isin(targets.numpy(), self.columns)
        scores = logits.softmax(1)[:, self.columns].sum(1).double().numpy()
        if not relevant.any() or not np.isfinite(scores).all() or trainer.state.fn != "fit":
            return
        order = ranking(scores, relevant)
        pl_module.log("val/average_precision", average_precision(order))
        pl_module.log("val/looked_at_for_95", looks_for(order, 0.95) / len(scores))
