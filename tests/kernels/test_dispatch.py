"""The table, the choice of a backend, and what the public functions refuse."""

import threading

import numpy as np
import pytest

from minigrad import kernels
from minigrad.kernels import backends, checks, conv_geometry, current_backend, register, use_backend
from minigrad.kernels.cuda import runtime

GEOMETRY = conv_geometry((4, 5), (3, 3))
FIRST = conv_geometry((4, 5), (3, 3), data_format="channels_first")


def arrays(dtype=np.float64):
    """Inputs for `GEOMETRY`: x, depthwise kernel, pointwise kernel, bias, dy."""
    shapes = ((2, 4, 5, 3), (3, 3, 3, 2), (1, 1, 6, 4), (4,), (2, 2, 3, 4))
    return [np.arange(np.prod(shape)).reshape(shape).astype(dtype) for shape in shapes]


def test_use_backend_as_a_context():
    assert current_backend() == "cpu"
    with use_backend("reference") as name:
        assert name == current_backend() == "reference"
        with use_backend("cpu"):
            assert current_backend() == "cpu"
        assert current_backend() == "reference"
    assert current_backend() == "cpu"
    with pytest.raises(ZeroDivisionError), use_backend("reference"):
        raise ZeroDivisionError
    assert current_backend() == "cpu"


def test_use_backend_as_a_decorator():
    @use_backend("reference")
    def inside(depth):
        assert current_backend() == "reference"
        return depth if depth == 0 else inside(depth - 1)

    assert inside(3) == 0
    assert current_backend() == "cpu"


def test_a_backend_belongs_to_its_thread():
    seen = []
    with use_backend("reference"):
        thread = threading.Thread(target=lambda: seen.append(current_backend()))
        thread.start()
        thread.join()
    assert seen == ["cpu"]


def test_one_decorated_function_in_many_threads():
    barrier = threading.Barrier(4, timeout=30)
    failures = []

    @use_backend("reference")
    def inside():
        barrier.wait()
        assert current_backend() == "reference"
        barrier.wait()

    def run():
        try:
            for _ in range(20):
                inside()
                assert current_backend() == "cpu"
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.parametrize("name", ["gpu", "CPU", "", None, 1])
def test_unknown_backends(name):
    with pytest.raises(
        ValueError, match=r"Expected one of reference, loops, cpu, cuda. Received: backend="
    ):
        use_backend(name)


def test_register(monkeypatch):
    monkeypatch.setattr(backends, "_table", dict(backends._table))
    marker = np.zeros(0)
    register("bias_grad", "cpu", lambda dy, data_format: marker)
    assert kernels.bias_grad(np.ones((1, 1, 1, 1)), "channels_last") is marker
    with use_backend("reference"):
        assert kernels.bias_grad(np.ones((1, 1, 1, 1)), "channels_last") is not marker
    with pytest.raises(ValueError, match="Received: operation='conv3d'"):
        register("conv3d", "cpu", lambda: None)
    with pytest.raises(ValueError, match="Received: backend='tpu'"):
        register("bias_grad", "tpu", lambda: None)


def test_what_was_registered_first_outlives_the_import(monkeypatch):
    monkeypatch.setattr(backends, "_table", {})
    marker = np.zeros(0)
    register("bias_grad", "reference", lambda dy, data_format: marker)
    x, k, *_ = arrays()
    with use_backend("reference"):
        kernels.depthwise_forward(x, k, GEOMETRY)  # imports the backend
        assert kernels.bias_grad(np.ones((1, 1, 1, 1)), "channels_last") is marker


def everything(x, k, q, b, dy, geometry):
    """Call every public function once."""
    data_format = geometry.data_format
    features = kernels.depthwise_forward(x, k, geometry)
    y, argmax = kernels.max_pool_forward(x, geometry)
    return [
        features,
        kernels.depthwise_input_grad(features, k, geometry),
        kernels.depthwise_kernel_grad(x, features, geometry, k.shape[3]),
        kernels.pointwise_forward(features, q, b, data_format),
        kernels.pointwise_input_grad(dy, q, data_format),
        kernels.pointwise_kernel_grad(features, dy, data_format),
        kernels.bias_grad(dy, data_format),
        kernels.separable_forward(x, k, q, b, geometry),
        *kernels.separable_backward(x, k, q, dy, geometry, True),
        y,
        argmax,
        kernels.max_pool_backward(y, argmax, geometry),
    ]


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint16])
def test_integers_go_to_the_reference(dtype):
    results = everything(*arrays(dtype), GEOMETRY)
    argmax = results.pop(-2)
    assert argmax.dtype == np.int64
    for result in results:
        assert result.dtype == dtype


