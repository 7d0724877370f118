"""The network: masks, persons, levels, text, sizes."""

import pytest
import torch

from carescene.errors import UserError
from diffusion.denoiser import Denoiser, DenoiserConfig, smoothing_matrix
from diffusion.layers import attend, rotary_angles, rotate

SMALL = DenoiserConfig(features=11, patch=2, text_dim=6, dim=32, depth=2, heads=2, hidden=48, max_persons=4)


def network(config: DenoiserConfig = SMALL) -> Denoiser:
    """A network with random weights everywhere: AdaLN-zero would hide all connections."""
    model = Denoiser(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model.double().eval()


def inputs(batch=2, persons=1, frames=8, words=5, config: DenoiserConfig = SMALL):
    return {
        "x": torch.randn(batch, persons, frames, config.features, dtype=torch.float64),
        "level": torch.randint(0, 1001, (batch, persons, frames // config.patch)),
        "frame_mask": torch.ones(batch, persons, frames, dtype=torch.bool),
        "text_tokens": torch.randn(batch, words, config.text_dim, dtype=torch.float64),
        "text_mask": torch.ones(batch, words, dtype=torch.bool),
    }


def test_default_size():
    count = sum(parameter.numel() for parameter in Denoiser().parameters())
    assert 4e6 < count < 8e6


def test_starts_at_zero():
    given = inputs()
    assert (Denoiser(SMALL).double()(**given) == 0).all()


@pytest.mark.parametrize("smooth", [0, 2])
@pytest.mark.parametrize("length", [4, 5])
def test_padding_changes_nothing(smooth, length):
    """A short clip alone equals the same clip in a batch that is padded with garbage."""
    config = DenoiserConfig(**{**SMALL.__dict__, "smooth": smooth})
    model, given = network(config), inputs(config=config)
    given["frame_mask"][1, :, length:] = False
    given["text_mask"][1, 3:] = False
    clean = model(**given)
    given["x"][1, :, length:] = 1e6
    given["level"][1, :, 3:] = 7
    given["text_tokens"][1, 3:] = float("nan")
    together = model(**given)
    torch.testing.assert_close(together, clean)

    tokens = -(-length // 2)
    alone = model(
        given["x"][1:, :, : 2 * tokens], given["level"][1:, :, :tokens], given["frame_mask"][1:, :, : 2 * tokens],
        given["text_tokens"][1:, :3], given["text_mask"][1:, :3],
    )  # fmt: skip
    torch.testing.assert_close(together[1:, :, :length], alone[:, :, :length])
    assert (together[1, :, length:] == 0).all()


def test_every_token_feels_its_own_level():
    model, given = network(), inputs(batch=1)
    before = model(**given)
    given["level"][0, 0, 2] = (given["level"][0, 0, 2] + 500) % 1001
    change = (model(**given) - before).abs()[0, 0].amax(-1)
    assert change[4:6].min() > 0
    # Others feel it too, through attention, but in another way than a clip whose levels all change.
    given["level"][:] = given["level"][0, 0, 2]
    assert not torch.allclose(model(**given), before)


def test_persons_are_told_apart_by_identity_only():
    """Exchanging two persons, with what they wear, exchanges their outputs."""
    model, given = network(), inputs(persons=3)
    identity = torch.tensor([[0, 1, 2], [3, 0, 1]])
    order = [2, 0, 1]
    result = model(**given, identity=identity)
    swapped = {
        name: value[:, order] if name in ("x", "level", "frame_mask") else value for name, value in given.items()
    }
    torch.testing.assert_close(model(**swapped, identity=identity[:, order]), result[:, order])
    assert not torch.allclose(model(**given, identity=identity[:, order]), result)


def test_persons_see_each_other():
    model, given = network(), inputs(persons=2)
    before = model(**given)
    given["x"][:, 1] += 1
    assert (model(**given)[:, 0] - before[:, 0]).abs().max() > 1e-6


def test_text_matters_and_its_absence_is_one_case():
    model, given = network(), inputs()
    with_text = model(**given)
    given["text_mask"][:] = False
    without = model(**given)
    assert not torch.allclose(with_text, without)
    given["text_tokens"] = torch.randn(2, 9, 6, dtype=torch.float64)
    given["text_mask"] = torch.zeros(2, 9, dtype=torch.bool)
    torch.testing.assert_close(model(**given), without)


def test_encoding_the_text_once_is_the_same():
    model, given = network(), inputs()
    text = model.encode_text(given["text_tokens"], given["text_mask"])
    torch.testing.assert_close(model.denoise(given["x"], given["level"], given["frame_mask"], text), model(**given))


def test_the_network_knows_how_long_the_clip_is():
    """Token 0 of a clip whose later frames are missing changes by more than their absence from attention."""
    model, given = network(DenoiserConfig(**{**SMALL.__dict__, "smooth": 0})), inputs(batch=1)
    model.length.weight.data.zero_()
    without = model(**given)
    model.length.weight.data.normal_()
    assert not torch.allclose(model(**given), without)


def test_rotary_products_depend_on_the_difference_of_times_only():
    q, k = torch.randn(1, 1, 1, 8).expand(1, 9, 1, 8), torch.randn(1, 1, 1, 8).expand(1, 9, 1, 8)
    angles = rotary_angles(torch.arange(9), 8, torch.float32)
    product = torch.einsum("bqhc,bkhc->qk", rotate(q, angles), rotate(k, angles))
    for offset in range(-8, 9):
        diagonal = product.diagonal(offset)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(rotate(q, angles).norm(dim=-1), q.norm(dim=-1))


def test_both_forms_of_attention_agree():
    q, k, v = (torch.randn(2, 3, 5, 4, dtype=torch.float64) for _ in range(3))
    visible = torch.tensor([[True, True, False, True, False], [True] * 5])[:, None, None, :]
    with torch.no_grad():
        fused = attend(q, k, v, visible)
    plain = attend(q.requires_grad_(), k, v, visible)
    assert plain.requires_grad
    torch.testing.assert_close(fused, plain.detach())


@pytest.mark.parametrize("order", [2, 4, 6])
def test_smoothing_keeps_constants_and_removes_alternation(order):
    mask = torch.tensor([[[True] * 9 + [False] * 3]])
    matrix = smoothing_matrix(mask, order)[0, 0]
    torch.testing.assert_close(matrix.sum(-1), mask[0, 0].float())
    alternating = (-1.0) ** torch.arange(12)
    inner = slice(order // 2, 9 - order // 2)
    assert (matrix @ alternating)[inner].abs().max() < 1e-6
    straight = torch.arange(12.0)
    torch.testing.assert_close((matrix @ straight)[inner], straight[inner])


def test_smoothing_of_a_clip_shorter_than_the_filter():
    matrix = smoothing_matrix(torch.ones(1, 1, 2, dtype=torch.bool), 6)[0, 0]
    torch.testing.assert_close(matrix, torch.tensor([[20.0, 15], [15, 20]]) / 35)


def test_gradients():
    config = DenoiserConfig(features=3, patch=2, text_dim=4, dim=8, depth=1, heads=2, hidden=8, max_persons=2)
    model, given = network(config), inputs(batch=1, persons=2, frames=4, words=2, config=config)
    given["frame_mask"][0, 1, 2:] = False
    text_mask = given.pop("text_mask")
    x, text = given.pop("x").requires_grad_(), given.pop("text_tokens").requires_grad_()

    def run(x, text):
        return model(x, given["level"], given["frame_mask"], text, text_mask)

    assert torch.autograd.gradcheck(run, (x, text), fast_mode=True)


def test_every_parameter_is_used():
    model = network()
    model(**inputs(persons=4)).sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"dim": 250}, "dim=250"),
        ({"dim": 36, "heads": 4}, "even number"),
        ({"depth": 0}, "denoiser.depth"),
        ({"patch": -1}, "denoiser.patch"),
        ({"smooth": 3}, "denoiser.smooth"),
    ],
)
def test_refuses(options, part):
    with pytest.raises(UserError, match=part):
        DenoiserConfig(**options)
