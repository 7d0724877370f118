"""Our text-motion encoder: what it is blind to, what its files are, that it learns, and by which split it is chosen."""

import inspect
import math
from importlib.resources import as_file, files

import pytest
import torch

from carescene.errors import UserError
from carescene.evaluation.text_motion import (
    BUNDLED,
    PeopleMotion,
    TextMotionConfig,
    TextMotionEncoder,
    TextMotionEvaluator,
    load_text_motion,
    pad_people,
    text_motion_bytes,
)
from carescene.evaluation.text_motion_training import (
    Described,
    TextMotionTraining,
    contrastive_loss,
    train_text_motion,
)

SMALL = TextMotionConfig(width=32, heads=2, layers=1, embedding=16, text_width=8, dropout=0.0)


def _walk(frames: int, speed: float, seed: int = 0, persons: int = 1) -> PeopleMotion:
    generator = torch.Generator().manual_seed(seed)
    body = torch.randn(persons, 1, 22, 3, generator=generator) * 0.3 + torch.tensor([0.0, 0.0, 1.0])
    time = torch.arange(frames)[None, :, None, None] / 20
    joints = body + time * torch.tensor([0.0, -speed, 0.0]) + 0.05 * torch.sin(3 * speed * time + body)
    return PeopleMotion(joints, torch.ones(persons, frames, dtype=torch.bool))


