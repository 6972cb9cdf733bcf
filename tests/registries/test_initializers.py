"""Initializers: Keras' fans, limits and names (tests/golden/README.md), shapes, dtypes, seeds."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import initializers
from minigrad.initializers.scaling import TRUNCATED_STDDEV, compute_fans

GOLDEN = Path(__file__).parents[1] / "golden"
INDEX = json.loads((GOLDEN / "registries.json").read_text(encoding="utf-8"))
CLASSES = INDEX["initializers"]["classes"]
SAMPLED = [case for case in CLASSES if "sample" in case]
FANS = INDEX["initializers"]["fans"]
RANDOM = ["RandomUniform", "RandomNormal", "TruncatedNormal", "VarianceScaling", "Orthogonal"]
RANDOM += [f"{who}{what}" for who in ("Glorot", "Lecun", "He") for what in ("Uniform", "Normal")]


def make(case: dict[str, Any]) -> Any:
    return getattr(initializers, case["class_name"])(**case["options"])


@pytest.mark.parametrize("case", FANS, ids=lambda case: str(case["shape"]))
def test_golden_fans(case: dict[str, Any]) -> None:
    assert compute_fans(tuple(case["shape"])) == (case["fan_in"], case["fan_out"])


@pytest.mark.parametrize("case", FANS, ids=lambda case: str(case["shape"]))
@pytest.mark.parametrize("who", ["glorot", "he", "lecun"])
def test_golden_limits(case: dict[str, Any], who: str) -> None:
    """Rescaled by Keras' limit, all shapes must give the same numbers, whatever the fans."""
    shape = tuple(case["shape"])
    uniform = initializers.get(f"{who}_uniform").__class__(seed=0)(shape, "float64")
    limit = case[f"{who}_uniform_limit"]
    plain = initializers.RandomUniform(-limit, limit, seed=0)(shape, "float64")
    np.testing.assert_allclose(uniform, plain, rtol=1e-12)
    normal = initializers.get(f"{who}_normal").__class__(seed=0)(shape, "float64")
    stddev = case[f"{who}_normal_stddev"] / TRUNCATED_STDDEV
    plain = initializers.TruncatedNormal(0.0, stddev, seed=0)(shape, "float64")
    np.testing.assert_allclose(normal, plain, rtol=1e-12)


@pytest.mark.parametrize("case", SAMPLED, ids=lambda case: str(case["tf24"]))
def test_golden_statistics(case: dict[str, Any]) -> None:
    """A large draw has the spread of Keras' own large draw."""
    sample = case["sample"]
    draw = make(case)(sample["shape"], "float64")
    assert draw.std() == pytest.approx(sample["std"], rel=0.01, abs=1e-15)
    spread = sample["max"] - sample["min"]
    assert draw.mean() == pytest.approx(sample["mean"], abs=0.01 * spread)
    if case["class_name"] not in ("RandomNormal", "Orthogonal"):  # no bounds
        assert draw.max() == pytest.approx(sample["max"], rel=0.001)
        assert draw.min() == pytest.approx(sample["min"], rel=0.001)


@pytest.mark.parametrize("case", CLASSES, ids=lambda case: str(case["tf24"]))
def test_golden_shapes(case: dict[str, Any]) -> None:
    for shape, outcome in case["shapes"]:
        if outcome == "ok":
            assert make(case)(shape).shape == tuple(shape)
        else:
            with pytest.raises(ValueError, match="2 axes"):
                make(case)(shape)
    for shape, values in case.get("values", []):
        np.testing.assert_array_equal(make(case)(shape), values)


@pytest.mark.parametrize("case", CLASSES, ids=lambda case: str(case["tf24"]))
def test_golden_configurations(case: dict[str, Any]) -> None:
    made = make(case)
    assert initializers.serialize(made) == case["tf24"]
    assert list(made.get_config()) == list(case["tf24"]["config"])
    for form in ("tf24", "tf_keras", "keras3"):
        written = json.loads(json.dumps(case[form]))
        found = initializers.deserialize(case[form])
        assert case[form] == written  # not changed by reading it
        assert type(found) is type(made)
        if case["class_name"] != "Identity" or form != "keras3":  # Keras 3 loses the gain
            assert found.get_config() == made.get_config()


