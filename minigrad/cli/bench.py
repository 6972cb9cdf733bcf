"""``minigrad bench``: this machine's table of minigrad and its peers."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from minigrad.benchmarks.applications import APPLICATIONS
from minigrad.benchmarks.cases import (
    GPU_BATCHES,
    KINDS,
    LISTED,
    NETWORKS,
    Case,
    Convolution,
    Kind,
    Network,
)
from minigrad.benchmarks.peers import PEERS, Library
from minigrad.benchmarks.report import Report, Row, compare
from minigrad.benchmarks.rounds import LibraryFailed
from minigrad.benchmarks.table import Table
from minigrad.cli.problem import Problem
from minigrad.kernels import devices

AnyCase = TypeVar("AnyCase", Convolution, Network)

DESCRIPTION = "measure minigrad and its peers on this machine"


def add_options(command: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    command.add_argument(
        "--shape",
        action="append",
        default=[],
        type=_shape,
        metavar="N,H,W,C,F,k,s[,dilation[,multiplier]]",
        help="one more convolution to measure; may be given several times",
    )
    command.add_argument(
        "--given-only",
        action="store_true",
        help="measure the convolutions given by --shape and nothing else",
    )
    command.add_argument("--only", choices=KINDS, help="measure one kind only")
    command.add_argument(
        "--peers",
        nargs="*",
        metavar="PEER",
        help=f"compare with these only, or with none: {', '.join(PEERS)} (default: all that are "
        "installed)",
    )
    command.add_argument(
        "--threads", type=_count, metavar="N", help="of each library (default: one per core)"
    )
    command.add_argument(
        "--repeats", type=_count, default=7, metavar="N", help="rounds for each row (default: 7)"
    )
    command.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    command.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="default: cpu; cuda measures with batches of 64 and 256, by events on the device",
    )


def bench(options: argparse.Namespace) -> int:
    """Measure, print the table, return the exit code: 1 if a peer's result differs."""
    if options.device == "cuda":
        try:
            devices.parse("cuda")
        except RuntimeError as error:
            raise Problem(str(error)) from None
    if options.given_only and not options.shape:
        raise Problem("--given-only needs a --shape")
    peers = _peers(options.peers, options.device)
    cases = _cases(options.shape, options.only, options.given_only, options.device)
    if options.json is not None and not options.json.parent.is_dir():
        raise Problem(f"there is no folder {str(options.json.parent)!r} to write to")
    table = Table(peers, options.device)

    def begin(report: Report) -> None:
        print(*table.head(report), sep="\n", flush=True)

    def show(row: Row) -> None:
        print(*table.row(row), sep="\n", flush=True)

    try:
        report = compare(
            cases,
            peers,
            threads=options.threads or _cores(),
            repeats=options.repeats,
            device=options.device,
            begin=begin,
            show=show,
        )
    except LibraryFailed as error:
        raise Problem(f"minigrad failed: {error}") from error
    print(*table.foot(report), sep="\n")
    if options.json is not None:
        try:
            options.json.write_text(json.dumps(report.as_json(), indent=2) + "\n", "utf-8")
        except OSError as error:
            raise Problem(f"cannot write {str(options.json)!r}: {error.strerror}") from error
    return 1 if any(row.wrong for row in report.rows) else 0


def _cases(
    given: Sequence[Convolution], only: Kind | None, given_only: bool, device: str = "cpu"
) -> list[tuple[Kind, Case]]:
    """Return what to measure: all convolutions forward, then backward, then the networks."""
    convolutions = [*(() if given_only else _listed(LISTED, device)), *given]
    cases: list[tuple[Kind, Case]] = []
    for kind in KINDS if only is None else (only,):
        if kind != "training":
            cases += [(kind, case) for case in convolutions]
        elif not given_only:
            cases += [(kind, case) for case in _listed(NETWORKS, device)]
            if device == "cpu":  # no kernels for a GPU: Conv2D
                cases += [(kind, case) for case in APPLICATIONS]
    if not cases:
        raise Problem("--only training and --given-only leave nothing to measure")
    return cases


def _listed(cases: Sequence[AnyCase], device: str) -> list[AnyCase]:
    """Return the listed cases; for a GPU with larger batches, each one once."""
    if device == "cpu":
        return list(cases)
    return list(dict.fromkeys(replace(case, batch=n) for n in GPU_BATCHES for case in cases))


def _peers(names: Sequence[str] | None, device: str) -> list[Library]:
    """Return the peers to compare with: those named, or those installed."""
    able = {name: peer for name, peer in PEERS.items() if device in peer.devices}
    if names is None:
        found = [peer for peer in able.values() if not peer.missing()]
        absent = [peer.name for peer in able.values() if peer.missing()]
        if absent:
            print(f"Not installed, so not compared: {', '.join(absent)}.", file=sys.stderr)
        return found
    for name in names:
        if name not in PEERS:
            raise Problem(f"there is no peer {name!r}; expected some of {', '.join(PEERS)}")
        if name not in able:
            raise Problem(f"{name} is compared on the CPU only; on cuda: {', '.join(able)}")
        if missing := PEERS[name].missing():
            raise Problem(f"{name} needs {' and '.join(missing)}: pip install {' '.join(missing)}")
    return [PEERS[name] for name in dict.fromkeys(names)]


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _shape(text: str) -> Convolution:
    try:
        return Convolution.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected an integer >= 1, received {text!r}")
    return int(text)
