"""Batches of worlds against direct encoding of the clips, masks, balance, ranks, and what is refused."""

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from carescene.clips import Clip, load_clip, save_clip
from carescene.clips.mirror_text import mirror_text
from carescene.errors import UserError
from carescene.humans.body import load_body
from carescene.humans.mirror import mirror_motion
from carescene.scenes import scene_from_dict
from datamodules import SceneDataModule
from datamodules.batches import Draw
from datamodules.scenes import draw_weights
from datamodules.world_items import Variation, WorldSequences
from datamodules.world_pack import WorldSequence
from diffusion.canonical import canonical_frame, move
from diffusion.normaliser import Normaliser
from diffusion.objects import encode_scene, mirror_objects, move_objects
from diffusion.representation import encode_motion, leg_ratio
from diffusion.world import ROLES

pytestmark = pytest.mark.usefixtures("letter_encoder")

# Stored joints are exact to 0.05 mm and rotations to 3e-5; both pass through a turn.
TOLERANCE = 2e-4
BODY = cache(load_body)


def module(folder: Path, **options: Any) -> SceneDataModule:
    """A data module that keeps every room and body as it is, unless told otherwise."""
    plain: dict[str, Any] = {"batch_size": 4, "no_scene": 0.0, "shape_augment": False, "balance": 0.0, "patch": 4}
    return SceneDataModule([folder], **(plain | options))


