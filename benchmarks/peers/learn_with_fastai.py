"""fastai: `fine_tune`, as its course has it, or one cycle from drawn weights; as many epochs as the minutes allow."""

from __future__ import annotations

import torch
from fastai.vision.all import (
    Callback,
    CancelFitException,
    CrossEntropyLossFlat,
    ImageDataLoaders,
    Learner,
    Normalize,
    ParamScheduler,
    Resize,
    ResizeMethod,
    accuracy,
    apply_init,
    aug_transforms,
    create_head,
    params,
    set_seed,
)
from learning import Learning, Plan, Rehearsal, given
from torch import nn

BATCH, WORKERS = 32, 2
FINE_TUNE_LR = 2e-3  # the default of fine_tune
ONE_CYCLE_LR = 3e-3  # from drawn weights
HEAD_EPOCH = 0.5  # the epoch of the head, which fine_tune begins with, by one of all layers


class Clock(Callback):
    """Schedules follow the clock, and end with it.

    fine_tune fits twice: the head, and all layers. Each fit has its part of the time.
    """

    order = ParamScheduler.order - 1  # which reads pct_train before each batch

    def __init__(self, plan: Plan, parts: list[float]) -> None:
        total, gone = sum(parts), 0.0
        self.plan, self.steps, self.ahead = plan, 0, []
        for part in parts:
            self.ahead.append((gone / total, (gone + part) / total))
            gone += part

    def before_fit(self) -> None:
        (self.begins, self.ends), *self.ahead = self.ahead
        self.steps = 0

    def before_batch(self) -> None:
        if self.training:
            share = (self.plan.passed() - self.begins) / (self.ends - self.begins)
            self.learn.pct_train = min(1.0, max(self.pct_train, share))

    def after_batch(self) -> None:
        self.steps += self.training
        if self.training and self.plan.passed() >= self.ends:
            raise CancelFitException


def main() -> None:
    job = given()
    set_seed(job.seed, reproducible=True)
    loaders = ImageDataLoaders.from_folder(
        job.photos, train="train", valid="val", bs=BATCH, num_workers=WORKERS,
        item_tfms=Resize(job.side, method=ResizeMethod.Squish),
        batch_tfms=[*aug_transforms(), Normalize.from_stats(job.mean, job.std, cuda=False)],
        device=torch.device("cpu"),
    )  # fmt: skip
    learner = make_learner(job, loaders)
    head = [HEAD_EPOCH] if job.weights else []
    rehearsal = Rehearsal(learner.model, lambda network, batch: learner.loss_func(network(batch[0]), batch[1]))
    plan = job.plan(loaders.train, rehearsal, BATCH, before=sum(head))
    clock = Clock(plan, [*head, plan.epochs])
    lr = job.lr or (FINE_TUNE_LR if job.weights else ONE_CYCLE_LR)
    with learner.no_bar(), learner.no_logging():
        if job.weights:
            learner.fine_tune(plan.at_most, lr, cbs=clock)
        else:
            learner.fit_one_cycle(plan.at_most, lr, cbs=clock)
        probs, _ = learner.get_preds(dl=loaders.test_dl(job.files("test")[0], bs=64))
    how = f"fine_tune, lr {lr:g}, head first" if job.weights else f"fit_one_cycle, lr {lr:g}"
    epochs = clock.steps / len(loaders.train)
    job.write(torch.Tensor(probs), f"{epochs:.1f} epochs, {how}, batches of {BATCH}", plan.rehearsed)


def make_learner(job: Learning, loaders: ImageDataLoaders) -> Learner:
    network = nn.Sequential(job.body().features, create_head(1280, loaders.c))
    apply_init(network[1], nn.init.kaiming_normal_)  # as vision_learner does
    return Learner(
        loaders, network, loss_func=CrossEntropyLossFlat(), metrics=accuracy,
        splitter=lambda m: [params(m[0]), params(m[1])],
    )  # fmt: skip


if __name__ == "__main__":
    main()