@pytest.mark.parametrize("name", RANDOM)
def test_trap_27_a_seed_gives_the_same_values_on_every_call(name: str) -> None:
    initializer = getattr(initializers, name)(seed=5)
    first = initializer((3, 4))
    np.testing.assert_array_equal(first, initializer((3, 4)))
    np.testing.assert_array_equal(first, getattr(initializers, name)(seed=np.int64(5))((3, 4)))
    assert not np.array_equal(first, getattr(initializers, name)(seed=6)((3, 4)))


@pytest.mark.parametrize("name", RANDOM)
def test_trap_27_without_a_seed_every_call_draws_anew(name: str) -> None:
    initializer = getattr(initializers, name)()
    assert not np.array_equal(initializer((3, 4)), initializer((3, 4)))
    mg.set_random_seed(3)
    first, second = initializer((3, 4)), initializer((3, 4))
    mg.set_random_seed(3)
    np.testing.assert_array_equal(first, initializer((3, 4)))
    np.testing.assert_array_equal(second, initializer((3, 4)))


def test_one_seed_gives_independent_values_for_different_shapes() -> None:
    initializer = initializers.RandomNormal(seed=1)
    assert not np.array_equal(initializer((2, 6)).ravel(), initializer((3, 4)).ravel())


def test_numpys_global_state_is_not_touched() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    initializers.HeNormal()((3, 3))
    mg.set_random_seed(1)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("seed", [-1, 1.5, "1", True, [1]])
def test_bad_seed(seed: Any) -> None:
    with pytest.raises(ValueError, match="The seed must be None or an integer >= 0"):
        initializers.HeNormal(seed=seed)
    with pytest.raises(ValueError, match="seed"):
        mg.set_random_seed(seed)


def test_trap_6_depthwise_fans() -> None:
    assert compute_fans((3, 3, 16, 2)) == (144, 18)
    assert compute_fans((1, 1, 32, 8)) == (32, 8)
    keras = initializers.VarianceScaling(seed=0)((3, 3, 64, 1), "float64")
    ours = initializers.VarianceScaling(seed=0, fan="per_filter")((3, 3, 64, 1), "float64")
    np.testing.assert_allclose(ours, 8.0 * keras, rtol=1e-12)  # sqrt(64)
    assert compute_fans((3, 3, 16, 2), per_filter=True) == (9, 18)


def test_trap_7_the_variance_survives_truncation() -> None:
    draw = initializers.HeNormal(seed=0)((3, 3, 64, 128), "float64")
    target = math.sqrt(2 / 576)
    assert draw.std() == pytest.approx(target, rel=0.01)
    assert np.abs(draw).max() <= 2 * target / TRUNCATED_STDDEV
    assert np.abs(draw).max() == pytest.approx(0.13398, abs=1e-4)
    plain = initializers.TruncatedNormal(stddev=1.0, seed=0)((300, 300), "float64")
    assert plain.std() == pytest.approx(TRUNCATED_STDDEV, rel=0.01)
    assert np.abs(plain).max() <= 2.0


def test_trap_8_glorot_uniform_of_a_bias() -> None:
    """A bias without an initializer gets what the layer falls back to; None itself is None."""
    assert initializers.get(None) is None
    draw = initializers.GlorotUniform(seed=0)((10000,), "float64")
    assert np.abs(draw).max() == pytest.approx(math.sqrt(6 / 20000), rel=0.01)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (3, 3, 4, 5), (1, 1, 4, 9)])
def test_trap_26_orthogonal(shape: tuple[int, ...]) -> None:
    matrix = initializers.Orthogonal(seed=1)(shape, "float64").reshape(-1, shape[-1])
    gram = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-13)


def test_trap_26_orthogonal_has_the_sign_correction() -> None:
    """Without it QR gives columns whose first entries are mostly of one sign."""
    mg.set_random_seed(0)
    corner = [initializers.Orthogonal()((3, 3))[0, 0] > 0 for _ in range(400)]
    assert 150 < sum(corner) < 250


@pytest.mark.parametrize("name", [*RANDOM, "Zeros", "Ones", "Constant"])
def test_dtypes(name: str) -> None:
    initializer = getattr(initializers, name)(**({"seed": 1} if name in RANDOM else {}))
    assert initializer((2, 3)).dtype == np.float32
    assert initializer([2, 3], dtype="float64").dtype == np.float64
    narrow, wide = initializer((2, 3), "float32"), initializer((2, 3), "float64")
    np.testing.assert_array_equal(narrow, wide.astype(np.float32))
    assert initializer((0, 3)).shape == (0, 3)
    assert narrow.flags.writeable


