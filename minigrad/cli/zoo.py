"""``minigrad zoo``: what gradient checkers make of wrong gradients, or one of these to study."""

from __future__ import annotations

import argparse

from minigrad.cli.problem import Problem

DESCRIPTION = "show wrong gradients to gradient checkers, or one of them to you"


def add_options(command: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    command.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="print this exercise: its code and a hint. Without it, every checker is scored, and "
        "PyTorch itself where it is installed",
    )
    command.add_argument("--list", action="store_true", help="list the exercises, the easy first")
    command.add_argument("--solution", action="store_true", help="with NAME: say what is wrong")


def zoo(options: argparse.Namespace) -> int:
    """Run the command and return the exit code: 1 if a wrong gradient got past our checker."""
    from minigrad.gradcheck.zoo import diagnoses, exercises, score, with_pytorch

    if options.name is not None:
        if options.name not in exercises.names:
            raise Problem(f"there is no exercise {options.name!r}; --list names them")
        exercise = exercises[options.name]
        print(f"{exercise.name} (difficulty {exercise.difficulty})\n{exercise.hint}")
        print(f"\n{exercise.source}")
        if options.solution:
            print(f"\nWhat it does: {exercise.story}")
        return 0
    if options.list:
        for exercise in exercises:
            print(f"{exercise.difficulty}  {exercise.name}")
        return 0
    table = score(exercises, with_pytorch())
    print(table)
    print(f"\n{diagnoses(exercises)}")
    ours = table["minigrad, full"]
    return 1 if ours.missed else 0
