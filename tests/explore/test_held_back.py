"""Which images experiments learn from and are tested on."""

import numpy as np

from explore.held_back import divide_rows_for_test


def divide(config, images, most):
    return divide_rows_for_test(config, images, np.random.default_rng(0), most=most)


def test_images_that_the_run_holds_out_are_the_test(tiny, photos):
    images = photos(40, 16, 16)
    rows = divide(tiny(holdout=0.25), images, 8)
    assert rows.is_held_out
    assert len(rows.test) == 8
    others = divide(tiny(holdout=0.25), images, 100)
    assert 8 < len(others.test) < 12 and {*rows.test} <= {*others.test}
    assert {*others.learning} | {*others.test} == {*range(40)}


def test_without_any_a_quarter_at_most_is_the_test(tiny, photos):
    rows = divide(tiny(), photos(40, 16, 16), 100)
    assert not rows.is_held_out
    assert (len(rows.learning), len(rows.test)) == (30, 10)
    assert {*rows.learning} | {*rows.test} == {*range(40)}
    assert len(divide(tiny(), photos(40, 16, 16), 3).test) == 3
