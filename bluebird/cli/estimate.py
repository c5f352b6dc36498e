"""`bluebird estimate`: how many pictures of the bird there are in all, by the scores or by looking at some."""

from __future__ import annotations

import json
import shlex
from argparse import Namespace
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np

from bluebird.bundle import load_model
from bluebird.cli.mute import mute_c_libraries
from bluebird.engines import cores
from bluebird.engines.opened import open_engine
from bluebird.errors import BundleError, DataError, UsageError
from bluebird.files import write_whole
from bluebird.quality.counting import Bools, Count, Doubles, adjusted_count, checked_confidence, posterior_count
from bluebird.quality.sampling import draw, estimate
from bluebird.report.validation import held_out
from bluebird.search.found import Source
from bluebird.search.results import thumbnails
from bluebird.search.sample import (
    Looked,
    Plan,
    Row,
    Scored,
    look,
    read_labels,
    read_paths,
    read_plan,
    read_scored,
    refuse_labelled,
    write_page,
    write_plan,
    write_table,
)
from bluebird.search.sources import base_of, open_source
from bluebird.search.sources.listing import ListSource

_TIMEOUT_SECONDS = 10.0
_TOP, _SAMPLE = 100, 200


def run(options: Namespace) -> int:
    """Read the search, then draw, count what was labelled, or ask the scores."""
    checked_confidence(options.confidence)
    scored = read_scored(options.out)
    if options.draw:
        _draw(options, scored)
    elif options.labels:
        _count_labels(options, scored)
    else:
        _ask_scores(options, scored)
    return 0


def _ask_scores(options: Namespace, scored: Scored) -> None:
    probs, relevant = _held_out(options, scored)
    count = posterior_count(scored.scores, probs, relevant, options.confidence)
    print(f"{scored.wanted:<12} {_in_words(count)} of {len(scored.scores):,} pictures, by their scores")
    print(f"adjusted     {_adjusted(options, scored, probs, relevant)}")
    _say_without(scored)
    print(f"held out     {len(probs):,} pictures in training, {int(relevant.sum()):,} of them {scored.wanted}")
    print("assumes      that each kind of picture looks here as among those, and the rest is of the same mix")
    print("             (label shift); where that is wrong, so is this, and no interval shows it")
    print(f"without      assumptions, by looking at a sample: {_command(options, '--draw')}")


def _held_out(options: Namespace, scored: Scored) -> tuple[Doubles, Bools]:
    """The target's probability in the pictures of the val split (M,), and which of them show it."""
    model = load_model(options.model, build=options.engine == "torch")
    _, fingerprint = open_engine(model, options.model, options.engine)
    if fingerprint != scored.model:
        raise UsageError(
            f"{str(scored.ledger)!r}: its scores are not of {str(options.model)!r} with --engine {options.engine}; "
            "name the model and the engine that searched"
        )
    if model.validation is None:
        raise BundleError(
            f"{str(options.model)!r}: keeps nothing of its val split; name the run folder or its bundle, train anew, "
            f"or look at a sample: {_command(options, '--draw')}"
        )
    scores, relevant = held_out(model, scored.target)
    if not 2 <= relevant.sum() <= len(relevant) - 2:
        raise DataError(
            f"{str(options.model)!r}: its val split holds {int(relevant.sum())} of {scored.wanted} among "
            f"{len(relevant)}, expected two of each kind; look at a sample: {_command(options, '--draw')}"
        )
    return scores, relevant


def _adjusted(options: Namespace, scored: Scored, probs: Doubles, relevant: Bools) -> str:
    accepted, kept = scored.scores >= options.accept, probs >= options.accept
    what = f"from the {int(accepted.sum()):,} with a score of {options.accept:g} or more"
    with suppress(DataError):  # the model accepts no more of the target than of the rest
        count = adjusted_count(
            int(accepted.sum()), len(accepted),
            int(kept[relevant].sum()), int(relevant.sum()),
            int(kept[~relevant].sum()), int((~relevant).sum()), options.confidence,
        )  # fmt: skip
        return f"{_in_words(count)}, {what}"
    return f"nothing can be told {what}: among the held-out pictures those are no more often the target"