def test_complex_numbers_go_to_the_reference():
    x, k, q, b, dy = arrays(np.complex128)
    step = 1e-20j
    y = kernels.separable_forward(x, k, q, b, GEOMETRY)
    assert y.dtype == np.complex128
    np.testing.assert_array_equal(y.imag, 0)
    # The complex step: the derivative without a difference, exact in one evaluation.
    direction = np.ones_like(k)
    y = kernels.separable_forward(x, k + step * direction, q, b, GEOMETRY)
    _, dk, _, _ = kernels.separable_backward(x, k, q, dy, GEOMETRY, True)
    np.testing.assert_allclose((y.imag / 1e-20 * dy.real).sum(), dk.real.sum(), rtol=1e-14)
    with pytest.raises(TypeError, match="Complex numbers have no maximum"):
        kernels.max_pool_forward(x, GEOMETRY)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, bool, object, "S1", ">f8", "M8[s]"])
def test_other_dtypes_are_refused(dtype, backend):
    x = np.zeros((1, 4, 5, 3), dtype)
    k = np.zeros((3, 3, 3, 1), dtype)
    with use_backend(backend):
        with pytest.raises(TypeError, match=r"depthwise_forward computes in float32 or float64"):
            kernels.depthwise_forward(x, k, GEOMETRY)
        with pytest.raises(TypeError, match=r"float32 or float64.*astype\(\).*Received: dtype="):
            kernels.max_pool_forward(x, GEOMETRY)


@pytest.mark.parametrize("position", range(5))
def test_mixed_dtypes_are_refused(position):
    mixed = arrays()
    mixed[position] = mixed[position].astype(np.float32)
    x, k, q, b, dy = mixed
    with pytest.raises(TypeError, match=r"arrays of one dtype.*Received: .*float"):
        if position < 4:
            kernels.separable_forward(x, k, q, b, GEOMETRY)
        else:
            kernels.separable_backward(x, k, q, dy, GEOMETRY, False)


