"""Its state dicts against PyTorch's own modules."""

import sys

import numpy as np
import pytest
from originals import logits_agree, networks, random_inputs, torch_outputs, torch_pair

from foreign.import_weights import import_weights


def test_pytorch_draws_the_same_pixels(tmp_path):
    torch = pytest.importorskip(
        "torch", reason="reading a state dict takes PyTorch: pip install torch"
    )
    pair = torch_pair(torch)
    paths = [tmp_path / "netD_epoch_24.pth", tmp_path / "netG_epoch_24.pth"]
    for path, net, parallel in zip(paths, pair[::-1], ("module.", ""), strict=True):
        torch.save(
            {f"{parallel}main.{name}": tensor for name, tensor in net.state_dict().items()}, path
        )
    z, images = random_inputs(64, 3)
    given = {"out_dir": str(tmp_path / "out"), "out_name": "theirs"}
    config = import_weights(",".join(map(str, paths)), given)
    assert (config.kernel_size, config.z_dist, config.bn_statistics) == (4, "normal01", "moving")
    generator, discriminator = networks(config)
    drawn, logits = torch_outputs(torch, pair, z, images)
    np.testing.assert_allclose(generator(z), drawn, atol=1e-4)
    logits_agree(discriminator(images), logits)
    alone = import_weights(str(paths[1]), given | {"out_name": "alone"})
    np.testing.assert_allclose(networks(alone)[0](z), drawn, atol=1e-4)


def test_without_pytorch_the_error_gives_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ValueError, match=r"needs PyTorch.* pip install torch"):
        import_weights("netG.pth,netD.pth", {"out_dir": str(tmp_path), "out_name": "x"})


def test_pytorch_layers_with_biases(tmp_path):
    """PyTorch's default, though not the example's: they must count, and none may be left unread."""
    torch = pytest.importorskip(
        "torch", reason="reading a state dict takes PyTorch: pip install torch"
    )
    net = torch_pair(torch)[0]
    layers = [
        torch.nn.ConvTranspose2d(m.in_channels, m.out_channels, 4, *((1, 0) if k == 0 else (2, 1)))
        if isinstance(m, torch.nn.ConvTranspose2d)
        else m
        for k, m in enumerate(net)
    ]
    net = torch.nn.Sequential(*layers).eval()
    path, z = tmp_path / "netG.pth", random_inputs(64, 3)[0]
    torch.save(net.state_dict(), path)
    config = import_weights(str(path), {"out_dir": str(tmp_path / "out"), "out_name": "biased"})
    with torch.no_grad():
        drawn = net(torch.from_numpy(z)[:, :, None, None]).numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(networks(config)[0](z), drawn, atol=1e-4)
    torch.save(net.state_dict() | {"12.weight": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=r"must be netG or netD .*12\.weight \(3,\)"):
        import_weights(str(path), {"out_dir": str(tmp_path / "out"), "out_name": "odd"})


def test_pytorch_files_that_are_no_state_dict(tmp_path):
    torch = pytest.importorskip(
        "torch", reason="reading a state dict takes PyTorch: pip install torch"
    )
    out = {"out_dir": str(tmp_path / "out"), "out_name": "x"}
    net = torch_pair(torch)[0]
    torch.save({"netG": net.state_dict(), "epoch": torch.tensor(3)}, tmp_path / "nested.pth")
    with pytest.raises(ValueError, match=r"must be a state dict: .* Received: a dict of netG\."):
        import_weights(str(tmp_path / "nested.pth"), out)
    torch.save(net, tmp_path / "module.pth")
    (tmp_path / "text.pth").write_text("text")
    for name in ("module.pth", "text.pth"):
        with pytest.raises(
            ValueError, match=r"Received: what PyTorch cannot read as one \(\w+\)\.$"
        ):
            import_weights(str(tmp_path / name), out)
    torch.save(net.state_dict(), tmp_path / "netG.pth")
    with pytest.raises(ValueError, match="two of a generator"):
        import_weights(f"{tmp_path}/netG.pth,{tmp_path}/netG.pth", out)
    assert not (tmp_path / "out").exists()
