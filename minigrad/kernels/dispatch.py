"""The table (operation, backend) -> function, and the public functions that look it up.

A backend is a module with one function per operation: `minigrad.kernels.reference` (the
definition), `minigrad.kernels.loops` (the same, compiled), `minigrad.kernels.cpu` (fast kernels),
`minigrad.kernels.cuda` (a GPU). A backend is imported when it is first needed, so that importing
minigrad compiles nothing.

The public functions check what a compiled kernel could not survive (shapes, dtypes), make arrays
C-contiguous, and pass them on. float32 and float64 go to the chosen backend. Integers and complex
numbers, which no compiled kernel takes, go to the reference: exact tests and complex steps use it.

Shapes below are those of channels_last arrays; with channels_first in the geometry (or the
`data_format` argument) images are (N, C, H, W). Kernels have Keras' shapes in either case.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import ContextDecorator
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from minigrad._validate import DataFormat
from minigrad.kernels.geometry import ConvGeometry, join_shape, split_shape

__all__ = [
    "bias_grad",
    "current_backend",
    "depthwise_forward",
    "depthwise_input_grad",
    "depthwise_kernel_grad",
    "max_pool_backward",
    "max_pool_forward",
    "pointwise_forward",
    "pointwise_input_grad",
    "pointwise_kernel_grad",
    "register",
    "separable_backward",
    "separable_forward",
    "use_backend",
]

Array: TypeAlias = NDArray[Any]
Backend: TypeAlias = Literal["reference", "loops", "cpu", "cuda"]

BACKENDS: tuple[Backend, ...] = ("reference", "loops", "cpu", "cuda")
OPERATIONS = (
    "depthwise_forward",
    "depthwise_input_grad",
    "depthwise_kernel_grad",
    "pointwise_forward",
    "pointwise_input_grad",
    "pointwise_kernel_grad",
    "bias_grad",
    "separable_forward",
    "separable_backward",
    "max_pool_forward",
    "max_pool_backward",
)

_table: dict[tuple[str, str], Callable[..., Any]] = {}
_backend: ContextVar[Backend] = ContextVar("minigrad_backend", default="cpu")
_COMPILED = (np.dtype(np.float32), np.dtype(np.float64))


def current_backend() -> Backend:
    """Return the name of the backend in use: "cpu" unless `use_backend` says otherwise.

    Examples
    --------
    >>> current_backend()
    'cpu'
    """
    return _backend.get()


class use_backend(ContextDecorator):
    """Choose the backend inside a ``with`` block or a decorated function, in this thread or task.

    Parameters
    ----------
    name : "reference", "loops", "cpu" or "cuda"

    Raises
    ------
    ValueError
        For an unknown name.

    Examples
    --------
    >>> with use_backend("reference"):
    ...     current_backend()
    'reference'
    """

    def __init__(self, name: str) -> None:
        self._name = _check_backend(name)
        self._tokens: list[Token[Backend]] = []

    def _recreate_cm(self) -> use_backend:
        # contextlib calls this for each call of a decorated function: threads share no tokens.
        return use_backend(self._name)

    def __enter__(self) -> Backend:
        self._tokens.append(_backend.set(self._name))
        return self._name

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _backend.reset(self._tokens.pop())


def register(operation: str, backend: str, fn: Callable[..., Any]) -> None:
    """Enter a function in the table, in place of the one that was there.

    Parameters
    ----------
    operation : str
        One of the public functions' names, such as "depthwise_forward".
    backend : str
    fn : callable
        Takes the public function's arguments: C-contiguous arrays of one dtype.

    Raises
    ------
    ValueError
        For an unknown operation or backend.
    """
    if operation not in OPERATIONS:
        raise ValueError(
            f"Unknown operation. Expected one of {', '.join(OPERATIONS)}. "
            f"Received: operation={operation!r}"
        )
    _table[operation, _check_backend(backend)] = fn


# --- depthwise convolution --------------------------------------------------------------------


def depthwise_forward(x: Array, kernel: Array, geometry: ConvGeometry) -> Array:
    """Convolve each channel with its own M kernels.

    Parameters
    ----------
    x : ndarray, (N, H, W, C)
    kernel : ndarray, (kh, kw, C, M)
    geometry : ConvGeometry

    Returns
    -------
    ndarray, (N, H', W', C M)
        Channel c M + m holds input channel c seen through its m-th kernel.

    Raises
    ------
    ValueError
        When the shapes do not fit the geometry.
    TypeError
        When the dtypes differ or are not supported.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad.kernels import conv_geometry
    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> y = depthwise_forward(x, np.ones((2, 2, 1, 1)), conv_geometry((3, 3), (2, 2)))
    >>> y[0, :, :, 0]
    array([[ 8., 12.],
           [20., 24.]])
    """
    function = _lookup("depthwise_forward", x, kernel)
    _, channels, _ = _check_input(x, geometry)
    _check_kernel(kernel, geometry, channels)
    return cast(Array, function(_plain(x), _plain(kernel), geometry))


def depthwise_input_grad(dy: Array, kernel: Array, geometry: ConvGeometry) -> Array:
    """Return the gradient of `depthwise_forward` with respect to x.

    Parameters
    ----------
    dy : ndarray, (N, H', W', C M)
        Gradient of the output.
    kernel : ndarray, (kh, kw, C, M)
    geometry : ConvGeometry

    Returns
    -------
    ndarray, (N, H, W, C)

    Raises
    ------
    ValueError, TypeError
        As `depthwise_forward`.
    """
    function = _lookup("depthwise_input_grad", dy, kernel)
    _check_kernel(kernel, geometry, None)
    _check_output(dy, geometry, None, kernel.shape[2] * kernel.shape[3])
    return cast(Array, function(_plain(dy), _plain(kernel), geometry))


def depthwise_kernel_grad(x: Array, dy: Array, geometry: ConvGeometry, multiplier: int) -> Array:
    """Return the gradient of `depthwise_forward` with respect to the kernel.

    Parameters
    ----------
    x : ndarray, (N, H, W, C)
    dy : ndarray, (N, H', W', C M)
        Gradient of the output.
    geometry : ConvGeometry
    multiplier : int
        M, the number of kernels per channel.

    Returns
    -------
    ndarray, (kh, kw, C, M)

    Raises
    ------
    ValueError, TypeError
        As `depthwise_forward`.
    """
    function = _lookup("depthwise_kernel_grad", x, dy)
    batch, channels, _ = _check_input(x, geometry)
    _check_output(dy, geometry, batch, channels * multiplier)
    return cast(Array, function(_plain(x), _plain(dy), geometry, multiplier))


# --- pointwise convolution --------------------------------------------------------------------


def pointwise_forward(
    x: Array, kernel: Array, bias: Array | None, data_format: DataFormat
) -> Array:
    """Mix the channels of every pixel: a matrix product, plus a bias.

    Parameters
    ----------
    x : ndarray, (N, H, W, K)
    kernel : ndarray, (1, 1, K, F)
    bias : ndarray (F,), or None
    data_format : "channels_last" or "channels_first"

    Returns
    -------
    ndarray, (N, H, W, F)

    Raises
    ------
    ValueError
        When the shapes do not fit.
    TypeError
        When the dtypes differ or are not supported.

    Examples
    --------
    >>> import numpy as np
    >>> x, kernel = np.array([[[[1.0, 2.0]]]]), np.array([[[[1.0, 0.0], [10.0, 1.0]]]])
    >>> pointwise_forward(x, kernel, np.array([0.5, 0.5]), "channels_last")
    array([[[[21.5,  2.5]]]])
    """
    function = _lookup("pointwise_forward", x, kernel, bias)
    _check_pointwise(kernel, split_shape(x.shape, data_format)[3], bias)
    return cast(Array, function(_plain(x), _plain(kernel), _plain_or_none(bias), data_format))


def pointwise_input_grad(dy: Array, kernel: Array, data_format: DataFormat) -> Array:
    """Return the gradient of `pointwise_forward` with respect to x.

    Parameters
    ----------
    dy : ndarray, (N, H, W, F)
        Gradient of the output.
    kernel : ndarray, (1, 1, K, F)
    data_format : "channels_last" or "channels_first"

    Returns
    -------
    ndarray, (N, H, W, K)

    Raises
    ------
    ValueError, TypeError
        As `pointwise_forward`.
    """
    function = _lookup("pointwise_input_grad", dy, kernel)
    _check_pointwise(kernel, None, None)
    _expect("dy", "channels", split_shape(dy.shape, data_format)[3], kernel.shape[3])
    return cast(Array, function(_plain(dy), _plain(kernel), data_format))


def pointwise_kernel_grad(x: Array, dy: Array, data_format: DataFormat) -> Array:
    """Return the gradient of `pointwise_forward` with respect to the kernel.

    Parameters
    ----------
    x : ndarray, (N, H, W, K)
    dy : ndarray, (N, H, W, F)
        Gradient of the output.
    data_format : "channels_last" or "channels_first"

    Returns
    -------
    ndarray, (1, 1, K, F)

    Raises
    ------
    ValueError, TypeError
        As `pointwise_forward`.
    """
    function = _lookup("pointwise_kernel_grad", x, dy)
    images, gradients = split_shape(x.shape, data_format), split_shape(dy.shape, data_format)
    _expect("dy", "(N, H, W)", gradients[:3], images[:3])
    return cast(Array, function(_plain(x), _plain(dy), data_format))


def bias_grad(dy: Array, data_format: DataFormat) -> Array:
    """Return the gradient with respect to a bias that was added to every pixel.

    Parameters
    ----------
    dy : ndarray, (N, H, W, F)
        Gradient of the output.
    data_format : "channels_last" or "channels_first"

    Returns
    -------
    ndarray, (F,)
        The sum over all axes but the channels.

    Raises
    ------
    ValueError
        When dy has not four axes.
    TypeError
        When the dtype is not supported.
    """
    function = _lookup("bias_grad", dy)
    split_shape(dy.shape, data_format)
    return cast(Array, function(_plain(dy), data_format))


# --- separable convolution --------------------------------------------------------------------


def separable_forward(
    x: Array,
    depthwise_kernel: Array,
    pointwise_kernel: Array,
    bias: Array | None,
    geometry: ConvGeometry,
) -> Array:
    """Depthwise, then pointwise, then bias, in one pass.

    Parameters
    ----------
    x : ndarray, (N, H, W, C)
    depthwise_kernel : ndarray, (kh, kw, C, M)
    pointwise_kernel : ndarray, (1, 1, C M, F)
    bias : ndarray (F,), or None
    geometry : ConvGeometry
        Of the depthwise step; the pointwise step has no strides, padding or dilation.

    Returns
    -------
    ndarray, (N, H', W', F)

    Raises
    ------
    ValueError
        When the shapes do not fit.
    TypeError
        When the dtypes differ or are not supported.
    """
    function = _lookup("separable_forward", x, depthwise_kernel, pointwise_kernel, bias)
    _, channels, _ = _check_input(x, geometry)
    _check_kernel(depthwise_kernel, geometry, channels)
    _check_pointwise(pointwise_kernel, channels * depthwise_kernel.shape[3], bias)
    return cast(
        Array,
        function(
            _plain(x),
            _plain(depthwise_kernel),
            _plain(pointwise_kernel),
            _plain_or_none(bias),
            geometry,
        ),
    )


def separable_backward(
    x: Array,
    depthwise_kernel: Array,
    pointwise_kernel: Array,
    dy: Array,
    geometry: ConvGeometry,
    use_bias: bool,
) -> tuple[Array, Array, Array, Array | None]:
    """Return all gradients of `separable_forward` at once.

    Parameters
    ----------
    x, depthwise_kernel, pointwise_kernel : ndarray
        As in `separable_forward`.
    dy : ndarray, (N, H', W', F)
        Gradient of the output.
    geometry : ConvGeometry
    use_bias : bool
        Whether the gradient of a bias is wanted.

    Returns
    -------
    dx, d_depthwise_kernel, d_pointwise_kernel : ndarray
        With the shapes of what they are the gradients of.
    d_bias : ndarray (F,), or None

    Raises
    ------
    ValueError, TypeError
        As `separable_forward`.
    """
    function = _lookup("separable_backward", x, depthwise_kernel, pointwise_kernel, dy)
    batch, channels, _ = _check_input(x, geometry)
    _check_kernel(depthwise_kernel, geometry, channels)
    _check_pointwise(pointwise_kernel, channels * depthwise_kernel.shape[3], None)
    _check_output(dy, geometry, batch, pointwise_kernel.shape[3])
    return cast(
        "tuple[Array, Array, Array, Array | None]",
        function(
            _plain(x),
            _plain(depthwise_kernel),
            _plain(pointwise_kernel),
            _plain(dy),
            geometry,
            use_bias,
        ),
    )


# --- max pooling ------------------------------------------------------------------------------


def max_pool_forward(x: Array, geometry: ConvGeometry) -> tuple[Array, Array]:
    """Return the maximum of each window, and where it was found.

    Padding never wins. The first of equal maxima wins. NaN wins against everything.

    Parameters
    ----------
    x : ndarray, (N, H, W, C)
        Real numbers.
    geometry : ConvGeometry

    Returns
    -------
    y : ndarray, (N, H', W', C)
    argmax : ndarray of int32 or int64, (N, H', W', C)
        Position row * W + column of the winner in its image. -1 where a window lies outside the
        image altogether (possible with explicit pads or dilation only); y is then -inf.

    Raises
    ------
    ValueError
        When the shape does not fit the geometry.
    TypeError
        When the dtype is not supported.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad.kernels import conv_geometry
    >>> x = np.array([[1.0, 5.0], [5.0, 2.0]]).reshape(1, 2, 2, 1)
    >>> y, argmax = max_pool_forward(x, conv_geometry((2, 2), (2, 2)))
    >>> y.item(), argmax.item()
    (5.0, 1)
    """
    if x.dtype.kind == "c":
        raise TypeError(f"Complex numbers have no maximum. Received: dtype={x.dtype}")
    function = _lookup("max_pool_forward", x)
    _check_input(x, geometry)
    return cast("tuple[Array, Array]", function(_plain(x), geometry))


def max_pool_backward(dy: Array, argmax: Array, geometry: ConvGeometry) -> Array:
    """Return the gradient of `max_pool_forward`: dy goes to the pixels that won.

    Parameters
    ----------
    dy : ndarray, (N, H', W', C)
        Gradient of the output.
    argmax : ndarray of int32 or int64, (N, H', W', C)
        From `max_pool_forward`.
    geometry : ConvGeometry

    Returns
    -------
    ndarray, (N, H, W, C)

    Raises
    ------
    ValueError
        When the shapes do not fit the geometry.
    TypeError
        When a dtype is not supported.
    """
    function = _lookup("max_pool_backward", dy)
    if argmax.dtype not in (np.int32, np.int64):
        raise TypeError(f"argmax must be int32 or int64. Received: dtype={argmax.dtype}")
    _check_output(dy, geometry, None, None)
    _expect("argmax", "shape", argmax.shape, dy.shape)
    return cast(Array, function(_plain(dy), _plain(argmax), geometry))


# --- what the public functions share ----------------------------------------------------------


def _check_backend(name: str) -> Backend:
    for known in BACKENDS:
        if name == known:
            return known
    raise ValueError(
        f"Unknown backend. Expected one of {', '.join(BACKENDS)}. Received: backend={name!r}"
    )


def _lookup(operation: str, *arrays: Array | None) -> Callable[..., Any]:
    """Return the function for these arrays on the current backend."""
    dtype = _common_dtype(operation, arrays)
    backend = _backend.get() if dtype in _COMPILED else "reference"
    try:
        return _table[operation, backend]
    except KeyError:
        _load(backend)
        return _table[operation, backend]


def _common_dtype(operation: str, arrays: tuple[Array | None, ...]) -> np.dtype[Any]:
    """Return the dtype that all arrays share; raise TypeError where there is none or it is odd."""
    dtypes = [array.dtype for array in arrays if array is not None]
    first = dtypes[0]
    for dtype in dtypes:
        if dtype is not first and dtype != first:
            names = ", ".join(str(dtype) for dtype in dtypes)
            raise TypeError(
                f"{operation} needs arrays of one dtype; convert them with astype(). "
                f"Received: {names}"
            )
    if first not in _COMPILED and first.kind not in "iuc":
        raise TypeError(
            f"{operation} computes in float32 or float64 (and in integers or complex numbers on "
            f"the reference backend); convert the arrays with astype(). Received: dtype={first}"
        )
    return first


def _load(backend: Backend) -> None:
    """Import a backend and enter its functions in the table; keep what was registered by hand."""
    try:
        module = importlib.import_module(f"minigrad.kernels.{backend}")
    except ModuleNotFoundError as error:
        if backend != "cuda":
            raise
        raise RuntimeError(
            "The 'cuda' backend is not available: install minigrad[cuda] on a machine with an "
            "NVIDIA GPU, or use the 'cpu' backend."
        ) from error
    for operation in OPERATIONS:
        _table.setdefault((operation, backend), getattr(module, operation))


def _plain(array: Array) -> Array:
    """Return the array C-contiguous and aligned, which is what kernels are made for.

    A subclass of ndarray becomes an ndarray. Nothing is copied where nothing needs to change.
    """
    if type(array) is np.ndarray and array.flags.c_contiguous and array.flags.aligned:
        return array
    return np.array(array, order="C", subok=False)


def _plain_or_none(array: Array | None) -> Array | None:
    return None if array is None else _plain(array)


def _expect(name: str, what: str, received: object, expected: object) -> None:
    if received != expected:
        raise ValueError(f"Expected {name} with {what} {expected}. Received: {received}")


def _check_input(x: Array, geometry: ConvGeometry) -> tuple[int, int, int]:
    """Check an image batch at the input of a window; return (N, C, pixels per image)."""
    batch, height, width, channels = split_shape(x.shape, geometry.data_format)
    if (height, width) != geometry.input_size:
        _expect("x", "height and width", (height, width), geometry.input_size)
    return batch, channels, height * width


def _check_output(
    dy: Array, geometry: ConvGeometry, batch: int | None, channels: int | None
) -> None:
    """Check an image batch at the output of a window."""
    received = split_shape(dy.shape, geometry.data_format)
    expected = (
        received[0] if batch is None else batch,
        *geometry.output_size,
        received[3] if channels is None else channels,
    )
    if received != expected:
        _expect("dy", "shape", dy.shape, join_shape(*expected, geometry.data_format))


def _check_kernel(kernel: Array, geometry: ConvGeometry, channels: int | None) -> None:
    """Check a depthwise kernel, (kh, kw, C, M)."""
    if kernel.ndim != 4 or kernel.shape[:2] != geometry.kernel_size:
        kh, kw = geometry.kernel_size
        _expect("a depthwise kernel", "shape", kernel.shape, f"({kh}, {kw}, C, M)")
    if channels is not None and kernel.shape[2] != channels:
        _expect("a depthwise kernel", "C =", kernel.shape[2], channels)


def _check_pointwise(kernel: Array, channels: int | None, bias: Array | None) -> None:
    """Check a pointwise kernel, (1, 1, K, F), and its bias, (F,)."""
    if kernel.ndim != 4 or kernel.shape[:2] != (1, 1):
        _expect("a pointwise kernel", "shape", kernel.shape, "(1, 1, K, F)")
    if channels is not None and kernel.shape[2] != channels:
        _expect("a pointwise kernel", "K =", kernel.shape[2], channels)
    if bias is not None and bias.shape != kernel.shape[3:]:
        _expect("a bias", "shape", bias.shape, kernel.shape[3:])