x, k, q, b, dy = arrays()
features = np.zeros((2, 2, 3, 6))
LAST = "channels_last"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: kernels.depthwise_forward(x[:, :3], k, GEOMETRY),
            r"x with height and width \(4, 5\)",
        ),
        (lambda: kernels.depthwise_forward(x, k, FIRST), r"x with height and width \(4, 5\)"),
        (lambda: kernels.depthwise_forward(x[0], k, GEOMETRY), "4 axes"),
        (lambda: kernels.depthwise_forward(x, k[:2], GEOMETRY), r"shape \(3, 3, C, M\)"),
        (lambda: kernels.depthwise_forward(x, k[0], GEOMETRY), r"shape \(3, 3, C, M\)"),
        (lambda: kernels.depthwise_forward(x, k[:, :, :2], GEOMETRY), "C = 3. Received: 2"),
        (lambda: kernels.depthwise_input_grad(dy, k, GEOMETRY), r"dy with shape \(2, 2, 3, 6\)"),
        (
            lambda: kernels.depthwise_input_grad(features[:, :1], k, GEOMETRY),
            r"dy with shape \(2, 2, 3, 6\)",
        ),
        (
            lambda: kernels.depthwise_kernel_grad(x, features[:1], GEOMETRY, 2),
            r"dy with shape \(2, 2, 3, 6\)",
        ),
        (
            lambda: kernels.depthwise_kernel_grad(x, features, GEOMETRY, 3),
            r"dy with shape \(2, 2, 3, 9\)",
        ),
        (lambda: kernels.pointwise_forward(x, q, b, LAST), "K = 3. Received: 6"),
        (lambda: kernels.pointwise_forward(features, q[0], b, LAST), r"shape \(1, 1, K, F\)"),
        (lambda: kernels.pointwise_forward(features, q, b[:3], LAST), r"shape \(4,\)"),
        (lambda: kernels.pointwise_forward(features, q, b[np.newaxis], LAST), r"shape \(4,\)"),
        (lambda: kernels.pointwise_input_grad(features, q, LAST), "channels 4. Received: 6"),
        (lambda: kernels.pointwise_kernel_grad(features[:1], dy, LAST), r"\(N, H, W\)"),
        (lambda: kernels.bias_grad(dy[0], LAST), "4 axes"),
        (lambda: kernels.separable_forward(x, k, q[:, :, :5], b, GEOMETRY), "K = 6. Received: 5"),
        (
            lambda: kernels.separable_backward(x, k, q, features, GEOMETRY, True),
            r"dy with shape \(2, 2, 3, 4\)",
        ),
        (lambda: kernels.max_pool_forward(x[:, 1:], GEOMETRY), "x with height and width"),
        (
            lambda: kernels.max_pool_backward(dy, np.zeros((2, 2, 3, 5), np.int32), GEOMETRY),
            r"argmax with shape \(2, 2, 3, 4\)",
        ),
        (
            lambda: kernels.max_pool_backward(
                dy[:, 1:], np.zeros((2, 1, 3, 4), np.int32), GEOMETRY
            ),
            r"dy with shape \(2, 2, 3, 4\)",
        ),
    ],
)
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_shapes_that_do_not_fit(call, message, backend):
    with use_backend(backend), pytest.raises(ValueError, match=message):
        call()


def test_argmax_must_hold_positions():
    with pytest.raises(TypeError, match="argmax must be int32 or int64"):
        kernels.max_pool_backward(dy, dy, GEOMETRY)


def test_a_wild_argmax_writes_nowhere():
    """Positions come from the caller: one outside the image must not touch memory."""
    for position in (-5, 20, 2**31 - 1, -(2**31)):
        argmax = np.full(dy.shape, position, np.int64)
        assert not kernels.max_pool_backward(dy, argmax, GEOMETRY).any()


def variants(array):
    """The same numbers in every memory layout that NumPy can produce."""
    yield np.asfortranarray(array)
    yield np.repeat(array, 2, axis=-1)[..., ::2]
    yield array[::-1].copy()[::-1]
    misaligned = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    misaligned[...] = array
    yield misaligned
    read_only = array.copy()
    read_only.setflags(write=False)
    yield read_only
    yield np.ma.masked_array(array)
    yield array.view(type("Subclass", (np.ndarray,), {}))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_memory_layout(dtype):
    inputs = arrays(dtype)
    expected = everything(*inputs, GEOMETRY)
    for variant in zip(*(variants(array) for array in inputs), strict=True):
        before = [array.tobytes() for array in variant]
        for array in map(checks.plain, variant):
            assert array.flags.c_contiguous
            assert array.flags.aligned
        for received, wanted in zip(everything(*variant, GEOMETRY), expected, strict=True):
            assert type(received) is np.ndarray
            np.testing.assert_array_equal(received, wanted)
        assert [array.tobytes() for array in variant] == before


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_no_channels_and_no_filters(backend):
    nothing = [np.ones(s) for s in ((2, 4, 5, 0), (3, 3, 0, 2), (1, 1, 0, 4), (4,), (2, 2, 3, 4))]
    with use_backend(backend):
        assert (kernels.separable_forward(*nothing[:4], GEOMETRY) == 1).all()
        everything(*nothing, GEOMETRY)
        x, k, q, b, dy = arrays()
        everything(x, k, q[..., :0], b[:0], dy[..., :0], GEOMETRY)


@pytest.mark.skipif(runtime.available(), reason="there is a CUDA backend here")
def test_cuda_is_refused_with_advice():
    refused = pytest.raises(RuntimeError, match=r"^CUDA is not available: .*; .*\.$")
    with refused, use_backend("cuda"):
        raise AssertionError("entered")
    assert current_backend() == "cpu"
