"""The network: masks, persons, levels, text, sizes."""

import pytest
import torch

from carescene.errors import UserError
from diffusion.denoiser import Denoiser, DenoiserConfig, smoothing_matrix
from diffusion.layers import attend, rotary_angles, rotate
from diffusion.representation import EVENT_CLASSES
from diffusion.world import BETAS, OBJECT_FEATURES, Levels, Present, World

SMALL = DenoiserConfig(features=20, patch=2, text_dim=6, dim=32, depth=2, heads=2, hidden=48, max_persons=4)


def network(config: DenoiserConfig = SMALL) -> Denoiser:
    """A network with random weights everywhere: AdaLN-zero would hide all connections."""
    model = Denoiser(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model.double().eval()


def inputs(batch=2, persons=1, frames=8, words=5, things=3, config: DenoiserConfig = SMALL):
    tokens = frames // config.patch

    def levels(*shape):
        return torch.randint(0, 1001, shape)

    def values(*shape):
        return torch.randn(*shape, dtype=torch.float64)

    def yes(*shape):
        return torch.ones(*shape, dtype=torch.bool)

    return {
        "world": World(
            values(batch, persons, frames, config.features - EVENT_CLASSES),
            values(batch, persons, frames, EVENT_CLASSES),
            values(batch, persons, BETAS),
            values(batch, things, OBJECT_FEATURES),
        ),
        "levels": Levels(
            levels(batch, persons, tokens),
            levels(batch, persons, tokens),
            levels(batch, persons),
            levels(batch, things),
        ),
        "present": Present(yes(batch, persons, frames), yes(batch, persons), yes(batch, things)),
        "text_tokens": values(batch, words, config.text_dim),
        "text_mask": yes(batch, words),
    }


def clip_only(given, row):
    """One clip of a batch."""
    rows = slice(row, row + 1)
    return {
        name: type(value)(*(part[rows] for part in value)) if isinstance(value, tuple) else value[rows]
        for name, value in given.items()
    }


def close(a: World, b: World):
    for one, other in zip(a, b, strict=True):
        torch.testing.assert_close(one, other)


def same(a: World, b: World) -> bool:
    return all(torch.allclose(one, other) for one, other in zip(a, b, strict=True))


def test_default_size():
    count = sum(parameter.numel() for parameter in Denoiser().parameters())
    assert 4e6 < count < 8e6


def test_starts_at_zero():
    assert all((part == 0).all() for part in Denoiser(SMALL).double()(**inputs()))


@pytest.mark.parametrize("smooth", [0, 2])
@pytest.mark.parametrize("length", [4, 5])
def test_padding_changes_nothing(smooth, length):
    """A short clip alone equals the same clip in a batch that is padded with garbage."""
    config = DenoiserConfig(**{**SMALL.__dict__, "smooth": smooth})
    model, given = network(config), inputs(persons=2, config=config)
    present, world, levels = given["present"], given["world"], given["levels"]
    present.frames[1, :, length:] = False
    present.frames[1, 1] = False
    present.persons[1, 1] = False
    present.objects[1, 2] = False
    given["text_mask"][1, 3:] = False
    clean = model(**given)
    world.motion[1, :, length:] = 1e6
    world.event[1, 1] = 1e6
    world.shape[1, 1] = 1e6
    world.objects[1, 2] = 1e6
    levels.motion[1, :, 3:] = 1000
    levels.event[1, 1] = 7
    given["text_tokens"][1, 3:] = float("nan")
    together = model(**given)
    frames, tokens = 2 * (-(-length // 2)), -(-length // 2)
    for one, other in zip(together[:2], clean[:2], strict=True):
        torch.testing.assert_close(one, other)
        assert (one[1, :, length:] == 0).all()

    short = clip_only(given, 1)
    alone = model(
        World(world.motion[1:, :1, :frames], world.event[1:, :1, :frames], world.shape[1:, :1], world.objects[1:, :2]),
        Levels(
            levels.motion[1:, :1, :tokens], levels.event[1:, :1, :tokens], levels.shape[1:, :1], levels.objects[1:, :2]
        ),
        Present(present.frames[1:, :1, :frames], present.persons[1:, :1], present.objects[1:, :2]),
        short["text_tokens"][:, :3], short["text_mask"][:, :3],
    )  # fmt: skip
    torch.testing.assert_close(together.motion[1:, :1, :length], alone.motion[:, :, :length])
    torch.testing.assert_close(together.event[1:, :1, :length], alone.event[:, :, :length])
    torch.testing.assert_close(together.shape[1:, :1], alone.shape)
    torch.testing.assert_close(together.objects[1:, :2], alone.objects)


@pytest.mark.parametrize("group", ["motion", "event"])
def test_every_patch_feels_its_own_levels(group):
    model, given = network(), inputs(batch=1)
    before = model(**given)
    level = getattr(given["levels"], group)
    level[0, 0, 2] = (level[0, 0, 2] + 500) % 1001
    change = (model(**given).motion - before.motion).abs()[0, 0].amax(-1)
    assert change[4:6].min() > 0
    # Others feel it too, through attention, but in another way than a clip whose levels all change.
    level[:] = level[0, 0, 2]
    assert not same(model(**given), before)


@pytest.mark.parametrize("group", ["shape", "objects"])
def test_shapes_and_things_feel_their_own_levels_and_are_seen(group):
    model, given = network(), inputs(batch=1)
    before = model(**given)
    getattr(given["levels"], group)[0, 0] += 300
    after = model(**given)
    assert (getattr(after, group) - getattr(before, group))[0, 0].abs().max() > 1e-6
    getattr(given["world"], group)[0, 0] += 1
    assert (model(**given).motion - after.motion).abs().max() > 1e-6


def test_one_level_for_all_motion_is_the_same_as_one_per_token():
    model, given = network(), inputs(persons=2)
    shared = given["levels"]._replace(motion=torch.tensor([300, 700])[:, None, None])
    spread = shared._replace(motion=shared.motion.expand(2, 2, 4))
    close(model(**{**given, "levels": shared}), model(**{**given, "levels": spread}))


def test_persons_are_told_apart_by_identity_and_role_only():
    """Exchanging two persons, with what they wear, exchanges their outputs."""
    model, given = network(), inputs(persons=3)
    identity, role = torch.tensor([[0, 1, 2], [3, 0, 1]]), torch.tensor([[1, 2, 2], [0, 3, 1]])
    order = [2, 0, 1]
    result = model(**given, identity=identity, role=role)
    world, levels, present = given["world"], given["levels"], given["present"]
    swapped = {
        **given,
        "world": world._replace(
            motion=world.motion[:, order], event=world.event[:, order], shape=world.shape[:, order]
        ),
        "levels": levels._replace(
            motion=levels.motion[:, order], event=levels.event[:, order], shape=levels.shape[:, order]
        ),
        "present": present._replace(frames=present.frames[:, order], persons=present.persons[:, order]),
    }
    after = model(**swapped, identity=identity[:, order], role=role[:, order])
    torch.testing.assert_close(after.motion, result.motion[:, order])
    torch.testing.assert_close(after.shape, result.shape[:, order])
    torch.testing.assert_close(after.objects, result.objects)
    assert not same(model(**given, identity=identity[:, order], role=role), result)
    assert not same(model(**given, identity=identity, role=role[:, order]), result)


def test_things_have_no_order():
    model, given = network(), inputs()
    result = model(**given)
    order = [2, 0, 1]
    after = model(
        **{
            **given,
            "world": given["world"]._replace(objects=given["world"].objects[:, order]),
            "levels": given["levels"]._replace(objects=given["levels"].objects[:, order]),
        }
    )
    torch.testing.assert_close(after.objects, result.objects[:, order])
    torch.testing.assert_close(after.motion, result.motion)


def test_a_clip_without_things_is_one_whose_things_are_hidden():
    model, given = network(), inputs()
    given["present"].objects[:] = False
    hidden = model(**given)
    none = inputs(things=0)
    given["world"] = given["world"]._replace(objects=none["world"].objects)
    given["levels"] = given["levels"]._replace(objects=none["levels"].objects)
    given["present"] = given["present"]._replace(objects=none["present"].objects)
    torch.testing.assert_close(model(**given).motion, hidden.motion)


def test_persons_see_each_other():
    model, given = network(), inputs(persons=2)
    before = model(**given)
    given["world"].motion[:, 1] += 1
    assert (model(**given).motion[:, 0] - before.motion[:, 0]).abs().max() > 1e-6


def test_text_matters_and_its_absence_is_one_case():
    model, given = network(), inputs()
    with_text = model(**given)
    given["text_mask"][:] = False
    without = model(**given)
    assert not same(with_text, without)
    given["text_tokens"] = torch.randn(2, 9, 6, dtype=torch.float64)
    given["text_mask"] = torch.zeros(2, 9, dtype=torch.bool)
    close(model(**given), without)


def test_encoding_the_text_once_is_the_same():
    model, given = network(), inputs()
    text = model.encode_text(given["text_tokens"], given["text_mask"])
    close(model.denoise(given["world"], given["levels"], given["present"], text), model(**given))


def test_the_network_knows_how_long_the_clip_is():
    """Token 0 of a clip whose later frames are missing changes by more than their absence from attention."""
    model, given = network(DenoiserConfig(**{**SMALL.__dict__, "smooth": 0})), inputs(batch=1)
    model.length.weight.data.zero_()
    without = model(**given)
    model.length.weight.data.normal_()
    assert not same(model(**given), without)


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
    config = DenoiserConfig(features=18, patch=2, text_dim=4, dim=8, depth=1, heads=2, hidden=8, max_persons=2)
    model, given = network(config), inputs(batch=1, persons=2, frames=4, words=2, things=1, config=config)
    given["present"].frames[0, 1, 2:] = False

    def run(*values):
        return tuple(model(World(*values[:4]), given["levels"], given["present"], values[4], given["text_mask"]))

    values = [*given["world"], given["text_tokens"]]
    assert torch.autograd.gradcheck(run, tuple(value.requires_grad_() for value in values), fast_mode=True)


def test_every_parameter_is_used():
    model = network()
    given = inputs(persons=4)
    output = model(**given, role=torch.tensor([[0, 1, 2, 3]] * 2))
    sum(part.sum() for part in output).backward()
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
