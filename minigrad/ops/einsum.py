"""Einstein sums: products and sums over named axes, with a derivative for every equation.

An equation names the axes of each operand: ``"ij,jk->ik"`` is the matrix product. An axis that is
not named on the right is summed over. The derivative for an operand swaps it with the result:
for ``"ij,jk->ik"`` and the first operand it is ``"ik,jk->ij"``. Two cases need more care:

- an axis that only this operand has (``"ij->j"``) was summed over, so the gradient is repeated;
- an axis named twice in one operand (``"ii->i"``) reads a diagonal, so the gradient goes back onto
  a diagonal, by a product with an identity matrix.
"""

from __future__ import annotations

import string
from functools import lru_cache
from typing import Any

import numpy as np

from minigrad.autograd import Tensor, primitive, wrap
from minigrad.ops._common import Operand, Shape, constants, identity
from minigrad.ops.shape import _broadcast_to, _reshape

SMALL = 1 << 14
"""Products of the numbers of elements up to which two operands are summed without a plan."""


def _vjp(g: Tensor, xs: tuple[Tensor, ...], index: int, equation: str) -> Tensor:
    left, result = equation.split("->")
    terms = left.split(",")
    own = terms[index]
    letters = "".join(dict.fromkeys(own))  # each axis once
    sizes = dict(zip(own, xs[index].shape, strict=True))
    others = [(term, x) for i, (term, x) in enumerate(zip(terms, xs, strict=True)) if i != index]
    known = set(result).union(*[term for term, _ in others])

    # The gradient over the axes that g and the other operands know of, then over all of them.
    found = "".join(letter for letter in letters if letter in known)
    part = einsum(
        f"{','.join([result, *[term for term, _ in others]])}->{found}", g, *[x for _, x in others]
    )
    shape = iter(part.shape)
    part = _reshape(part, tuple([next(shape) if letter in known else 1 for letter in letters]))
    whole = tuple(
        [
            sizes[letter] if size == 1 else size
            for letter, size in zip(letters, part.shape, strict=True)
        ]
    )
    part = _broadcast_to(part, whole)
    if len(letters) == len(own):
        return part

    # Axes named twice: each further mention gets a letter of its own, tied to the first.
    free = iter(sorted(set(string.ascii_letters) - set(own)))
    target, ties = "", []
    for letter in own:
        if letter in target:
            ties.append((letter, next(free)))
            target += ties[-1][1]
        else:
            target += letter
    eyes = [wrap(identity(sizes[first], g.data).astype(g.dtype)) for first, _ in ties]
    inputs = ",".join([letters, *[first + second for first, second in ties]])
    return einsum(f"{inputs}->{target}", part, *eyes)


@primitive(xs=_vjp, broadcasts=True)
def _einsum(*xs: Any, equation: str) -> Any:
    # A plan for two small operands takes longer than the sum itself.
    planned = len(xs) > 2 or (len(xs) == 2 and xs[0].size * xs[1].size > SMALL)
    return np.einsum(equation, *xs, optimize=planned)


def einsum(equation: str, *operands: Operand) -> Tensor:
    """Return the sum of products that an equation describes, with `numpy.einsum`'s notation.

    Parameters
    ----------
    equation : str
        One letter per axis, commas between operands, and after ``->`` the axes of the result.
        Without ``->`` the result has the letters that occur once, in alphabetical order. An
        ellipsis ``...`` stands for the remaining axes, which broadcast.
    *operands : Tensor or array_like

    Raises
    ------
    ValueError
        If the equation is malformed or does not fit the operands.
    TypeError
        If the first argument is not a string (lists of axis numbers are not supported).

    Examples
    --------
    >>> import minigrad as mg
    >>> a = mg.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> mg.ops.einsum("ij,jk->ik", a, a).numpy()
    array([[ 7., 10.],
           [15., 22.]], dtype=float32)
    >>> mg.ops.einsum("ii", a).item()
    5.0
    """
    if not isinstance(equation, str):
        raise TypeError(
            f"einsum() needs an equation such as 'ij,jk->ik' first. "
            f"Received: {type(equation).__name__}"
        )
    xs = constants(*operands)
    return _einsum(*xs, equation=_explicit(equation, *[x.shape for x in xs]))


@lru_cache(maxsize=1024)
def _explicit(equation: str, *shapes: Shape) -> str:
    """Return the equation with its result written out and letters in place of ellipses."""

    def malformed(why: str) -> ValueError:
        return ValueError(f"einsum(): {why}. Received: equation={equation!r}, shapes {[*shapes]}")

    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise malformed(f"the equation has {len(terms)} operands, but {len(shapes)} were given")
    letters = left.replace("...", "").replace(",", "") + right.replace("...", "")
    if not all(letter in string.ascii_letters for letter in letters):
        raise malformed("axes are named by letters")
    free = [letter for letter in string.ascii_letters if letter not in letters]
    depths = []
    for term, rank in zip(terms, map(len, shapes), strict=True):
        named = len(term.replace("...", ""))
        if term.count("...") > 1 or named > rank or (named < rank and "..." not in term):
            raise malformed(f"'{term}' does not fit an operand with {rank} axes")
        depths.append(rank - named if "..." in term else 0)
    deepest = max(depths, default=0)
    hidden = "".join(free[:deepest])
    terms = [
        term.replace("...", hidden[deepest - depth :])
        for term, depth in zip(terms, depths, strict=True)
    ]
    if arrow:
        if right.count("...") > 1 or (deepest and "..." not in right):
            raise malformed("the result must hold the ellipsis of the operands once")
        result = right.replace("...", hidden)
    else:
        joined = "".join(terms)
        once = sorted(x for x in set(joined) if joined.count(x) == 1 and x not in hidden)
        result = hidden + "".join(once)
    if len(set(result)) != len(result) or not set(result) <= set("".join(terms)):
        raise malformed("each axis of the result must occur in an operand, and once in the result")
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, size in zip(term, shape, strict=True):
            if sizes.setdefault(letter, size) != size and 1 not in (size, sizes[letter]):
                raise malformed(f"an axis has size {sizes[letter]} and size {size}")
            sizes[letter] = max(size, sizes[letter]) if 1 in (size, sizes[letter]) else size
    return ",".join(terms) + "->" + result