def _evaluator() -> TextMotionEvaluator:
    torch.manual_seed(0)

    def encode(texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        tokens = torch.zeros(len(texts), 5, 8)
        mask = torch.zeros(len(texts), 5, dtype=torch.bool)
        for row, text in enumerate(texts):
            words = text.split()
            mask[row, : len(words)] = True
            for at, word in enumerate(words):
                tokens[row, at] = torch.tensor([math.sin(len(word) * k + ord(word[0])) for k in range(8)])
        return tokens, mask

    return TextMotionEvaluator(TextMotionEncoder(SMALL), encode, "0123456789abcdef")


def test_it_is_blind_to_place_and_direction_in_the_world():
    evaluator = _evaluator()
    motion = _walk(60, 1.0, persons=2)
    turn = torch.tensor([[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
    moved = PeopleMotion(motion.joints @ turn.T + torch.tensor([3.0, -2.0, 0.0]), motion.there)
    one, two = evaluator.embed_motions([motion, moved])
    torch.testing.assert_close(one, two, atol=2e-4, rtol=1e-3)
    lifted = PeopleMotion(motion.joints + torch.tensor([0.0, 0.0, 0.5]), motion.there)
    assert (evaluator.embed_motions([lifted])[0] - one).norm() > 1e-3


def test_padding_in_time_and_people_changes_nothing():
    evaluator = _evaluator()
    short, crowd = _walk(33, 0.7, 1), _walk(90, 1.2, 2, persons=3)
    alone = torch.cat([evaluator.embed_motions([short]), evaluator.embed_motions([crowd])])
    torch.testing.assert_close(evaluator.embed_motions([short, crowd]), alone, atol=1e-5, rtol=1e-4)
    texts = ["walks", "an old person sits down"]
    one_by_one = torch.cat([evaluator.embed_texts([text]) for text in texts])
    torch.testing.assert_close(evaluator.embed_texts(texts), one_by_one, atol=1e-5, rtol=1e-4)


def test_the_second_person_is_seen():
    evaluator = _evaluator()
    both = _walk(60, 1.0, persons=2)
    nearer = PeopleMotion(both.joints.clone(), both.there)
    nearer.joints[1] += torch.tensor([0.5, 0.0, 0.0])
    first, second = evaluator.embed_motions([both, nearer])
    assert (first - second).norm() > 1e-4


def test_embeddings_are_unit_vectors_in_the_order_of_the_input():
    evaluator = _evaluator()
    motions = [_walk(frames, 1.0, frames) for frames in (80, 20, 50)]
    rows = evaluator.embed_motions(motions, batch_size=2)
    torch.testing.assert_close(rows.norm(dim=-1), torch.ones(3))
    torch.testing.assert_close(rows[1], evaluator.embed_motions([motions[1]])[0], atol=1e-5, rtol=1e-4)


def test_people_come_and_go():
    motion = _walk(30, 1.0, persons=2)
    motion.there[1, :10] = False
    motion.there[1, 20:] = False
    motion.joints[1, :10] = torch.nan
    joints, there = pad_people([motion])
    assert bool(joints.isfinite().all())
    assert there.sum() == 40
    torch.testing.assert_close(joints[0, 1, 25], motion.joints[1, 19])


def test_broken_motions_are_refused():
    short = _walk(3, 1.0)
    with pytest.raises(UserError, match="at least 4 frames"):
        pad_people([short])
    broken = _walk(30, 1.0)
    broken.joints[0, 3] = torch.nan
    with pytest.raises(UserError, match="NaN"):
        pad_people([broken])


def test_loss_in_closed_form_and_captions_that_also_fit():
    same = torch.eye(3)[:2]
    assert contrastive_loss(same, same, torch.tensor(5.0)).item() == pytest.approx(math.log(1 + math.exp(-5)), rel=1e-5)
    # Two motions with one caption: neither is a negative of the other's.
    equal = torch.ones(2, 3) / 3**0.5
    fits = torch.ones(2, 2, dtype=torch.bool)
    assert contrastive_loss(equal, equal, torch.tensor(5.0), fits).item() == pytest.approx(0.0, abs=1e-6)
    assert contrastive_loss(equal, equal, torch.tensor(5.0)).item() == pytest.approx(math.log(2))


def _corpus(count: int, seed: int = 0) -> list[Described]:
    rows = []
    for number in range(count):
        speed = 0.2 + 0.1 * (number % 8)
        rows.append(
            Described(_walk(24 + number % 5, speed, seed + number), [f"speed {speed:.1f}"], [f"speed {speed:.1f}"])
        )
    return rows


def _texts(rows: list[Described]) -> dict[str, torch.Tensor]:
    found = {}
    for text in sorted({caption for row in rows for caption in row.captions}):
        found[text] = torch.randn(3, 8, generator=torch.Generator().manual_seed(int(10 * float(text.split()[1]))))
    return found


def test_it_learns_and_a_stopped_training_goes_on_as_if_it_had_not(tmp_path):
    train, val = _corpus(64), _corpus(32, seed=500)
    texts = _texts(train)
    training = TextMotionTraining(epochs=4, batch=32, learning_rate=5e-3)
    losses: list[float] = []
    whole = train_text_motion(train, val, texts, SMALL, training, on_epoch=lambda _, loss, __: losses.append(loss))
    assert losses[-1] < losses[0] - 0.1
    state = tmp_path / "state.pt"

    class StoppedError(Exception):
        pass

    def stop(epoch: int, loss: float, score: float) -> None:
        if epoch == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        train_text_motion(train, val, texts, SMALL, training, on_epoch=stop, state=state)
    resumed = train_text_motion(train, val, texts, SMALL, training, state=state)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, atol=0, rtol=0)
    with pytest.raises(UserError, match="holds another"):
        train_text_motion(train, val, texts, SMALL, TextMotionTraining(epochs=3, batch=32), state=state)


def test_the_epoch_cannot_be_chosen_by_the_test_split():
    """Training takes a train and a val split and nothing else; the best epoch is the best on val."""
    names = list(inspect.signature(train_text_motion).parameters)
    assert [name for name in names if "test" in name] == []
    train, val = _corpus(32), _corpus(32, seed=900)
    scores: list[float] = []
    model = train_text_motion(
        train, val, _texts(train), SMALL, TextMotionTraining(epochs=3, batch=32, learning_rate=5e-3),
        on_epoch=lambda _, __, score: scores.append(score),
    )  # fmt: skip
    from carescene.evaluation.text_motion_training import validation_score

    assert validation_score(model, val, _texts(train)) == pytest.approx(max(scores))


def test_too_little_to_train_on_is_refused():
    rows = _corpus(40)
    with pytest.raises(UserError, match="at least 128 motions"):
        train_text_motion(rows, rows, _texts(rows), SMALL)
    with pytest.raises(UserError, match="features of every caption"):
        train_text_motion(rows, rows, {}, SMALL, TextMotionTraining(batch=32))


def test_files_keep_the_encoder_and_refuse_others(tmp_path):
    evaluator = _evaluator()
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(text_motion_bytes(evaluator.model, {"data": "none"}))
    loaded = load_text_motion(evaluator._encode, path)
    motion = [_walk(40, 1.0)]
    torch.testing.assert_close(loaded.embed_motions(motion), evaluator.embed_motions(motion), atol=2e-3, rtol=1e-2)
    assert loaded.name.startswith("carescene text-motion (")
    import safetensors.torch

    path.write_bytes(safetensors.torch.save({"x": torch.zeros(1)}, {"format": "something else"}))
    with pytest.raises(UserError, match="got 'something else'"):
        load_text_motion(evaluator._encode, path)
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="damaged"):
        load_text_motion(evaluator._encode, path)
    with pytest.raises(UserError, match="no such file"):
        load_text_motion(evaluator._encode, tmp_path / "nowhere.safetensors")


def test_the_shipped_encoder_loads_and_is_small():
    with as_file(files("carescene") / "assets" / BUNDLED) as path:
        assert path.stat().st_size < 6_000_000
    evaluator = load_text_motion(lambda texts: (torch.zeros(len(texts), 2, 384), torch.ones(len(texts), 2) > 0))
    assert evaluator.embed_motions([_walk(60, 1.0)]).shape == (1, 128)
    assert evaluator.embed_texts(["a person walks"]).shape == (1, 128)
    assert evaluator.key in evaluator.name.replace(" (", "-").rstrip(")")
