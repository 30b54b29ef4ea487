"""Figures: their structure, not their pixels."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.text import Text

from skellib import figures
from skellib.errors import InputError
from skellib.figures.skeletons import bone_side, project, view_axes
from skellib.layouts import LAYOUTS, Layout, get

KINECT = get("kinect20")


def standing(layout: Layout, frames: int = 4, bodies: int = 1) -> np.ndarray:
    """A clip (T, M, N, dims) in the rest pose, seen from the front, 2 m away."""
    pose = figures.rest_pose(layout)
    right, up = view_axes(layout, (0, 0))[:2, : layout.dims]
    clip = pose[:, :1] * right + pose[:, 1:] * up
    if layout.dims == 3:
        clip = clip + [0, 0, 2]
    else:
        clip = clip + 0.01
    return np.tile(clip, (frames, bodies, 1, 1))


def texts(figure: Figure) -> set[str]:
    return {text.get_text() for ax in figure.axes for text in ax.texts}


# ---------------------------------------------------------------- style


def _linear(color: str) -> np.ndarray:
    c = np.array(to_rgb(color))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def _oklab(rgb: np.ndarray) -> np.ndarray:
    lms = np.array(
        [[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]]
    )
    lab = np.array(
        [
            [0.2105, 0.7936, -0.0041],
            [1.9780, -2.4286, 0.4506],
            [0.0259, 0.7828, -0.8087],
        ]
    )
    return lab @ np.cbrt(np.clip(lms @ rgb, 0, None))


# Machado, Oliveira, Fernandes (2009), severity 1, on linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "deuteranopia": np.array(
        [[0.3673, 0.8606, -0.2279], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]]
    ),
    "protanopia": np.array(
        [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.052]]
    ),
}


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
@pytest.mark.parametrize(
    "colors",
    [
        figures.CATEGORICAL,
        [figures.PALETTE[name] for name in ("left", "right", "middle")],
        [figures.PALETTE[name] for name in ("position", "velocity", "fused")],
    ],
)
def test_colours_stay_apart_for_colour_blind_readers(colors, deficiency):
    lab = [_oklab(DEFICIENCIES[deficiency] @ _linear(color)) for color in colors]
    apart = [np.linalg.norm(a - b) for i, a in enumerate(lab) for b in lab[i + 1 :]]
    assert min(apart) > 0.1


def test_sequential_map_darkens_steadily():
    colors = figures.SEQUENTIAL(np.linspace(0, 1, 50))[:, :3]
    light = [_oklab(_linear(color))[0] for color in colors]
    assert (np.diff(light) < 0).all()


def test_figures_leave_rcparams_and_pyplot_alone():
    import matplotlib as mpl
    from matplotlib import pyplot

    before, open_figures = dict(mpl.rcParams), pyplot.get_fignums()
    figures.layout_sketch(KINECT)
    assert dict(mpl.rcParams) == before
    assert pyplot.get_fignums() == open_figures
    with mpl.rc_context():
        figures.style()
        assert mpl.rcParams["font.family"] == ["DejaVu Sans"]


# ---------------------------------------------------------------- skeletons


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_rest_pose_is_symmetric_with_distinct_joints(layout):
    pose = figures.rest_pose(layout)
    assert pose.shape == (layout.size, 2)
    assert len(np.unique(pose, axis=0)) == layout.size
    for left, right in layout.pairs:
        assert pose[left, 0] > 0
        np.testing.assert_allclose(pose[right], pose[left] * [-1, 1])


def test_rest_pose_names_the_unknown_joint():
    tail = Layout("custom cat", ("head", "tail"), ((0, 1),), ((0, 1.0),), (), (1, 1), 3)
    with pytest.raises(InputError, match=r"'tail'.*positions"):
        figures.layout_sketch(tail)
    figures.layout_sketch(tail, positions=[[0, 1], [0, 0]])


def test_layout_sketch_numbers_every_joint():
    figure = figures.layout_sketch(KINECT, first=1)
    assert texts(figure) == {str(number) for number in range(1, 21)}
    assert len(figure.axes[0].lines) == len(KINECT.bones) + KINECT.size
    assert not texts(figures.layout_sketch(KINECT, numbers=False))


def test_layout_sketches_have_one_panel_each():
    figure = figures.layout_sketches(list(LAYOUTS.values()))
    assert len(figure.axes) == len(LAYOUTS)
    assert all(ax.lines for ax in figure.axes)
    assert "25 joints" in texts(figure)


@pytest.mark.parametrize("count", [1, 4, 5, 6, 7])
def test_layout_sketches_have_no_empty_panel(count):
    layouts = (list(LAYOUTS.values()) * 2)[:count]
    figure = figures.layout_sketches(layouts, ["one title"])
    assert len(figure.axes) == count
    assert all(ax.lines and not ax.axison for ax in figure.axes)
    titles = [ax.get_title().strip() for ax in figure.axes]
    assert titles == ["one title", *(layout.name for layout in layouts[1:])]


def test_layout_sketches_refuse_titles_without_a_layout():
    with pytest.raises(InputError, match="1 layouts, 2 titles"):
        figures.layout_sketches([KINECT], ["a", "b"])
    with pytest.raises(InputError, match="0 layouts"):
        figures.layout_sketches([])


def test_bones_take_the_side_of_their_limb():
    assert bone_side(KINECT, (2, 4)) == "left"
    assert bone_side(KINECT, (8, 9)) == "right"
    assert bone_side(KINECT, (0, 1)) == "middle"


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("view", [(0, 0), (35, 20), (-120, 80)])
def test_views_are_right_handed_rotations(layout, view):
    axes = view_axes(layout, view)
    if layout.dims == 3:
        np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(axes) == pytest.approx(1)
    head = project(standing(layout)[0, 0], layout, (0, 0))
    np.testing.assert_allclose(
        head[:, 1] - head[0, 1],
        (pose := figures.rest_pose(layout))[:, 1] - pose[0, 1],
        atol=1e-12,
    )


def test_view_from_the_side_shows_depth():
    # From the azimuth of 90 degrees, what lay behind lies to the side.
    point = np.array([0.0, 0.0, 1.0])
    assert project(point, KINECT, (0, 0)) == pytest.approx([0, 0, -1])
    assert project(point, KINECT, (90, 0)) == pytest.approx([1, 0, 0])
    assert project(point, KINECT, (0, 90)) == pytest.approx([0, 1, 0])


def _segments(figure: Figure) -> list[int]:
    return [
        len(item.get_segments())
        for item in figure.axes[0].collections
        if isinstance(item, LineCollection)
    ]


def _joints(figure: Figure) -> list[int]:
    return [
        len(item.get_offsets())
        for item in figure.axes[0].collections
        if isinstance(item, PathCollection)
    ]


def test_strip_draws_every_body_and_frame():
    clip = standing(KINECT, 9, 2)
    figure = figures.skeleton_frames(torch.tensor(clip), KINECT, frames=3, title="two")
    assert _segments(figure) == [19] * 6
    assert _joints(figure) == [20] * 6
    assert texts(figure) == {"frame 0", "4", "8"}


def test_strip_leaves_out_what_is_missing():
    clip = standing(KINECT, 2, 2)
    clip[0, 0, 7] = 0  # a hand: one bone
    clip[1, 0, 0] = 0  # the hip centre: three bones
    clip[:, 1] = 0  # the second body
    figure = figures.skeleton_frames(clip, KINECT, frames=[0, 1])
    assert _segments(figure) == [18, 16]
    assert _joints(figure) == [19, 19]
    empty = figures.skeleton_frames(np.zeros_like(clip), KINECT)
    assert _segments(empty) == _joints(empty) == []


def test_strip_of_one_frame_and_of_one_body_without_its_axis():
    figure = figures.skeleton_frames(standing(KINECT, 1)[:, 0], KINECT)
    assert _segments(figure) == [19]


def test_strip_refuses_what_does_not_fit():
    with pytest.raises(InputError, match="kinect20"):
        figures.skeleton_frames(np.ones((4, 1, 19, 3)), KINECT)
    with pytest.raises(InputError, match="7 is not in a clip of 4"):
        figures.skeleton_frames(standing(KINECT), KINECT, frames=[7])


# ---------------------------------------------------------------- curves


def test_loss_curves_differ_without_colour():
    p = torch.linspace(0.01, 1, 50)
    names = [f"loss {i}" for i in range(6)]
    figure = figures.loss_curves({name: (p, -p.log()) for name in names})
    lines = [line for line in figure.axes[0].lines if line.get_label() in names]
    assert len(lines) == 6
    assert len({str(line._unscaled_dash_pattern) for line in lines}) == 6
    assert figure.axes[0].get_legend() is not None


def test_divergences_match_their_definitions():
    p, q = np.array([0.9, 0.1]), np.array([0.25, 0.75])

    def kl(a, b):
        return float((a * np.log(a / b)).sum())

    figure = figures.divergences([0.9])
    jeffreys, shannon = figure.axes[0].lines[:2]
    at = np.argmin(np.abs(jeffreys.get_xdata() - 0.25))
    assert jeffreys.get_xdata()[at] == pytest.approx(0.25)
    assert jeffreys.get_ydata()[at] == pytest.approx((kl(p, q) + kl(q, p)) / 2)
    middle = (p + q) / 2
    expected = (kl(p, middle) + kl(q, middle)) / 2
    assert shannon.get_ydata()[at] == pytest.approx(expected)
    assert shannon.get_ydata().max() < np.log(2)
    with pytest.raises(InputError, match="inside"):
        figures.divergences([1.0])


def test_trajectories_have_a_panel_for_each_joint_and_coordinate():
    clips = [standing(KINECT, 5)[:, 0], standing(KINECT, 8)[:, 0]]
    figure = figures.trajectories(
        clips, [0, 7], ["before", "after"], KINECT.joints, relative=True
    )
    assert len(figure.axes) == 6
    for ax in figure.axes:
        assert [line.get_xdata()[-1] for line in ax.lines] == [1, 1]
    assert figure.axes[3].get_ylabel().startswith("left hand")
    spans = [np.ptp(ax.get_ylim()) for ax in figure.axes]
    np.testing.assert_allclose(spans, spans[0])
    with pytest.raises(InputError, match="joint 20"):
        figures.trajectories(clips[0], [20])
    figures.trajectories(clips[0][:1], [0])


# ---------------------------------------------------------------- maps


@pytest.mark.parametrize("shape", [(8, 6), (7, 5)])
def test_frequency_map_puts_each_frequency_at_its_place(shape):
    frames, joints = shape
    u, v = 2, -1
    t, n = np.mgrid[:frames, :joints]
    wave = np.exp(2j * np.pi * (u * t / frames + v * n / joints))
    figure = figures.frequency_map(np.fft.fft2(wave), "a wave")
    image = figure.axes[0].images[0]
    row, column = np.unravel_index(np.argmax(image.get_array()), (joints, frames))
    left, _, bottom, _ = image.get_extent()
    assert (left + column + 0.5, bottom + row + 0.5) == (u, v)
    assert image.get_array().max() == pytest.approx(np.log1p(frames * joints))


def test_frequency_maps_share_one_scale():
    maps = [np.full((6, 4), 1.0), np.full((6, 4), 5.0)]
    figure = figures.frequency_maps(maps, ["a", "b"], log=False)
    images = [ax.images[0] for ax in figure.axes if ax.images]
    assert [image.get_clim() for image in images] == [(1, 5), (1, 5)]
    with pytest.raises(InputError, match="negative"):
        figures.frequency_map(-np.ones((4, 4)))
    with pytest.raises(InputError, match="no map"):
        figures.frequency_maps([])


def test_masks_take_the_model_s_shapes():
    figure = figures.masks(torch.rand(1, 1, 8, 6), torch.rand(8, 6))
    assert [ax.images[0].get_clim() for ax in figure.axes[:2]] == [(0, 1), (0, 1)]


def test_affinity_marks_the_target():
    fields = {"convolution": np.eye(6, 4), "non-local": 3 * torch.rand(6, 4)}
    figure = figures.affinity(fields, (2, 1))
    for ax in figure.axes[:2]:
        assert ax.images[0].get_array().max() == pytest.approx(1)
        assert ax.lines[0].get_xydata().tolist() == [[2, 1]]
    with pytest.raises(InputError, match="outside"):
        figures.affinity(np.ones((6, 4)), (6, 0))
    with pytest.raises(InputError, match="scale"):
        figures.affinity(np.ones((6, 4)), (0, 0), scale="log")


def test_matrix_is_white_at_zero():
    figure = figures.matrix(torch.randn(64, 20), columns=KINECT.joints)
    low, high = figure.axes[0].images[0].get_clim()
    assert low == -high
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == list(KINECT.joints)


# ---------------------------------------------------------------- results


def test_history_reads_a_record_s_epochs():
    epochs = [
        {
            "epoch": i,
            "learning_rate": 1e-3,
            "loss": 1.0 / i,
            "top1": 0.1 * i,
            "test_top1": 0.5 if i == 3 else None,
        }
        for i in (1, 2, 3)
    ]
    figure = figures.history(epochs)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["loss", "accuracy", "learning rate"]
    lines = {line.get_label(): line for line in figure.axes[1].lines}
    assert lines["train"].get_xdata().tolist() == [1, 2, 3]
    assert lines["test"].get_xydata().tolist() == [[3, 0.5]]
    assert len(figures.history({"train_loss": [2, 1], "test_loss": [3, 2]}).axes) == 1
    with pytest.raises(InputError, match="no loss"):
        figures.history({"speed": [1.0]})


def test_confusion_normalises_rows_and_survives_an_empty_one():
    figure = figures.confusion([[3, 1], [0, 0]], ["walk", "run"])
    cells = figure.axes[0].collections[0].get_array()
    np.testing.assert_allclose(cells.filled(0), [[75, 25], [0, 0]])
    assert texts(figure) == {"75", "25"}
    assert texts(figures.confusion([[3, 1], [0, 2]], ["a", "b"], False)) == {
        "3", "1", "2",
    }  # fmt: skip
    with pytest.raises(InputError, match="3 classes"):
        figures.confusion(np.eye(2), ["a", "b", "c"])
    many = figures.confusion(np.eye(30), [f"class {i}" for i in range(30)])
    assert not texts(many)
    ticks = many.axes[0].get_yticklabels()
    assert [label.get_text() for label in ticks] == ["0", "10", "20"]


@pytest.mark.parametrize(("classes", "columns"), [(2, 2), (10, 1), (60, 1)])
def test_confusions_stand_side_by_side_only_where_they_can_be_read(classes, columns):
    names = [f"class {i}" for i in range(classes)]
    counts = np.eye(classes)
    figure = figures.confusions({"a": counts, "b": counts, "c": counts}, names)
    drawn = [ax for ax in figure.axes if ax.get_xlabel() == "predicted class"]
    assert [ax.get_title() for ax in drawn] == ["a", "b", "c"]
    assert len({ax.get_subplotspec().colspan.start for ax in drawn}) == columns
    alone = figures.confusion(counts, names)
    assert figure.get_figwidth() == pytest.approx(columns * alone.get_figwidth())
    assert len(figure.axes) == 2 * 3  # a colour scale each, and no empty panel
    with pytest.raises(InputError, match="no matrix"):
        figures.confusions({}, names)


def test_changes_have_a_sign_and_a_readable_colour():
    figure = figures.changes([[-12, 3], [np.nan, 0.2]], ["a", "b"], ["c", "d"])
    inks = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert inks == {
        "\u221212": "white", "+3": figures.PALETTE["ink"], "0": figures.PALETTE["ink"],
    }  # fmt: skip
    with pytest.raises(InputError, match="3 rows"):
        figures.changes(np.ones((2, 2)), ["a", "b", "c"], ["d", "e"])


def test_dots_say_what_was_not_run():
    figure = figures.dots(
        [
            {
                "label": "A",
                "mean": 90.0,
                "low": 89.0,
                "high": 91.0,
                "n": 5,
                "paper": 91,
            },
            {"label": "B", "paper": 92.0},
        ]
    )
    assert texts(figure) == {"n = 5", "not run"}
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["A", "B"]
    with pytest.raises(InputError, match="no row"):
        figures.dots([])


def test_dots_legend_promises_only_what_is_drawn():
    def legend(row):
        drawn = figures.dots([{"label": "A", **row}]).axes[0].get_legend()
        return [text.get_text() for text in drawn.get_texts()]

    assert legend({"paper": 92.0}) == ["paper"]
    assert legend({"mean": 90.0, "n": 1}) == ["measured, mean"]
    whole = {"mean": 90.0, "low": 89.0, "high": 91.0, "n": 3, "paper": 92.0}
    assert legend(whole) == ["measured, mean", "95 % interval", "paper"]


def test_embedding_writes_each_class_at_its_centre():
    points = np.array([[0, 0], [2, 0], [1, 0], [9, 9]], float)
    figure = figures.embedding(points, [0, 0, 0, 13], [f"class {i}" for i in range(14)])
    at = {text.get_text(): text.xy for text in figure.axes[0].texts}
    np.testing.assert_allclose(at["0"], [1, 0])
    np.testing.assert_allclose(at["13"], [9, 9])
    markers = [path.vertices for path in figure.axes[0].collections[0].get_paths()]
    assert markers[0].shape == markers[2].shape != markers[3].shape
    with pytest.raises(InputError, match="points"):
        figures.embedding(points, [0, 1])


def test_gains_have_a_panel_for_each_size_and_a_line_at_zero():
    rows = [{"label": "A", "paper": 0.9, "n": 3, "mean": 2.0, "low": -1.0, "high": 5.0}]
    figure = figures.gains({"laptop size": rows, "full size": [{"label": "A"}]})
    assert [ax.get_xlabel().split(":")[0] for ax in figure.axes] == [
        "laptop size",
        "full size",
    ]
    for ax in figure.axes:
        assert [0, 0] in [list(line.get_xdata()) for line in ax.lines]
        assert [label.get_text() for label in ax.get_yticklabels()] == ["A"]
    with pytest.raises(InputError, match="no size"):
        figures.gains({})


def test_by_seed_has_a_line_for_each_seed_and_a_place_for_each_row():
    runs = pd.DataFrame({0: [70.0, 71.0], 2: [64.0, np.nan]}, index=["CE", "FL"])
    ax = figures.by_seed(runs).axes[0]
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["seed 0", "seed 2"]
    first, second = (line for line in ax.lines if len(line.get_xdata()))
    assert first.get_ydata().tolist() == [70, 71]
    np.testing.assert_array_equal(second.get_ydata(), [64, np.nan])
    assert first.get_color() != second.get_color()
    assert first.get_linestyle() != second.get_linestyle()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["CE", "FL"]
    with pytest.raises(InputError, match="no run"):
        figures.by_seed(pd.DataFrame({0: [np.nan]}, index=["CE"]))


def test_effects_are_sorted_by_size_with_both_intervals():
    def row(factor, mean):
        ends = {"low": mean - 1, "high": mean + 1}
        return {"factor": factor, "mean": mean, **ends} | {
            "family_low": mean - 3,
            "family_high": mean + 3,
        }

    ax = figures.effects([row("a", 1.0), row("b", -5.0), row("c", 2.0)]).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b", "c", "a"]
    dots = next(c for c in ax.collections if isinstance(c, PathCollection))
    np.testing.assert_allclose(dots.get_offsets(), [[-5, 0], [2, 1], [1, 2]])
    thick, thin = (c for c in ax.collections if isinstance(c, LineCollection))
    np.testing.assert_allclose(thick.get_segments()[0], [[-6, 0], [-4, 0]])
    np.testing.assert_allclose(thin.get_segments()[0], [[-8, 0], [-2, 0]])
    assert not ax.texts
    with pytest.raises(InputError, match="no effect"):
        figures.effects([])


LEVELS = pd.DataFrame(
    {
        "network": ["a"] * 4,
        "profile": ["full"] * 3 + ["laptop"],
        "step": ["text", "more", "less", "more"],
        "mean": [60.0, 75.0, 70.0, 82.5],
        "paper": [90.0] * 4,
    }
)


def test_a_waterfall_s_bars_start_where_the_last_one_ended():
    figure = figures.waterfall(LEVELS)
    (ax,) = figure.axes
    ends = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in ax.patches]
    assert ends == [(0, 60), (60, 75), (75, 70), (0, 82.5)]
    assert [bool(bar.get_hatch()) for bar in ax.patches] == [False, False, True, False]
    assert [each.get_text() for each in ax.texts] == ["60.0", "75.0", "70.0", "82.5"]
    places = [round(bar.get_x() + bar.get_width() / 2) for bar in ax.patches]
    assert places == [0, 1, 2, 1]
    with pytest.raises(InputError, match="no step"):
        figures.waterfall(LEVELS.iloc[:0])


def test_comparisons_are_scaled_by_their_dots_and_not_by_a_hopeless_interval():
    wide = {"mean": 7.0, "low": -48.0, "high": 62.0, "paper": 0.8}
    close = {"mean": -2.0, "low": -4.0, "high": 0.5, "paper": None}
    ax = figures.comparisons({"a": [wide], "b": [close, close]}).axes[0]
    assert ax.get_xlim() == (-21, 21)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert ax.get_legend() is not None
    ax = figures.comparisons({"b": [close]}).axes[0]
    assert -6 < ax.get_xlim()[0] < -4 and ax.get_xlim()[1] < 6  # no wider than needed
    assert ax.get_legend() is None  # no diamond: nothing to tell apart
    empty = {"mean": None, "low": None, "high": None, "paper": None}
    assert figures.comparisons({"not run": [empty]}).axes
    with pytest.raises(InputError, match="no group"):
        figures.comparisons({})


def test_mutual_weight_spaces_its_values_evenly():
    figure = figures.mutual_weight(
        [0, 0.1, 1], [90, 92, 89.0], [[89, 91], [91, 93], [88, 90.0]], [90, 93, 88]
    )
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "0.1", "1"]
    assert [line.get_label() for line in ax.lines] == ["measured, mean", "paper"]
    with pytest.raises(InputError, match="2 means"):
        figures.mutual_weight([0, 1, 2], [1, 2], [[0, 1]])


# ---------------------------------------------------------------- diagrams


def _boxes(figure: Figure) -> int:
    return sum(isinstance(p, FancyBboxPatch) for ax in figure.axes for p in ax.patches)


STAGES = [("transform", (30, 64, 64)), ("SLnL 1", (64, 64, 64)), ("average", (64,))]


def test_network_diagram_has_every_stage_in_every_stream():
    figure = figures.network_diagram(STAGES, title="the network")
    # Two streams of an input, three stages, a feature and a classifier; and the fused.
    assert _boxes(figure) == 2 * (1 + 3 + 2) + 2
    assert {"SLnL 1", "30", "channels", "the network"} <= texts(figure)
    assert _boxes(figures.network_diagram(STAGES, streams=("position",))) == 6
    with pytest.raises(InputError, match="stages"):
        figures.network_diagram([])


@pytest.mark.parametrize(
    ("policy", "losses", "joint"),
    [
        ("position", 1, None),
        ("velocity", 1, None),
        ("sum", 1, "256"),
        ("concatenation", 1, "512"),
        ("multi_task", 3, "512"),
        ("mutual", 3, "512"),
    ],
)
def test_fusion_diagrams_have_their_classifiers(policy, losses, joint):
    figure = figures.fusion_diagram(policy)
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words.count("SMFL") == words.count("FC") == losses
    assert ("$f_c$\n" + joint in words) if joint else ("$f_c$" not in " ".join(words))
    assert words.count("$D$") == (3 if policy == "mutual" else 0)


def test_fusion_diagram_names_the_unknown_policy():
    with pytest.raises(InputError, match="'mean'"):
        figures.fusion_diagram("mean")


def test_fusion_diagrams_have_a_panel_each():
    figure = figures.fusion_diagrams()
    assert len([ax for ax in figure.axes if ax.texts]) == 4


@pytest.mark.parametrize(
    ("kind", "networks"),
    [("amplitude", 1), ("sine", 1), ("cosine", 1), ("dependent", 2), ("residual", 2)],
)
def test_attention_diagrams_have_their_mask_networks(kind, networks):
    figure = figures.attention_diagram(kind)
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words.count("mean") == words.count("×") == networks
    assert words.count("+") == (kind == "residual")
    with pytest.raises(InputError, match="'none'"):
        figures.attention_diagram("none")


@pytest.mark.parametrize("axes", [(), ("t",), ("s",), ("t", "s", "st")])
def test_block_diagrams_have_their_partners(axes):
    figure = figures.block_diagram(axes, kernel=5)
    words = [text.get_text() for text in figure.axes[0].texts]
    assert sum("NonLocal" in word for word in words) == len(axes)
    assert "tLocal\n5 × 1" in words
    arrows = [p for p in figure.axes[0].patches if isinstance(p, FancyArrowPatch)]
    assert len(arrows) >= 6
    with pytest.raises(InputError, match="among t, s, st"):
        figures.block_diagram(("x",))


# ---------------------------------------------------------------- all


def _every_figure():
    p = np.linspace(0.01, 1, 20)
    clip = standing(KINECT, 5)
    yield figures.layout_sketches([KINECT, get("ntu25")])
    yield figures.skeleton_frames(clip, KINECT)
    yield figures.loss_curves({"CE (0, 0)": (p, -np.log(p))}, title="Fig. 5")
    yield figures.divergences()
    yield figures.trajectories(clip[:, 0], [0])
    yield figures.frequency_map(np.ones((8, 6)))
    yield figures.frequency_maps([np.ones((8, 6))] * 5)
    yield figures.masks(np.ones((8, 6)), np.ones((8, 6)))
    yield figures.affinity(np.eye(8, 20), (1, 1), KINECT.joints)
    yield figures.matrix(np.eye(4), title="identity")
    yield figures.history({"loss": [1.0]}, title="one epoch")
    yield figures.confusion(np.eye(3), ["a", "b", "c"], title="right")
    yield figures.dots([{"label": "A", "mean": -1.0}], title="a table")
    yield figures.confusions({"a": np.eye(2), "b": np.eye(2)}, ["a", "b"])
    yield figures.changes([[-1.0, 2.0]], ["a"], ["b", "c"], title="changes")
    wide = {"mean": -7.0, "low": -48.0, "high": 62.0, "paper": 0.8}
    yield figures.comparisons({"a": [wide]}, title="claims")
    yield figures.embedding(np.random.default_rng(0).normal(size=(9, 2)), np.arange(9))
    effect = {"factor": "A", "mean": 1.0, "low": 0.0, "high": 2.0}
    yield figures.waterfall(LEVELS)
    yield figures.effects([effect | {"family_low": -1.0, "family_high": 3.0}])
    yield figures.gains({"full size": [{"label": "A", "mean": 1.0}]})
    yield figures.by_seed(pd.DataFrame({0: [70.0, 71.0]}, index=["CE", "FL"]))
    yield figures.mutual_weight([0, 1], [1, 2], [[0, 2], [1, 3]])
    yield figures.network_diagram(STAGES)
    yield figures.fusion_diagrams()
    yield figures.attention_diagram("shared")
    yield figures.block_diagram()


def test_every_figure_renders_to_a_small_png(recwarn):
    for figure in _every_figure():
        png = figure._repr_png_()
        assert png.startswith(b"\x89PNG")
        assert len(png) < 150_000
        words = [text.get_text() for text in figure.findobj(Text)]
        assert not [word for word in words if re.search(r"(?<!\w)-\d", word)]
    assert [str(warning.message) for warning in recwarn] == []


def test_drawing_into_given_axes_adds_no_figure():
    host = Figure()
    ax = host.add_subplot()
    assert figures.layout_sketch(KINECT, ax) is host
    assert figures.fusion_diagram("sum", ax=host.add_subplot()) is host


# ---------------------------------------------------------------- costs


def test_speed_ratios_have_a_panel_per_number_of_threads():
    rows = [
        {
            "profile": size,
            "network": "raw",
            "threads": n,
            "variant": v,
            "train_times": t,
        }
        for size in ("laptop", "full")
        for n in (1, 2)
        for v, t in (("naive", 1.0), ("float32", 2.0 + n))
    ]
    figure = figures.speed_ratios(rows)
    assert [ax.get_title() for ax in figure.axes] == ["1 thread", "2 threads"]
    widths = [[bar.get_width() for bar in ax.containers[1]] for ax in figure.axes]
    assert widths == [[3.0, 3.0], [4.0, 4.0]]
    with pytest.raises(InputError, match="no row"):
        figures.speed_ratios([])


def test_component_shares_add_up():
    figure = figures.component_shares(
        {"a": {"x": 1.0, "y": 3.0}, "b": {"x": 2, "y": 2}}
    )
    (ax,) = figure.axes
    widths = np.array([[bar.get_width() for bar in bars] for bars in ax.containers])
    assert widths.tolist() == [[25.0, 50.0], [75.0, 50.0]]
    with pytest.raises(InputError, match="no network"):
        figures.component_shares({})


def test_growth_scales_the_model_to_the_least_point():
    points = [
        {"value": 2, "ms": 10.0, "gmacs": 1.0},
        {"value": 4, "ms": 18.0, "gmacs": 2.0},
    ]
    figure = figures.growth({"batch": points}, {"batch": "clips"})
    (ax,) = figure.axes
    model, measured = (line.get_ydata().tolist() for line in ax.lines)
    assert model == [10.0, 20.0] and measured == [10.0, 18.0]
    with pytest.raises(InputError, match="no setting"):
        figures.growth({}, {})
