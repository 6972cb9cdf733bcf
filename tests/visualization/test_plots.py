"""Every plot draws what it says, where it is told to, and shows nothing by itself."""

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import minigrad as mg
from minigrad import visualization as show

rng = np.random.default_rng(0)
DIGITS = rng.uniform(size=(12, 8, 8, 1))
HISTORY = {"loss": [2.0, 1.0, 0.5], "val_loss": [2.5, 1.5, 1.2], "accuracy": [0.1, 0.5, 0.9]}


@pytest.fixture(autouse=True)
def no_windows(monkeypatch):
    from matplotlib import pyplot

    mpl.use("agg")
    monkeypatch.setattr(pyplot, "show", lambda *a, **k: pytest.fail("a plot called show()"))
    yield
    pyplot.close("all")


@pytest.fixture
def layer():
    made = mg.layers.SeparableConv2D(6, 3, depth_multiplier=2, name="conv")
    made.build((None, 8, 8, 4))
    return made


PLOTS = {
    "history": lambda ax: show.plot_history(HISTORY, ax),
    "depthwise": lambda ax: show.plot_depthwise_kernels(rng.normal(size=(3, 3, 8, 1)), ax),
    "pointwise": lambda ax: show.plot_pointwise_kernel(rng.normal(size=(1, 1, 8, 4)), ax),
    "features": lambda ax: show.plot_feature_maps(
        mg.layers.SeparableConv2D(5, 3), rng.normal(size=(8, 8, 1)), ax
    ),
    "images": lambda ax: show.plot_images(DIGITS, np.arange(12), np.arange(12)[::-1], ax),
}


@pytest.mark.parametrize("name", PLOTS)
def test_each_plot_draws_into_the_axes_given_and_returns_them(name):
    figure = Figure(figsize=(5, 4))
    first, second = figure.subplots(1, 2)
    assert PLOTS[name](second) is second
    assert not first.has_data()
    figure.savefig("/dev/null", format="png")


