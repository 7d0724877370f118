from dataclasses import replace

import pytest
import safetensors.torch
import torch

from carescene.errors import UserError
from carescene.humans.rotations import rotvec_to_matrix
from carescene.humans.skeleton import MIRROR
from reconstruction.lifter_calibration import best_poses, calibrated, fixed_noise, second_moments
from reconstruction.lifter_file import lifter_bytes, load_lifter
from reconstruction.lifter_input import mirror_features
from reconstruction.lifter_network import Lifted, Lifter, LifterConfig, perturbed, tangent
from reconstruction.lifter_training import LifterTraining, lifter_loss, train_lifter
from reconstruction.seen_motion import motion_bank, seen_windows

SMALL = LifterConfig(width=48, hidden=48, blocks=1, context=16, flow_layers=2, flow_hidden=16)
SHORT = LifterTraining(steps=30, batch=16, learning_rate=5e-3, warm_up=3, average=0.9)


@pytest.fixture(scope="module")
def bank(moving_clip):
    return motion_bank([moving_clip(frames=60, seed=seed) for seed in range(2)])


def test_training_learns(bank):
    losses = []
    longer = replace(SHORT, steps=70)
    train_lifter(bank, SMALL, longer, on_step=lambda step, loss: losses.append((loss.joints_m, loss.likelihood)))
    first, last = torch.tensor(losses[:8]).mean(0), torch.tensor(losses[-8:]).mean(0)
    assert last[0] < 0.8 * first[0]
    assert last[1] < first[1] - 0.5


def test_a_stopped_training_goes_on_as_if_it_had_not(bank, tmp_path):
    short, state = replace(SHORT, steps=8), tmp_path / "state.pt"
    whole = train_lifter(bank, SMALL, short)

    def stop(step, loss):
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_lifter(bank, SMALL, short, on_step=stop, state=state, save_every=3)
    steps = []
    resumed = train_lifter(bank, SMALL, short, on_step=lambda step, loss: steps.append(step), state=state)
    assert steps == [3, 4, 5, 6, 7]
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(UserError, match="these settings"):
        train_lifter(bank, replace(SMALL, width=32), short, state=state)


def test_the_true_pose_costs_nothing_but_the_flow(bank):
    model, generator = Lifter(SMALL), torch.Generator().manual_seed(0)
    windows = seen_windows(bank, torch.arange(16), generator)
    exact = Lifted(windows.rotations, model(windows.seen.features).context)
    loss = lifter_loss(model, exact, windows, SHORT, generator)
    assert loss.joints_m < 2e-4 and loss.turns < 2e-3
    worse = Lifted(perturbed(windows.rotations, torch.full((16, 72), 0.2)), exact.context)
    assert lifter_loss(model, worse, windows, SHORT, generator).joints_m > 0.05


def test_the_flow_does_not_move_the_best_pose(bank):
    model, generator = Lifter(SMALL), torch.Generator().manual_seed(0)
    windows = seen_windows(bank, torch.arange(16), generator)
    alone = replace(SHORT, joints=0.0, turns=0.0)
    lifter_loss(model, model(windows.seen.features), windows, alone, generator).total.backward()
    weight = model.pose.weight.grad
    assert weight is None or not weight.any()
    assert model.context.weight.grad is not None and model.context.weight.grad.isfinite().all()


def test_tangents_are_undone():
    mean = rotvec_to_matrix(torch.randn(5, 24, 3).double())
    w = 0.8 * torch.rand(5, 72).double()
    assert torch.allclose(tangent(mean, perturbed(mean, w)), w)


def test_best_poses_of_mirror_images_are_mirror_images(bank):
    model = Lifter(SMALL).eval()
    features = seen_windows(bank, torch.arange(8), torch.Generator().manual_seed(0)).seen.features
    with torch.no_grad():
        plain, image = best_poses(model, features).rotations, best_poses(model, mirror_features(features)).rotations
    mirror = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
    assert torch.allclose(mirror @ plain[:, list(MIRROR)] @ mirror, image, atol=1e-5)


def test_second_moments_are_those_of_the_samples_and_positive(bank):
    model = Lifter(SMALL).eval()
    features = seen_windows(bank, torch.arange(4), torch.Generator().manual_seed(0)).seen.features
    with torch.no_grad():
        lifted, noise = model(features), fixed_noise(128)
        moments = second_moments(model, lifted, noise)
        w = model.sample(lifted, noise.expand(4, -1, -1))
    assert torch.linalg.eigvalsh(moments).min() > 1e-4
    expected = w.square().mean(1)
    assert torch.allclose(torch.diagonal(moments, dim1=1, dim2=2), expected, rtol=0.05, atol=2e-3)


def test_calibration_widens_what_is_too_narrow(bank):
    model = Lifter(SMALL).eval()
    with torch.no_grad():
        wide = calibrated(model, bank, 64)
        model.flow.scale.bias.sub_(2.0)
        narrow = calibrated(model, bank, 64)
    assert wide.shape == (24,) and (narrow >= wide).all() and narrow.mean() > wide.mean()


def test_files_keep_the_network(tmp_path):
    model, temper = Lifter(SMALL), torch.linspace(0.5, 2, 24)
    path = tmp_path / "lifter.safetensors"
    path.write_bytes(lifter_bytes(model, temper, {"data": "test"}))
    loaded = load_lifter(path)
    assert torch.equal(loaded.temper, temper) and loaded.model.config == SMALL
    for one, other in zip(model.parameters(), loaded.model.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-3)


def test_broken_files_are_refused(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        load_lifter(tmp_path / "none.safetensors")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not weights")
    with pytest.raises(UserError, match="damaged"):
        load_lifter(broken)
    broken.write_bytes(safetensors.torch.save({"a": torch.zeros(1)}, {"format": "other"}))
    with pytest.raises(UserError, match="another model"):
        load_lifter(broken)