def test_integers() -> None:
    assert initializers.Ones()(3, "int32").dtype == np.int32
    assert initializers.Zeros()(3, bool).dtype == bool
    drawn = initializers.RandomUniform(0, 5, seed=1)((200,), "int64")
    assert set(drawn.tolist()) == {0, 1, 2, 3, 4}


def test_arrays_are_initializers() -> None:
    values = np.arange(6.0).reshape(2, 3)
    for given in (values, mg.tensor(values)):
        made = initializers.get(given)
        np.testing.assert_array_equal(made((2, 3)), values)
        again = initializers.deserialize(json.loads(json.dumps(initializers.serialize(made))))
        np.testing.assert_array_equal(again((2, 3)), values)
        with pytest.raises(ValueError, match=r"Expected \(3, 2\), received \(2, 3\)"):
            made((3, 2))
    values[:] = 9.0
    assert made((2, 3))[0, 0] == 0.0  # a copy


ERRORS: list[tuple[Any, str]] = [
    (lambda: initializers.VarianceScaling(scale=0), "`scale` argument must be a finite number > 0"),
    (lambda: initializers.VarianceScaling(mode="FAN_IN"), "`mode` argument must be one of"),
    (lambda: initializers.VarianceScaling(distribution="cauchy"), "`distribution` argument"),
    (lambda: initializers.VarianceScaling(fan="mine"), "`fan` argument must be one of"),
    (lambda: initializers.VarianceScaling(fan="per_filter")((3, 3)), "at least 3 axes"),
    (lambda: initializers.RandomNormal(stddev=-1), "`stddev` argument must be a finite number >="),
    (lambda: initializers.RandomUniform(1, 0), "`maxval` argument must be a finite number >= 1"),
    (lambda: initializers.RandomUniform("a"), "`minval` argument must be a finite number"),
    (lambda: initializers.Constant("a"), "`value` argument must be a number or an array"),
    (lambda: initializers.Constant([[1], [2, 3]]), "`value` argument must be a number or an array"),
    (lambda: initializers.Identity()((2, 2, 2)), r"2 axes. Received: shape=\(2, 2, 2\)"),
    (lambda: initializers.Orthogonal()((4,)), r"at least 2 axes. Received: shape=\(4,\)"),
    (lambda: initializers.Zeros()((2, None)), r"integers >= 0. Received: shape=\(2, None\)"),
    (lambda: initializers.HeNormal()((2, -1)), "integers >= 0"),
    (lambda: initializers.HeNormal()("22"), "integers >= 0"),
    (lambda: initializers.HeNormal()((2, 2), "int32"), "dtype must be one of"),
    (lambda: initializers.Zeros()(2, "U3"), "numeric dtype. Received: dtype='U3'"),
    (lambda: initializers.get("xavier"), "Unknown initializer. Known names: .*he_normal"),
    (lambda: initializers.get("ZEROS"), "Unknown initializer. Did you mean .*Received: 'ZEROS'"),
    (lambda: initializers.get("he_nromal"), "Did you mean .*'he_normal'"),
    (lambda: initializers.get(3), r"given as None, a name.*Received: 3 \(type int\)"),
    (lambda: initializers.get({"config": {}}), "'class_name' and 'config'"),
    (lambda: initializers.get({"class_name": "Zeros", "config": 3}), "must be a dict"),
]


@pytest.mark.parametrize(("wrong", "message"), ERRORS, ids=[m for _, m in ERRORS])
def test_errors(wrong: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()


def test_unknown_keyword() -> None:
    with pytest.raises(TypeError, match="colour"):
        initializers.deserialize({"class_name": "HeNormal", "config": {"colour": 1}})


def test_names() -> None:
    for name, expected in INDEX["identifiers"]["tf_keras"]["initializers"].items():
        if expected != "Initializer":
            assert type(initializers.get(name)).__name__ == expected
    assert initializers.get(initializers.Zeros).__class__ is initializers.Zeros

    def by_hand(shape: Any, dtype: Any = None) -> Any:
        return np.zeros(shape, dtype)

    assert initializers.get(by_hand) is by_hand
