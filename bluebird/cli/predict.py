"""`bluebird predict`: a trained model goes through everything that a place holds, and hands over the finds."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bluebird.bundle import load_model, versions
from bluebird.cli.choose import choose_accept, choose_device, choose_target
from bluebird.cli.log_file import LOG, log_file
from bluebird.cli.memory import keep_freed_memory
from bluebird.cli.mute import mute_c_libraries
from bluebird.cli.parsers.predict import ALSO
from bluebird.engines.engine import Engine
from bluebird.engines.opened import open_engine
from bluebird.search.batch_size import BatchSize
from bluebird.search.found import Source
from bluebird.search.ledger import Ledger
from bluebird.search.pool import DecodePool
from bluebird.search.progress import Progress
from bluebird.search.rank import rank
from bluebird.search.results import (
    Failure,
    Results,
    collect,
    thumbnails,
    write_csv,
    write_failures,
    write_jsonl,
    write_megadetector,
    write_page,
    write_parquet,
)
from bluebird.search.row import Row
from bluebird.search.scan import Scan
from bluebird.search.sources import base_of, open_source

_WRITERS = {"jsonl": write_jsonl, "parquet": write_parquet, "megadetector": write_megadetector}


def run(options: Namespace) -> int:
    """Scan, rank, write, say what was found."""
    with log_file(options.log_file):
        return _search(options)


def _search(options: Namespace) -> int:
    LOG.info("versions %s", json.dumps(versions()))
    LOG.info("options %s", json.dumps(vars(options), default=str))
    keep_freed_memory()
    model = load_model(options.model, build=options.engine == "torch")
    target = choose_target(model.classes, options.target)
    options.accept = choose_accept(model, target, options.accept)
    device = choose_device(options.device, options.engine)
    engine, fingerprint = open_engine(model, options.model, options.engine, device)
    source = open_source(options.where, every_seconds=options.every_seconds, exclude=options.exclude)
    LOG.info("model %s, target %s, device %s", fingerprint, json.dumps(target), device)
    pool = DecodePool(source, model.preprocessing.image_size, options.num_workers, options.timeout)
    ledger = Ledger(options.out, _root(options.where), fingerprint, model.classes, embeddings=options.embeddings)
    with ledger, mute_c_libraries():
        if ledger.of_another:
            print(f"note         {options.out} holds another model's scores; all pictures are scored anew", flush=True)
        ledger.aim(target)
        gone = _scan(options, engine, pool, source, ledger)
        results = replace(rank(ledger, target), root=base_of(source, _root(options.where)))
        _write(options, results, source)
        brought = _collect(options, results, source)
        _report(options, results, _number_of_finds(ledger, options.accept), gone, brought)
    return 3 if results.failed else 0


def _root(where: str) -> str:
    return where if where == "-" or "://" in where else os.path.normpath(Path(where).absolute())


def _scan(options: Namespace, engine: Engine, pool: DecodePool, source: Source, ledger: Ledger) -> int:
    """One run of the scan; how many files have gone since the last."""
    progress = Progress(source, options.out / "status.json", options.accept)

    def note(rows: Sequence[Row], unchanged: int) -> None:
        progress.note(rows, unchanged)
        _log(rows)

    try:
        with progress, pool:
            return Scan(
                source, ledger, pool, engine, batch_size=BatchSize(options.batch_size),
                embeddings=options.embeddings, retry_failed=options.retry_failed, progress=note,
            ).run()  # fmt: skip
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted; {progress.found:,} files are in {ledger.path}; the same command goes on"
        ) from None


def _log(rows: Sequence[Row]) -> None:
    for row in rows:
        if row.status != "scored":
            LOG.warning("%s %r: %s", row.status, row.name, " ".join(row.reason.split()))


def _write(options: Namespace, results: Results, source: Source) -> None:
    write_csv(results, options.out / "finds.csv")
    write_failures(results, options.out / "failures.csv")
    for name in options.also:
        _WRITERS[name](results, options.out / ALSO[name])
    with thumbnails(source, options.num_workers, options.timeout) as pictures:
        write_page(results, options.out / "finds.html", pictures, options.page_limit)


def _collect(options: Namespace, results: Results, source: Source) -> str:
    if options.collect is None:
        return ""
    failures: list[Failure] = []
    root, least = Path(results.root), options.accept
    done = collect(
        results.finds(), source, root, options.collect, options.collect_by, failures.append, at_least=least
    )  # fmt: skip
    for failure in failures:
        LOG.warning("not collected %r: %s", failure.name, failure.reason)
    counted = ", ".join(f"{count:,} {outcome.replace('_', ' ')}" for outcome, count in done.items())
    first = f"; the first that failed is {failures[0].name!r}: {failures[0].reason}" if failures else ""
    return f"collected    {counted or 'nothing'}, score {least:.4g} or more, in {options.collect}{first}"


def _number_of_finds(ledger: Ledger, accept: float) -> int:
    ((count,),) = ledger.select("SELECT count(*) FROM finds WHERE score >= ?", accept)
    return int(count)


def _report(options: Namespace, results: Results, finds: int, gone: int, brought: str) -> None:
    print(f"{results.wanted:<12} {finds:,} with a score of {options.accept:.4g} or more, of {results.scored:,} scored")
    found = results.scored + results.failed + results.skipped
    parts = f"{results.scored:,} scored + {results.failed:,} failed + {results.skipped:,} skipped"
    files = f"{found:,} found = {parts}" + (f"; {gone:,} gone" if gone else "")
    print(f"files        {files}")
    if brought:
        print(brought)
    print(f"look         {options.out / 'finds.html'}\ntable        {options.out / 'finds.csv'}")
    if results.failed or results.skipped:
        print(f"without      {options.out / 'failures.csv'}")
    LOG.info("done: %s; %s finds", files, f"{finds:,}")
