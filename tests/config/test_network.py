from config.settings import Config


def test_what_is_derived_is_the_originals():
    """carpedm20's 64x64: 4x4x512 after the stem, and 8192 numbers before D's last layer."""
    network = Config(c_dim=3).network_config()
    assert network.stem_shape == (4, 4, 512)
    assert network.features == 8192
    assert network.image_shape == (64, 64, 3)


def test_odd_sizes_round_up():
    network = Config(output_height=33, output_width=47, c_dim=1, d_widths="2,3,5").network_config()
    assert network.stem_shape == (5, 6, 512)
    assert network.features == 5 * 6 * 5