def _draw(options: Namespace, scored: Scored) -> None:
    out, table = options.out, options.out / "sample.csv"
    refuse_labelled(table)
    top, sample = _shares(options, len(scored.scores))
    plan, rows = _plan(scored, top, sample, options.seed)
    source, base = _source(scored.root)
    then = _command(options, "--labels", str(table))
    with mute_c_libraries(), thumbnails(source, cores(), _TIMEOUT_SECONDS) as pictures:
        write_page(plan, rows, base, pictures, then, out / "sample.html")
    write_table(rows, table)
    write_plan(plan, out / "sample.json")
    others = f"{len(plan.drawn):,} of the other {plan.rest:,}"
    print(f"drawn        the {len(plan.best):,} best, and {others} by lot (seed {plan.seed})")
    print(f"look         {out / 'sample.html'}: say yes or no to each, and download the table")
    print(f"or fill in   {table}: yes or no in its column shows")
    print(f"then         {then}")
    _say_without(scored)


def _shares(options: Namespace, scored: int) -> tuple[int, int]:
    """How many of the best to look at, and how many of the rest: as asked, or what there is of the usual."""
    top, sample = options.top, options.sample
    if top is None:
        top = min(_TOP, max(0, scored - (sample or 0)))
    if sample is None:
        sample = min(_SAMPLE, max(0, scored - top))
    if top + sample > scored:
        raise UsageError(
            f"--top {top} --sample {sample}: more than the {scored:,} pictures with a score; ask for fewer"
        )
    return top, sample


def _plan(scored: Scored, top: int, sample: int, seed: int) -> tuple[Plan, list[Row]]:
    best, drawn = draw(scored.scores, top, sample, seed)
    places = np.concatenate([best, drawn])
    paths = read_paths(scored, places)
    plan = Plan(
        target=list(scored.target),
        model=scored.model,
        digest=scored.digest,
        seed=seed,
        scored=len(scored.scores),
        best=paths[: len(best)],
        drawn=paths[len(best) :],
    )
    parts = ["best"] * len(best) + ["rest"] * len(drawn)
    scores = [f"{score:.6f}" for score in scored.scores[places]]
    return plan, list(zip(parts, paths, scores, strict=True))


def _source(root: str) -> tuple[Source, Path]:
    """What was searched, to read it again, and the folder that its names start from."""
    if root == "-":  # the list has gone with the standard input, but its names stand in the ledger
        return ListSource(Path.cwd(), (), 1.0), Path.cwd()
    source = open_source(root)
    return source, Path(base_of(source, root))


def _count_labels(options: Namespace, scored: Scored) -> None:
    plan = read_plan(options.out / "sample.json")
    plan.check(scored)
    looked = look(plan, read_labels(options.labels), options.labels)
    count = estimate(looked.best_found, looked.drawn_found, looked.drawn, plan.rest, options.confidence)
    _write(options.out / "estimate.json", count, looked, plan, scored)
    print(f"{scored.wanted:<12} {_in_words(count)} of {plan.scored:,} pictures, by looking")
    print(f"best         {looked.best_found:,} of the {len(plan.best):,} best show it")
    print(f"rest         {looked.drawn_found:,} of {looked.drawn:,} drawn from the other {plan.rest:,}")
    _say_without(scored)
    print(f"figures      {options.out / 'estimate.json'}")


def _write(path: Path, count: Count, looked: Looked, plan: Plan, scored: Scored) -> None:
    figures = asdict(count) | {
        "target": plan.target, "model": plan.model, "seed": plan.seed, "scored": plan.scored,
        "best": len(plan.best), "best_found": looked.best_found,
        "rest": plan.rest, "drawn": looked.drawn, "drawn_found": looked.drawn_found,
        "failed": scored.failed, "skipped": scored.skipped, "waiting": scored.waiting,
    }  # fmt: skip
    write_whole(path, (json.dumps(figures, indent=2) + "\n").encode("ascii"))


def _in_words(count: Count) -> str:
    return f"{count.estimate:,.0f} ({count.confidence * 100:g} %: {count.low:,.0f} to {count.high:,.0f})"


def _say_without(scored: Scored) -> None:
    """What the figures do not speak of."""
    numbers = {"failed": scored.failed, "skipped": scored.skipped, "not yet scored by this model": scored.waiting}
    listed = ", ".join(f"{number:,} {word}" for word, number in numbers.items() if number)
    if listed:
        print(f"not in it    files without a score: {listed}")
    if not scored.ended:
        print("not in it    what the search has still to go through: it runs, or was ended early")


def _command(options: Namespace, *more: str) -> str:
    """A command line to type next."""
    return shlex.join(["bluebird", "estimate", str(options.out), *more])
