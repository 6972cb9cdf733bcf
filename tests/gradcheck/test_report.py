"""The report: as text, as a page, as a figure, as JSON."""

import json
import re
from html.parser import HTMLParser

import matplotlib
import matplotlib.pyplot
import numpy as np
import pytest

import minigrad as mg
from minigrad.gradcheck import GradCheckError, GradCheckReport, gradcheck
from minigrad.gradcheck import report as report_module
from minigrad.gradcheck.tiles import lay_out

matplotlib.use("agg")
rng = np.random.default_rng(0)
X, K = rng.standard_normal((2, 5, 5, 2)), rng.standard_normal((3, 3, 2, 2))
WRONG = {"gradient": lambda g, x: 2.0 * g * np.cos(x)}


def good(**options):
    return gradcheck(mg.ops.depthwise_conv2d, (X, K), **options)


def bad(**options):
    return gradcheck(np.sin, X, **WRONG, **options)


class Page(HTMLParser):
    """Collects tags and checks that all are closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.said = [], [], []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in ("img", "polyline", "line", "rect", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.said.append(data)


@pytest.mark.parametrize("make", [good, bad])
@pytest.mark.parametrize("mode", ["full", "fast"])
def test_the_page_is_well_formed_and_self_contained(make, mode):
    report = make(mode=mode)
    text = report._repr_html_()
    page = Page(text)
    assert not re.search(r"<script|<link|https?://(?!www\.w3\.org/2000/svg)", text)
    assert page.seen.count("svg") == len(report.inputs) * (2 if mode == "full" else 1)
    assert page.seen.count("img") == (len(report.inputs) if mode == "full" else 0)
    assert len(text) < 60_000
    said = " ".join(page.said)
    assert report.headline in said and report.method in said
    for check in report.inputs:
        assert check.name in said and f"{check.numeric:.9g}" in said


def test_the_page_tells_what_is_wrong():
    said = " ".join(Page(bad()._repr_html_()).said)
    assert "FAILED" in said
    assert "the gradient of x is twice the right one" in said or "multiplied" in said
    assert "central differences say" in said


def test_names_are_escaped():
    text = gradcheck(np.sin, X, names=["<img onerror=1>&"], **WRONG)._repr_html_()
    assert "<img onerror" not in text and "&lt;img onerror=1&gt;&amp;" in text
    Page(text)


def test_a_page_without_anything_to_compare():
    Page(gradcheck(mg.ops.sin, np.zeros((0, 3)))._repr_html_())
    noise = np.random.default_rng(0)
    report = gradcheck(lambda x: x + noise.random(), X, gradient=lambda g, x: g)
    assert "two calls" in " ".join(Page(report._repr_html_()).said)


@pytest.mark.parametrize("maps", [False, True])
@pytest.mark.parametrize("make", [good, bad])
def test_json_brings_the_report_back(make, maps):
    report = make()
    again = GradCheckReport.from_json(report.to_json(maps=maps))
    assert again == report
    assert str(again) == str(report) and bool(again) == bool(report)
    if maps:
        for one, other in zip(report.inputs, again.inputs, strict=True):
            assert np.array_equal(one.maps.analytic, other.maps.analytic)
            assert one.curve() == other.curve()
        assert again._repr_html_() == report._repr_html_()


def test_json_of_what_is_not_finite():
    report = gradcheck(np.sin, X, gradient=lambda g, x: np.nan * x)
    facts = json.loads(report.to_json(maps=True))
    assert facts["inputs"][0]["error"] is None and facts["verdict"] == "fail"
    assert str(GradCheckReport.from_dict(facts)) == str(report)


@pytest.mark.parametrize("facts", [{}, {"function": "f"}, {"inputs": 3}])
def test_other_dictionaries_are_refused(facts):
    with pytest.raises(ValueError, match="This is no gradient check report"):
        GradCheckReport.from_dict(facts)


def test_inputs_by_name():
    report = good()
    assert report["kernel"] is report.inputs[1]
    with pytest.raises(KeyError, match="no input was checked under this name"):
        report["bias"]


def test_raise_exception():
    with pytest.raises(GradCheckError, match="gradcheck of sin: FAILED"):
        bad(raise_exception=True)
    assert good(raise_exception=True).verdict == "pass"
    assert report_module.GradCheckError is GradCheckError


def test_ulps_and_resolution():
    def off(g, x):
        return np.spacing(g) * 5 + g

    x = np.ones(4, np.float32) + np.arange(4, dtype=np.float32)
    (check,) = gradcheck(lambda x: x * 1.0, x, gradient=off, rtol=1e-3).inputs
    assert check.ulps < 1.0  # in float64, where 5 units of the last place are nothing
    assert 1e-8 < good()["kernel"].resolution < 1e-4


def test_the_curve_shows_truncation_and_rounding():
    (check,) = gradcheck(mg.ops.exp, np.array([1.0])).inputs
    curve = check.curve()
    errors = dict(zip(np.round(np.log10(curve.steps)).astype(int), curve.errors, strict=False))
    assert errors[-1] > 100 * errors[-4] and errors[-12] > 100 * errors[-5]
    assert curve.best == pytest.approx(np.e * check.analytic / np.e, rel=1e-9)
    assert curve.chosen in curve.steps or curve.chosen == pytest.approx(6.06e-6, rel=1e-2)


@pytest.mark.parametrize("make", [good, bad])
@pytest.mark.parametrize("mode", ["full", "fast"])
def test_figures(make, mode):
    figure = make(mode=mode).plot()
    figure.canvas.draw()
    assert len(figure.axes) == 4
    matplotlib.pyplot.close(figure)
    with pytest.raises(ValueError, match="nothing to draw"):
        gradcheck(mg.ops.sin, np.zeros((0, 3))).plot()


@pytest.mark.parametrize(
    ("shape", "name", "picture"),
    [
        ((), "x", (1, 1)),
        ((5,), "x", (1, 5)),
        ((100,), "x", (3, 40)),
        ((3, 4), "x", (3, 4)),
        ((3, 4, 2), "x", (3, 9)),
        ((3, 2, 4, 2), "kernel", (7, 11)),
        ((1, 1, 4, 3), "pointwise", (4, 3)),
        ((2, 5, 6, 3), "x", (11, 20)),
        ((2, 2, 3, 3, 2), "x", (15, 7)),
    ],
)
def test_arrays_of_any_shape_become_pictures(shape, name, picture):
    laid, text = lay_out(np.ones(shape), name)
    assert laid.shape == picture and text
    assert np.nansum(laid) == np.prod(shape)  # every element once
