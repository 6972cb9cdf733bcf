"""`gradcheck` and `gradgradcheck`: gradients against central differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from minigrad.autograd import Tensor, enable_grad, grad
from minigrad.gradcheck.compare import Options
from minigrad.gradcheck.findings import Mode, Precision
from minigrad.gradcheck.functions import (
    ArrayFunction,
    Checkable,
    TensorFunction,
    as_arrays,
    function_name,
    input_names,
    promoted,
)
from minigrad.gradcheck.layer import check_layer
from minigrad.gradcheck.properties import jvp_problem
from minigrad.gradcheck.report import GradCheckReport
from minigrad.gradcheck.run import run
from minigrad.gradcheck.trial import random_upstream
from minigrad.layers import Layer


def gradcheck(
    fn: Callable[..., Any],
    inputs: Any,
    *,
    gradient: Callable[..., Any] | None = None,
    mode: Mode = "full",
    step: float | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
    names: Sequence[str] | None = None,
    precision: Precision = "float64",
    nondet_tol: float = 0.0,
    training: bool | None = None,
    check_jvp: bool = False,
    raise_exception: bool = False,
) -> GradCheckReport:
    """Compare the gradients of a function with central differences.

    With a random upstream gradient u, the gradient of <u, fn(x)> is computed backwards and
    compared with (<u, fn(x + h)> - <u, fn(x - h)>) / 2h for every element of every input.

    Parameters
    ----------
    fn : callable or layer
        Takes the inputs as tensors, returns a tensor or a tuple of tensors. With ``gradient``, it
        takes and returns NumPy arrays. A layer or model is handed to `check_layer`, which checks
        its weights as well.
    inputs : tensor, array or sequence of them
        Where to check. A tuple or list is a sequence of inputs. Every floating point input is
        checked; integers and booleans (labels, masks) are passed on as they are.
    gradient : callable, optional
        ``gradient(upstream, *inputs)`` for a function of NumPy arrays: one gradient per input (an
        entry for an integer input is ignored). ``upstream`` is a tuple if fn returns one.
    mode : {"full", "fast"}
        "full" compares every element, at two evaluations each; "fast" compares the slopes along
        four random directions per input, however many elements there are.
    step : float, optional
        The step h for every element (PyTorch's ``eps``); by default it follows from the values.
    rtol, atol : float, optional
        Relative (1e-6; 1e-3 in float32) and absolute (0) tolerance.
    seed : int
        For the upstream gradient and the directions: the same seed, the same report.
    names : sequence of str, optional
        What the report calls the inputs. By default, the names of fn's parameters.
    precision : {"float64", "given"}
        "given" compares in the type of the inputs, for code that knows float32 only. What that
        cannot resolve is allowed for; ``report.inputs[k].resolution`` tells how much that is.
    nondet_tol : float
        By how much two calls with the same inputs may differ (0: not by a bit).
    training : bool, optional
        For a layer: the mode in which to check it (False when left out), see `check_layer`.
    check_jvp : bool
        Compare forward mode with reverse mode as well, for a function of tensors with one output
        whose gradient is differentiable (PyTorch's ``check_forward_ad``).
    raise_exception : bool
        Raise the report as an error if something is wrong.

    Returns
    -------
    GradCheckReport
        True if nothing is wrong. ``print`` it to see the worst element of each input.

    Raises
    ------
    TypeError
        If there is nothing to check: no floating point input or output, or fn returns no tensors.
    ValueError
        If an option makes no sense, an input is not finite, or the names do not fit.
    GradCheckError
        If something is wrong and ``raise_exception`` is set.

    Notes
    -----
    *What is checked besides values.* Two calls give the same bits. Gradients have the shape and
    dtype of their inputs, are linear in the upstream gradient, do not change what they are given,
    and do not depend on how arrays lie in memory, nor on earlier calls.

    *Kinks.* Where the slopes on both sides differ however small the step (ReLU at 0, a tie of max),
    any gradient between them gets the verdict "kink", which is no failure. So does any gradient
    where the function jumps.

    *Precision.* The comparison is made in float64. The gradient is then computed once more with the
    inputs as they came; it must have their dtype, and differ by no more than rounding explains.

    *Step.* h = eps^(1/3) s = 6e-6 s, where s is the element's magnitude or a hundredth of the
    largest magnitude in its input, whichever is more (1 if the input is all zeros). Where this
    disagrees with the gradient, the slope is measured again with a ladder of steps from s/4 down to
    6e-11 s, and the steps that agree best among themselves are believed; the gradient under test
    has no say in that.

    *Tolerance.* ``|analytic - numeric| <= atol + rtol * max(|analytic|, |numeric|) + u``. Here u is
    what the differences themselves cannot resolve: results of magnitude F carry rounding errors of
    8 eps F, which the division by 2h magnifies. After the ladder it is also the disagreement
    between neighbouring steps, up to a thousandth of the largest slope of that input (or what the
    coarseness of the function's values explains: the least change that the ladder sees), and the
    rounding error of the gradient itself: 8 R / s, where R is the scatter of the results at the
    smallest steps. In float64 the three elements of each input with the largest errors are held to
    1e-8 in place of 1e-6, with the help of the ladder.

    Examples
    --------
    >>> import numpy as np
    >>> import minigrad as mg
    >>> print(mg.gradcheck(lambda x, y: x * y, (np.ones((2, 3)), np.full(3, 2.0))).passed)
    True

    A wrong gradient of a NumPy function:

    >>> report = mg.gradcheck(np.square, np.array([3.0]), gradient=lambda upstream, x: upstream * x)
    >>> report.passed, round(report.inputs[0].analytic / report.inputs[0].numeric, 6)
    (False, 0.5)
    """
    if not callable(fn):
        raise TypeError(f"gradcheck takes a function, layer or model. Received: {fn!r}")
    options = Options(mode, step, rtol, atol, seed, nondet_tol, precision)
    if gradient is None and isinstance(fn, Layer):
        if check_jvp:
            raise TypeError("check_jvp needs a function of tensors. Received: a layer")
        report = check_layer(fn, inputs, training=bool(training), names=names, **vars(options))
        return report.raise_if_failed() if raise_exception else report
    if check_jvp and gradient is not None:
        raise TypeError("check_jvp needs a function of tensors, without gradient=...")
    if training is not None:
        raise TypeError(f"training is for layers and models. Received: {function_name(fn)}")
    function: Checkable = TensorFunction(fn) if gradient is None else ArrayFunction(fn, gradient)
    given = as_arrays(inputs)
    called = input_names(fn, len(given), names)
    report = run(function, given, label=function_name(fn), names=called, options=options)
    if check_jvp and (problem := jvp_problem(fn, promoted(given), seed)):
        report = replace(report, problems=(problem,))
    return report.raise_if_failed() if raise_exception else report


def gradgradcheck(
    fn: Callable[..., Any],
    inputs: Any,
    *,
    mode: Mode = "full",
    step: float | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
    names: Sequence[str] | None = None,
    nondet_tol: float = 0.0,
    raise_exception: bool = False,
) -> GradCheckReport:
    """Check second derivatives: apply `gradcheck` to the gradient of a function.

    What is checked is the function that takes the inputs and an upstream gradient and returns the
    gradients of all inputs; so the report has one more line for each output, its upstream.

    Parameters
    ----------
    fn : callable
        Takes tensors, returns a tensor or a tuple of tensors.
    inputs, mode, step, rtol, atol, seed, names, nondet_tol, raise_exception
        As in `gradcheck`.

    Returns
    -------
    GradCheckReport

    Examples
    --------
    >>> import minigrad as mg
    >>> report = mg.gradgradcheck(lambda x: x * x * x, mg.tensor([1.0, 2.0], dtype="float64"))
    >>> report.passed, [check.name for check in report.inputs]
    (True, ['x', 'upstream'])
    """
    options = Options(mode, step, rtol, atol, seed, nondet_tol)
    given = as_arrays(inputs)
    called = input_names(fn, len(given), names)
    outputs = TensorFunction(fn).values(promoted(given))
    upstream = random_upstream(outputs, seed)

    def gradients(*tensors: Tensor) -> tuple[Tensor, ...]:
        arguments = [_tracked(tensor) for tensor in tensors[: len(given)]]
        leaves = [tensor for tensor in arguments if tensor.requires_grad]
        with enable_grad():  # the first derivatives are the function here: they need a tape
            result = fn(*arguments)
        results = list(result) if isinstance(result, (tuple, list)) else [result]
        pairs = zip(results, tensors[len(given) :], strict=True)
        roots = [(out, up) for out, up in pairs if out.requires_grad]
        if not roots:
            return tuple(leaf.detach() * 0.0 for leaf in leaves)
        outs, ups = zip(*roots, strict=True)
        parts: tuple[Tensor, ...] = grad(list(outs), leaves, list(ups), create_graph=True)
        return parts

    single = len(outputs) == 1
    called += ["upstream"] if single else [f"upstream {k}" for k in range(len(outputs))]
    label = f"the gradient of {function_name(fn)}"
    function = TensorFunction(gradients)
    report = run(function, [*given, *upstream], label=label, names=called, options=options)
    return report.raise_if_failed() if raise_exception else report


def _tracked(tensor: Tensor) -> Tensor:
    """Return the tensor itself, or a leaf with its values: its gradient is to be taken."""
    if tensor.requires_grad or tensor.dtype.kind != "f":
        return tensor
    return Tensor(tensor, requires_grad=True)