def directly(clip: Clip, order: list[int], skip: int, mirrored: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Features and things of a clip by encoding it anew: mirrored, in this order, from this frame on."""
    poses = torch.from_numpy(np.where(clip.valid[..., None, None], clip.poses, 0)[order, skip:]).float()
    trans = torch.from_numpy(np.where(clip.valid[..., None], clip.trans, 0)[order, skip:]).float()
    label = torch.from_numpy(np.where(clip.valid, clip.frame_label, -1)[order, skip:])
    if mirrored:
        poses, trans = mirror_motion(poses, trans)
    angle, origin = canonical_frame(poses[0], trans[0])
    poses, trans = move(poses, trans, angle, origin)
    betas = torch.from_numpy(clip.betas[order])
    features = encode_motion(poses, trans, label, BODY().rest_joints(betas))
    if clip.scene is None:
        return features, None
    assert isinstance(clip.scene, dict)
    objects = encode_scene(scene_from_dict(clip.scene), slots=40)
    objects = mirror_objects(objects) if mirrored else objects
    return features, move_objects(objects, angle, origin)


def found(rows: torch.Tensor, among: torch.Tensor) -> torch.Tensor:
    """For each vector, how far (largest difference) the nearest of the others is."""
    return (rows[:, None] - among[None]).abs().amax(-1).amin(1)


def check(data: SceneDataModule, batch: dict[str, Any], folder: Path) -> set[tuple[bool, bool]]:
    """Compare a batch with direct encoding; which kinds of draws (mirrored, other order) it held."""
    raw, seen = data.normaliser.denormalise(batch["motion"]), set()
    for at, name in enumerate(batch["id"]):
        clip = load_clip(folder / "clips" / name)
        persons = int(batch["shape_known"][at].sum())
        betas = batch["shape"][at, :persons].numpy()
        roles = [ROLES[number] for number in batch["role"][at, :persons].tolist()]
        order = [next(p for p in range(persons) if clip.persons[p].role == role) for role in roles]
        assert np.array_equal(betas, clip.betas[order])
        frames = int(batch["frame_mask"][at].any(0).sum())
        skip = clip.num_frames - frames
        best: tuple[float, bool] | None = None
        for mirrored in (False, True):
            features, objects = directly(clip, order, skip, mirrored)
            valid = torch.from_numpy(clip.valid[order, skip:])
            error = float((raw[at, :persons, :frames] - features)[valid].abs().max())
            if best is None or error < best[0]:
                best = error, mirrored
                things = batch["objects"][at][batch["object_mask"][at] & (batch["objects"][at, :, 0] > 0)]
                if objects is not None:
                    assert len(things) > 2
                    room_error = float(found(things, objects).max())
                else:
                    room_error = float(len(things))
        assert best is not None
        assert best[0] < TOLERANCE, f"{name}: {best}"
        assert room_error < 1e-3, f"{name}: the room is {room_error} off"
        assert torch.equal(batch["frame_mask"][at, :persons, :frames], valid)
        texts = [mirror_text(text) for text in clip.text] if best[1] else clip.text
        assert batch["caption"][at] in (texts or [""])
        seen.add((best[1], order != sorted(order)))
    return seen


def test_validation_batches_are_what_encoding_gives(worlds_source: Path) -> None:
    data = module(worlds_source)
    batches = list(data.val_dataloader())
    assert sum(len(batch["id"]) for batch in batches) == 4
    assert set.union(*(check(data, batch, worlds_source) for batch in batches)) == {(False, False)}


def test_training_batches_are_what_encoding_gives_whatever_was_drawn(worlds_source: Path) -> None:
    data = module(worlds_source)
    loader, seen, starts = data.train_dataloader(), set(), Counter[int]()
    for _ in range(6):
        for batch in loader:
            seen |= check(data, batch, worlds_source)
            for at, name in enumerate(batch["id"]):
                frames = load_clip(worlds_source / "clips" / name).num_frames
                starts[frames - int(batch["frame_mask"][at].any(0).sum())] += 1
    assert seen == {(False, False), (False, True), (True, False), (True, True)}
    assert set(starts) == {0, 1, 2, 3}


def test_masks_and_padding(worlds_source: Path) -> None:
    for batch in module(worlds_source, batch_size=5).train_dataloader():
        assert batch["motion"].shape[2] % 4 == 0
        assert batch["motion"][~batch["frame_mask"]].eq(0).all()
        assert not batch["event_known"][~batch["frame_mask"]].any()
        assert batch["text_tokens"][~batch["text_mask"]].eq(0).all()
        assert batch["shape"][~batch["shape_known"]].eq(0).all()
        assert batch["objects"][~batch["object_mask"]].eq(0).all()
        assert not (batch["frame_mask"].any(-1) & ~batch["shape_known"]).any()
        empty = batch["object_mask"] & (batch["objects"][..., 0] < 0)
        assert batch["objects"][empty][:, 1:].eq(0).all()
        assert batch["frame_mask"][:, 0, 0].all(), "the first person defines the frame of reference"
        silent = [at for at, name in enumerate(batch["id"]) if name == "train-5"]
        assert not batch["text_mask"][silent].any()
        known = batch["event_known"]
        values = batch["motion"][known][:, 201:]
        assert torch.allclose(values.max(-1).values - values.min(-1).values, torch.full((1,), 1 / (15 / 256) ** 0.5))


def test_an_odd_person_is_not_first_before_coming_in(worlds_source: Path) -> None:
    data = module(worlds_source)
    for batch in data.train_dataloader():
        for at in np.flatnonzero([int(known.sum()) == 3 for known in batch["shape_known"]]):
            assert ROLES[int(batch["role"][at, 0])] != "visitor"


def test_rooms_are_left_out_of_a_share_of_batches(worlds_source: Path) -> None:
    with_rooms = module(worlds_source, no_scene=1.0)
    assert all(batch["objects"].shape[1] == 0 for batch in with_rooms.train_dataloader())
    assert all(batch["objects"].shape[1] > 0 for batch in with_rooms.val_dataloader() if "val-0" in batch["id"])


def test_slots_hold_the_room_first_and_doors_and_beds(worlds_source: Path) -> None:
    for batch in module(worlds_source, object_slots=4).train_dataloader():
        present = batch["objects"][..., 0] > 0
        assert batch["objects"].shape[1] <= 4
        rooms = batch["objects"][present.any(1)]
        if len(rooms):
            assert rooms[:, 0, 1].eq(1).all(), "kind 0 is the room"


def test_empty_slots_vary(worlds_source: Path) -> None:
    data = module(worlds_source, object_slots=30)
    counts: set[int] = set()
    loader = data.train_dataloader()
    for _ in range(12):
        for batch in loader:
            counts |= set((batch["object_mask"] & (batch["objects"][..., 0] < 0)).sum(1).tolist())
    assert {0, 1, 2, 3, 4} <= counts
    assert max(counts) > 4, "at times all slots are there, as in free sampling"


def test_far_things_are_dropped_at_times_and_never_the_room(worlds_source: Path) -> None:
    data = module(worlds_source, object_slots=40)
    pack = data.pack
    vary = Variation(drop_far=True)
    index = next(at for at, s in enumerate(pack.sequences) if s.things)
    sequences = WorldSequences(pack, "train", 0, 40, vary)
    whole = pack.sequences[index].things
    counts = []
    for number in range(200):
        objects = sequences[Draw(number, index, number)].objects
        present = objects[objects[:, 0] > 0]
        assert present[0, 1] == 1
        counts.append(len(present))
    assert max(counts) == whole
    assert 0.02 < np.mean(np.array(counts) < whole) <= 0.4


def test_new_bodies_get_longer_strides(worlds_source: Path) -> None:
    changed = module(worlds_source, shape_augment=True, mirror=False)
    plain = module(worlds_source, mirror=False)
    body, seen = BODY(), 0
    for first, second in zip(changed.train_dataloader(), plain.train_dataloader(), strict=True):
        assert first["id"] == second["id"]
        new = (first["shape"] != second["shape"]).any(-1)
        for at, person in new.nonzero().tolist():
            clip = load_clip(worlds_source / "clips" / first["id"][at])
            assert clip.num_persons == 1
            assert clip.scene is None
            assert not clip.betas.any()
            ratio = leg_ratio(body.rest_joints(first["shape"][at, person]))
            one, two = (
                data.normaliser.denormalise(batch["motion"])[at, person]
                for data, batch in ((changed, first), (plain, second))
            )
            mask = first["frame_mask"][at, person]
            torch.testing.assert_close(one[mask][:, :2] * ratio, two[mask][:, :2], atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(one[:, 2:], two[:, 2:])
            seen += 1
        same = ~new[..., None, None].expand_as(first["motion"])
        assert torch.equal(first["motion"][same], second["motion"][same])
    assert seen > 0


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_do_not_change_batches(worlds_source: Path, workers: int) -> None:
    reference = module(worlds_source, shape_augment=True).train_dataloader()
    other = module(worlds_source, shape_augment=True, num_workers=workers).train_dataloader()
    for expected, got in zip(reference, other, strict=True):
        assert got["id"] == expected["id"]
        for name in ("motion", "objects", "shape", "text_tokens"):
            assert torch.equal(got[name], expected[name])


def test_statistics_may_come_from_elsewhere(worlds_source: Path) -> None:
    data = module(worlds_source)
    given = Normaliser(torch.zeros(217), torch.full((217,), 2.0))
    own = next(iter(data.val_dataloader()))["motion"]
    raw = data.normaliser.denormalise(own)
    data.use_normaliser(given)
    mask = next(iter(data.val_dataloader()))["frame_mask"]
    torch.testing.assert_close(next(iter(data.val_dataloader()))["motion"][mask], raw[mask] / 2)


# ------------------------------------------------------------------------------------------------ which clips


def batches_of(data: SceneDataModule, rank: int = 0, world_size: int = 1) -> Any:
    return data._batches(data._sequences("train"), rank, world_size)


def test_without_balance_a_pass_uses_every_clip_once(worlds_source: Path) -> None:
    batches = batches_of(module(worlds_source))
    assert sorted(draw.index for number in range(3) for draw in batches.batch(number)) == list(range(12))


def test_balanced_draws_meet_their_expectation(worlds_source: Path) -> None:
    data = module(worlds_source, balance=1.0)
    groups = [sequence.group for sequence in data._sequences("train").sequences]
    drawn = Counter(groups[draw.index] for number in range(3 * 60) for draw in batches_of(data).batch(number))
    assert set(drawn) == {"rare", "walk_free", "silent"}
    assert chisquare(list(drawn.values())).pvalue > 0.001
    assert max(drawn.values()) - min(drawn.values()) < 0.05 * sum(drawn.values())


def sequence(folder: int, group: str) -> WorldSequence:
    return WorldSequence("x", folder, "train", group, 0, 40, 1, 0, [0], [], [], 0, 0)


def test_weights_of_classes_and_folders() -> None:
    clips = [sequence(0, "walk")] * 9 + [sequence(0, "fall")] + [sequence(1, "fall")] * 3
    assert set(draw_weights(clips, 0.0, None)) == {1.0}
    even = np.array(draw_weights(clips, 1.0, None))
    assert np.isclose(even[:9].sum(), even[9:].sum())
    root = np.array(draw_weights(clips, 0.5, None))
    assert np.isclose(root[:9].sum() / root[9:].sum(), 3 / 2)
    shared = np.array(draw_weights(clips, 0.5, [1.0, 3.0]))
    assert np.isclose(shared[10:].sum(), 3 * shared[:10].sum())
    assert np.isclose(shared[9] / shared[0], root[9] / root[0]), "balance stays inside a folder"


def test_two_ranks_share_the_clips(worlds_source: Path) -> None:
    data = module(worlds_source, batch_size=3)
    parts = [[{d.index for d in batches_of(data, rank, 2).batch(n)} for n in range(2)] for rank in range(2)]
    assert sorted(index for rank in parts for batch in rank for index in batch) == list(range(12))


def test_loader_goes_on_where_it_was_interrupted(worlds_source: Path) -> None:
    whole = [batch for loader in [module(worlds_source).train_dataloader()] for _ in range(2) for batch in loader]
    interrupted = module(worlds_source).train_dataloader()
    running = iter(interrupted)
    first = [next(running) for _ in range(2)]
    resumed = module(worlds_source).train_dataloader()
    resumed.load_state_dict(interrupted.state_dict())  # pyright: ignore[reportAttributeAccessIssue]
    rest = [*resumed, *resumed]
    assert [batch["number"] for batch in first + rest] == list(range(6))
    for expected, got in zip(whole, first + rest, strict=True):
        assert torch.equal(expected["motion"], got["motion"])


# ------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"balance": 1.5}, "data.balance from 0 to 1"),
        ({"no_scene": -0.1}, "data.no_scene from 0 to 1"),
        ({"object_slots": 1}, "data.object_slots of at least 2"),
        ({"shares": [0.5, 0.5]}, "a number for each of 1 folders"),
        ({"shares": [0.0]}, "not all 0"),
        ({"batch_size": 0}, "data.batch_size of at least 1"),
    ],
)
def test_refuses_options_that_make_no_sense(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        module(tmp_path, **options)


def test_refuses_no_folder() -> None:
    with pytest.raises(UserError, match=r"data\.data_dirs"):
        SceneDataModule([])


def test_one_folder_takes_the_place_of_several(tmp_path: Path) -> None:
    data = SceneDataModule([Path("a"), Path("b")], tmp_path, shares=[1.0, 2.0])
    assert data.data_dirs == [tmp_path]
    assert data.shares is None


def rewrite(folder: Path, name: str, change: Any) -> None:
    clip = load_clip(folder / "clips" / name)
    change(clip)
    save_clip(clip, folder / "clips")


def test_refuses_clips_that_do_not_fit(worlds_folder: Path) -> None:
    def five(clip: Clip) -> None:
        for name in ("poses", "trans", "betas", "frame_label", "valid"):
            setattr(clip, name, np.repeat(getattr(clip, name)[:1], 5, axis=0))
        clip.persons = []

    def fast(clip: Clip) -> None:
        clip.fps = 30.0

    def late(clip: Clip) -> None:
        clip.valid[:, 0] = False

    def lost(clip: Clip) -> None:
        clip.scene = "nowhere.json"

    def odd(clip: Clip) -> None:
        assert isinstance(clip.scene, dict)
        clip.scene["objects"][0]["kind"] = "sofa"

    def flying(clip: Clip) -> None:
        clip.trans[..., 2] += 3.0

    expected = [
        (five, "at most 4 persons, but got 5"),
        (fast, "20 frames per second, but got 30"),
        (late, "somebody to be there in the first frame"),
        (lost, "nowhere.json"),
        (odd, "kind to be one of .* but got 'sofa'"),
        (flying, "joints within 3.28 m"),
    ]
    for change, message in expected:
        before = {path: path.read_bytes() for path in (worlds_folder / "clips").glob("train-0.*")}
        rewrite(worlds_folder, "train-0", change)
        with pytest.raises(UserError, match=message):
            module(worlds_folder).prepare_data()
        for path, content in before.items():
            path.write_bytes(content)
    assert not list((worlds_folder / "packs").iterdir()), "nothing half-made stays"


def test_refuses_clips_that_are_too_long(worlds_folder: Path) -> None:
    with pytest.raises(UserError, match="at most 2 s"):
        module(worlds_folder, max_seconds=2.0).setup("fit")
