import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.data.alignment import (
    HEIGHT,
    WIDTH,
    apply,
    canonical_points,
    invert,
    paste_face,
    similarity,
    smooth,
    warp_face,
)


def transform(scale: float, angle: float, x: float, y: float) -> np.ndarray:
    a = scale * np.exp(1j * angle)
    return np.array([[a.real, -a.imag, x], [a.imag, a.real, y]])


transforms = st.builds(
    transform,
    scale=st.floats(0.2, 5),
    angle=st.floats(-3, 3),
    x=st.floats(-500, 500),
    y=st.floats(-500, 500),
)


@given(transforms)
def test_similarity_finds_the_transform_that_was_applied(matrix: np.ndarray) -> None:
    source = canonical_points()
    np.testing.assert_allclose(similarity(source, apply(matrix, source)), matrix, atol=1e-3)


@given(transforms)
def test_invert_is_the_way_back(matrix: np.ndarray) -> None:
    points = canonical_points()
    np.testing.assert_allclose(apply(invert(matrix), apply(matrix, points)), points, atol=1e-4)


def test_similarity_is_least_squares_and_batched_over_time() -> None:
    rng = np.random.default_rng(0)
    source = canonical_points() + rng.normal(size=(7, 5, 2))
    matrices = similarity(source, canonical_points())
    assert matrices.shape == (7, 2, 3)
    for points, matrix in zip(source, matrices, strict=True):
        x, y = points.T
        one, zero = np.ones(5), np.zeros(5)
        rows = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
        a, b, u, v = np.linalg.lstsq(rows, canonical_points().T.reshape(-1), rcond=None)[0]
        np.testing.assert_allclose(matrix, [[a, -b, u], [b, a, v]], atol=1e-4)


def test_canonical_points_scale_with_the_crop() -> None:
    large = (canonical_points(2 * WIDTH, 2 * HEIGHT) + 0.5) / 2 - 0.5
    np.testing.assert_allclose(large, canonical_points(), atol=1e-4)


def test_smooth_stills_a_tremble_and_keeps_a_nod() -> None:
    rng = np.random.default_rng(0)
    nod = np.linspace(0, 10, 50)[:, None, None] * np.ones((1, 5, 2))
    tremble = rng.normal(scale=0.3, size=nod.shape)
    smoothed = smooth(nod + tremble, sigma=1.0)
    assert np.diff(smoothed - nod, axis=0).std() < 0.3 * np.diff(tremble, axis=0).std()
    assert np.abs(smoothed - nod).max() < 1
    assert smooth(nod, sigma=0) is nod


@pytest.mark.parametrize("size", [0.6, 1.0, 1.7, 2.0, 3.3, 6.0])
@pytest.mark.parametrize("angle", [0.0, 0.3])
def test_a_mark_in_the_frame_lands_where_the_matrix_says(size: float, angle: float) -> None:
    """Whatever the shrinking, to a small part of a pixel: a shift here would blur the training."""
    height, width = 960, 1080
    matrix = invert(transform(size, angle, 300.4, 100.7))
    mark = np.array([40.3, 90.6])  # in the crop
    x, y = apply(invert(matrix), mark[None])[0]
    grid_y, grid_x = np.mgrid[:height, :width]
    spread = 2.0 * size
    blob = 255 * np.exp(-((grid_x - x) ** 2 + (grid_y - y) ** 2) / (2 * spread**2))
    frame = np.repeat(np.rint(blob).astype(np.uint8)[..., None], 3, 2)
    crop = warp_face(frame, matrix)[..., 0].astype(float)
    assert crop.shape == (HEIGHT, WIDTH)
    grid_y, grid_x = np.mgrid[:HEIGHT, :WIDTH]
    found = np.array([(crop * grid_x).sum(), (crop * grid_y).sum()]) / crop.sum()
    np.testing.assert_allclose(found, mark, atol=0.06)


def test_a_large_face_is_averaged_down_and_does_not_alias() -> None:
    frame = np.zeros((600, 600, 3), np.uint8)
    frame[::2] = 255  # finer than the crop can show
    crop = warp_face(frame, invert(transform(4.0, 0.0, 50.0, 20.0)))
    assert crop.std() < 3
    assert abs(crop.mean() - 127.5) < 3


def test_a_crop_over_the_edge_repeats_the_edge() -> None:
    frame = np.full((64, 64, 3), 90, np.uint8)
    for size in (1.0, 3.0):
        crop = warp_face(frame, invert(transform(size, 0.0, -60.0, -80.0)))
        assert crop.shape == (HEIGHT, WIDTH, 3)
        assert np.all(crop == 90)


@given(
    st.builds(
        transform,
        scale=st.floats(0.5, 2.5),
        angle=st.floats(-0.6, 0.6),
        x=st.floats(-200, 300),
        y=st.floats(-200, 300),
    )
)
@settings(max_examples=30, deadline=None)
def test_pasting_touches_nothing_outside_the_crop(to_frame: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 255, (240, 320, 3), np.uint8)
    matrix = invert(to_frame)
    pasted = paste_face(frame, np.full((HEIGHT, WIDTH, 3), 255, np.uint8), matrix)
    grid = np.stack(np.meshgrid(np.arange(320), np.arange(240)), -1).reshape(-1, 2)
    x, y = apply(matrix, grid.astype(float)).T
    outside = ((x < -0.5) | (x > WIDTH - 0.5) | (y < -0.5) | (y > HEIGHT - 0.5)).reshape(240, 320)
    np.testing.assert_array_equal(pasted[outside], frame[outside])


def test_a_crop_pasted_back_gives_the_frame_again() -> None:
    grid_y, grid_x = np.mgrid[:288, :360]
    smooth_picture = 120 + 60 * np.sin(grid_x / 30) + 50 * np.cos(grid_y / 25)
    frame = np.repeat(smooth_picture.astype(np.uint8)[..., None], 3, 2)
    matrix = invert(transform(1.4, 0.1, 90.0, 60.0))
    pasted = paste_face(frame, warp_face(frame, matrix), matrix)
    assert np.abs(pasted.astype(int) - frame).max() <= 4


def test_a_brighter_crop_leaves_no_visible_box() -> None:
    """No step between neighbours is larger than the softness of the edge allows."""
    frame = np.full((288, 360, 3), 100, np.uint8)
    matrix = invert(transform(1.4, 0.1, 90.0, 60.0))
    pasted = paste_face(frame, np.full((HEIGHT, WIDTH, 3), 130, np.uint8), matrix).astype(int)
    assert pasted.max() == 130
    assert np.abs(np.diff(pasted, axis=0)).max() <= 4
    assert np.abs(np.diff(pasted, axis=1)).max() <= 4


def test_pasting_leaves_its_inputs_alone() -> None:
    frame = np.zeros((100, 100, 3), np.uint8)
    crop = cv2.cvtColor(np.full((HEIGHT, WIDTH), 200, np.uint8), cv2.COLOR_GRAY2RGB)
    paste_face(frame, crop, invert(transform(0.5, 0.0, 20.0, 20.0)))
    assert frame.max() == 0
    assert crop.min() == 200