@pytest.mark.parametrize("name", PLOTS)
def test_each_plot_makes_a_figure_of_its_own_that_nothing_sticks_out_of(name, tmp_path):
    ax = PLOTS[name](None)
    assert isinstance(ax, Axes)
    figure = ax.figure
    figure.savefig(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000
    tight, size = figure.get_tightbbox(), figure.get_size_inches()
    assert tight.x0 > -0.02 and tight.y0 > -0.02
    assert tight.x1 < size[0] + 0.02 and tight.y1 < size[1] + 0.02


@pytest.mark.parametrize("name", PLOTS)
def test_axes_are_checked(name):
    with pytest.raises(TypeError, match=r"must be a matplotlib Axes or None\. Received: Figure"):
        PLOTS[name](Figure())


def test_importing_does_not_import_matplotlib():
    code = (
        "import sys, minigrad, minigrad.visualization, minigrad.cli;"
        "assert minigrad.visualization.plot_history;"
        "loaded = [name for name in ('matplotlib', 'numba', 'llvmlite') if name in sys.modules];"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------------- history


def test_history_plots_both_curves_against_epochs_from_one():
    ax = show.plot_history(HISTORY)
    training, validation = ax.lines
    assert training.get_xdata().tolist() == [1, 2, 3]
    assert training.get_ydata().tolist() == HISTORY["loss"]
    assert validation.get_ydata().tolist() == HISTORY["val_loss"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["training", "validation"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("epoch", "loss", "Loss")
    assert ax.get_yscale() == "linear"


def test_accuracies_are_in_percent_and_steep_losses_logarithmic():
    ax = show.plot_history(HISTORY, metric="accuracy")
    assert ax.lines[0].get_ydata() == pytest.approx([10, 50, 90])
    assert ax.get_ylabel() == "accuracy (%)"
    assert ax.get_legend() is None
    assert show.plot_history({"loss": [5.0, 0.01]}).get_yscale() == "log"
    assert show.plot_history({"loss": [5.0, 0.0]}).get_yscale() == "linear"


def test_what_fit_returns_can_be_plotted():
    model = mg.Sequential([mg.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    history = model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=2, verbose=0)
    assert len(show.plot_history(history).lines[0].get_xdata()) == 2


def test_a_history_without_the_metric():
    with pytest.raises(ValueError, match=r"\['accuracy', 'loss', 'val_loss'\].*metric='mse'"):
        show.plot_history(HISTORY, metric="mse")
    with pytest.raises(ValueError, match="no values"):
        show.plot_history({"loss": []})


# ---------------------------------------------------------------------- kernels


def test_every_weight_of_a_depthwise_kernel_is_drawn_once(layer):
    kernel = layer.depthwise_kernel.numpy()
    ax = show.plot_depthwise_kernels(layer, columns=2)
    image = ax.images[0].get_array()
    for channel in range(4):
        for m in range(2):
            row, column = (channel // 2) * 2 + m, channel % 2
            tile = image[4 * row : 4 * row + 3, 4 * column : 4 * column + 3]
            assert np.array_equal(tile, kernel[:, :, channel, m])
    assert np.sum(np.isfinite(image.filled(np.nan))) == kernel.size
    low, high = ax.images[0].get_clim()
    assert high == -low == np.abs(kernel).max()  # white is zero
    assert ax.images[0].get_cmap().name == "RdBu_r"
    assert ax.get_title() == "Depthwise kernels of conv: 4 channels × 2 filters of 3×3"
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["0–1 · 0", "0–1 · 1", "2–3 · 0", "2–3 · 1"]


def test_the_filters_of_a_single_channel_stand_side_by_side():
    ax = show.plot_depthwise_kernels(rng.normal(size=(3, 3, 1, 16)), columns=8)
    assert ax.images[0].get_array().shape == (7, 31)
    assert ax.get_ylabel() == "filter"


def test_a_pointwise_kernel_is_a_matrix(layer):
    ax = show.plot_pointwise_kernel(layer)
    assert np.array_equal(ax.images[0].get_array(), layer.pointwise_kernel.numpy()[0, 0])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("filter", "depthwise channel")
    assert ax.get_title() == "Pointwise kernel of conv: 8 channels → 6 filters"


def test_kernels_of_zeros_can_be_drawn():
    show.plot_depthwise_kernels(np.zeros((3, 3, 2, 1))).figure.canvas.draw()


@pytest.mark.parametrize("plot", [show.plot_depthwise_kernels, show.plot_pointwise_kernel])
def test_what_is_no_kernel(plot):
    with pytest.raises(ValueError, match=r"has four axes. Received: shape=\(3, 3\)"):
        plot(np.ones((3, 3)))
    with pytest.raises(TypeError, match="Layer 'dense' has no"):
        dense = mg.layers.Dense(2, name="dense")
        dense.build((None, 3))
        plot(dense)
    with pytest.raises(ValueError, match="has no weights yet"):
        plot(mg.layers.SeparableConv2D(2, 3))


def test_a_large_kernel_is_no_pointwise_kernel():
    with pytest.raises(ValueError, match=r"1×1. Received: shape=\(3, 3, 2, 1\)"):
        show.plot_pointwise_kernel(np.ones((3, 3, 2, 1)))


# ---------------------------------------------------------------------- feature maps


def test_feature_maps_of_a_layer_are_its_output(layer):
    x = rng.normal(size=(1, 8, 8, 4)).astype("f4")
    ax = show.plot_feature_maps(layer, x, columns=6)
    image = ax.images[0].get_array()
    maps = layer(x).numpy()[0]
    for channel in range(6):
        assert np.array_equal(image[:6, 7 * channel : 7 * channel + 6], maps[:, :, channel])
    assert ax.get_title() == "Output of conv: 6 maps of 6×6"


def test_feature_maps_inside_a_model():
    model = mg.Sequential(
        [
            mg.layers.SeparableConv2D(4, 3, name="first"),
            mg.layers.ReLU(name="relu"),
            mg.layers.Flatten(name="flat"),
        ]
    )
    x = rng.normal(size=(8, 8, 1))
    assert show.plot_feature_maps(model, x).get_title().startswith("Output of first: 4 maps")
    ax = show.plot_feature_maps(model, x, layer="relu")
    assert ax.images[0].get_cmap().name == "viridis"  # nothing is negative
    assert show.plot_feature_maps(model, x, layer=-2).get_title() == ax.get_title()
    with pytest.raises(ValueError, match=r"one of \['first', 'relu', 'flat'\]"):
        show.plot_feature_maps(model, x, layer="second")
    with pytest.raises(ValueError, match=r"has 3 layers\. Received: layer=3"):
        show.plot_feature_maps(model, x, layer=3)
    with pytest.raises(ValueError, match=r"'flat' is no set of maps. Received: shape=\(1, 144\)"):
        show.plot_feature_maps(model, x, layer="flat")
    with pytest.raises(ValueError, match="one image"):
        show.plot_feature_maps(model, DIGITS)
    with pytest.raises(TypeError, match=r"needs a layer or a model\. Received: int"):
        show.plot_feature_maps(3, x)


def test_channels_first():
    layer = mg.layers.SeparableConv2D(5, 3, data_format="channels_first")
    title = show.plot_feature_maps(layer, rng.normal(size=(2, 8, 9))).get_title()
    assert title.endswith("5 maps of 6×7")


# ---------------------------------------------------------------------- images


def test_captions_tell_right_from_wrong():
    ax = show.plot_images(DIGITS[:3], [1, 2, 3], [1, 7, 3], title="Digits")
    assert [text.get_text() for text in ax.texts] == ["1", "7, not 2", "3"]
    right, wrong, _ = (text.get_color() for text in ax.texts)
    assert right != wrong
    assert ax.get_title() == "Digits"
    assert [t.get_text() for t in show.plot_images(DIGITS[:2], ["a", "b"]).texts] == ["a", "b"]
    assert [t.get_text() for t in show.plot_images(DIGITS[:2], None, [4, 5]).texts] == ["4", "5"]
    assert not show.plot_images(DIGITS).texts


def test_captions_do_not_overlap():
    ax = show.plot_images(DIGITS, np.arange(12), np.arange(12)[::-1])
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    for i, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[i + 1 :])


def test_pixels_arrive():
    ax = show.plot_images(DIGITS[:2], columns=2)
    assert np.array_equal(ax.images[0].get_array()[:, :8], DIGITS[0, :, :, 0])
    colour = rng.integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    drawn = show.plot_images(colour, columns=2).images[0].get_array()
    assert np.allclose(drawn[:, :4], colour[0] / 255, rtol=0, atol=1e-15)


def test_images_of_a_wrong_shape():
    with pytest.raises(ValueError, match=r"Received: shape=\(2, 8, 8, 2\)"):
        show.plot_images(np.ones((2, 8, 8, 2)))
    with pytest.raises(ValueError, match=r"labels must hold one entry per image"):
        show.plot_images(DIGITS, [1, 2])
    with pytest.raises(ValueError, match=r"predictions must .* Expected shape \(12,\)"):
        show.plot_images(DIGITS, None, [1, 2])
