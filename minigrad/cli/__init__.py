"""The command line: ``minigrad demo``, ``train``, ``gradcheck``, ``zoo``, ``bench`` and others.

Exit codes: 0 if all is well, 1 if a check failed, 2 if something about the request is wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from minigrad.cli import bench, zoo
from minigrad.cli.problem import Problem

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the program's name; ``sys.argv[1:]`` when left out.

    Examples
    --------
    >>> main(["gradcheck", "--help"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    SystemExit: 0
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.run is None:
        parser.print_help()
        return 0
    try:
        code: int = options.run(options)
    except Problem as problem:
        print(f"minigrad {options.command}: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"minigrad {options.command}: interrupted", file=sys.stderr)
        return 130
    return code


class _Parser(argparse.ArgumentParser):
    """argparse that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="minigrad",
        description="A small autograd framework around SeparableConv2D.",
        epilog="Exit codes: 0 all is well, 1 a check failed, 2 the request is wrong.",
    )
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    demo = _add(commands, "demo", "train on handwritten digits, check the gradients, draw", _demo)
    _add_run_options(demo, epochs=15, output="minigrad-demo")

    train = _add(commands, "train", "train a network of your choice on handwritten digits", _train)
    _add_run_options(train, epochs=15, output="minigrad-train")
    train.add_argument(
        "--filters",
        type=_positive,
        nargs="+",
        default=[32, 64, 64],
        metavar="N",
        help="filters of each SeparableConv2D layer; all but the first halve the image "
        "(default: 32 64 64)",
    )
    train.add_argument("--kernel-size", type=_positive, default=3, metavar="N", help="default: 3")
    train.add_argument(
        "--depth-multiplier",
        type=_positive,
        default=1,
        metavar="N",
        help="depthwise filters per channel, from the second layer on (default: 1; the first "
        "layer sees one channel and has 8)",
    )
    train.add_argument("--batch-size", type=_positive, default=32, metavar="N", help="default: 32")
    train.add_argument(
        "--learning-rate",
        type=_rate,
        default=0.01,
        metavar="RATE",
        help="of the first epoch; it falls linearly to zero (default: 0.01)",
    )
    train.add_argument(
        "--optimizer",
        choices=("adam", "adamw", "rmsprop", "sgd"),
        default="adam",
        help="default: adam",
    )

    check = _add(commands, "gradcheck", "check gradients: yours, or the library's own", _gradcheck)
    check.add_argument(
        "target",
        nargs="?",
        metavar="FILE.py:NAME",
        help="a function of tensors or a layer in a Python file; with a function NAME_gradient("
        "upstream, *inputs) beside it, a function of NumPy arrays. Without it, the operations and "
        "layers of the library are checked",
    )
    check.add_argument(
        "--shape",
        action="append",
        type=_shape,
        metavar="AxBxC",
        help="the shape of an input, e.g. 2x8x8x3; once per input (default: 3x4 for each)",
    )
    check.add_argument("--json", action="store_true", help="print the report as JSON")
    check.add_argument("--second", action="store_true", help="check second derivatives")
    check.add_argument("--fast", action="store_true", help="random directions, not every element")
    check.add_argument("--seed", type=_not_negative, default=0, metavar="N", help="default: 0")

    zoo.add_options(_add(commands, "zoo", zoo.DESCRIPTION, zoo.zoo))

    bench.add_options(_add(commands, "bench", bench.DESCRIPTION, bench.bench))

    _add(commands, "warmup", "compile the kernels and keep them on disk", _warmup)
    _add(commands, "doctor", "tell what minigrad runs on, and what would improve it", _doctor)
    return parser


def _add(commands: Any, name: str, text: str, run: Callable[[Any], int]) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + "."
    )
    command.set_defaults(run=run)
    return command


def _add_run_options(command: argparse.ArgumentParser, *, epochs: int, output: str) -> None:
    command.add_argument(
        "--output",
        default=output,
        metavar="DIR",
        help=f"where the results go; made if need be (default: {output})",
    )
    command.add_argument(
        "--epochs", type=_positive, default=epochs, metavar="N", help=f"default: {epochs}"
    )
    command.add_argument("--seed", type=_not_negative, default=0, metavar="N", help="default: 0")
    command.add_argument("--quiet", action="store_true", help="print the results only")


# ---------------------------------------------------------------------- the commands


def _demo(options: argparse.Namespace) -> int:
    from minigrad.cli.demo import demo

    return demo(options.output, options.epochs, options.seed, options.quiet)


def _train(options: argparse.Namespace) -> int:
    from minigrad.cli.training import Recipe, train

    recipe = Recipe(
        filters=tuple(options.filters),
        kernel_size=options.kernel_size,
        depth_multiplier=options.depth_multiplier,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        optimizer=options.optimizer,
        seed=options.seed,
    )
    train(recipe, options.output, quiet=options.quiet)
    return 0


def _gradcheck(options: argparse.Namespace) -> int:
    from minigrad.cli.checking import check_file, check_library
    from minigrad.gradcheck.report import Mode

    mode: Mode = "fast" if options.fast else "full"
    if options.target is None:
        if options.shape or options.second or options.json:
            raise Problem("--shape, --second and --json need a FILE.py:NAME to check")
        return check_library(mode, options.seed)
    return check_file(
        options.target, options.shape, mode, options.seed, options.second, options.json
    )


def _warmup(options: argparse.Namespace) -> int:
    from minigrad.environment import warmup

    print(f"Kernels are ready ({warmup(verbose=True):.1f} s).")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from minigrad.environment import doctor

    print(doctor())
    return 0


# ---------------------------------------------------------------------- what options may be


def _positive(text: str) -> int:
    number = _not_negative(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected an integer >= 1, received {text!r}")
    return number


def _not_negative(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"expected an integer >= 0, received {text!r}")
    return int(text)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0.0 < rate < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a positive number, received {text!r}")
    return rate


def _shape(text: str) -> tuple[int, ...]:
    sizes = text.lower().split("x")
    if not all(size.isascii() and size.isdigit() for size in sizes):
        raise argparse.ArgumentTypeError(f"expected sizes like 2x8x8x3, received {text!r}")
    return tuple(int(size) for size in sizes)
