"""HumanML3D's official folder as batches: through our clips for our own model."""

from pathlib import Path

from lightning.pytorch.utilities import rank_zero_info

from carescene.clips.dropped import OnBad
from datamodules.humanml3d_clips import convert_humanml3d
from datamodules.humanml3d_key import SUMMARY_NAME
from datamodules.scenes import SceneDataModule
from datamodules.world_packing import pack_worlds


class HumanML3DDataModule(SceneDataModule):
    """HumanML3D for the world model: the official folder as it is on disk, every item posed as one of our clips.

    Lists, captions, parts of clips and mirrored ids are the folder's own; the joints are posed on a body with the bones
    of the published skeleton, once, in about 0.1 s per clip and core. Batches are `SceneDataModule`'s. For baselines
    that learn the 263 numbers themselves there is `HumanML3DVectorsDataModule`.

    Args:
        folder: with new_joint_vecs, texts, Mean.npy, Std.npy, train.txt, val.txt and test.txt.
        on_bad: `refuse` stops before training at a clip that is damaged or lacks a file; `skip` trains without such
            clips and lists them in report-*.json of the packed data.
        batch_size: clips per batch and process.
        num_workers: processes that read data; 0 is right on a CPU.
        mirror: also mirror clips here. The official lists hold the mirrored copies already.
        patch: frames per token; set by the model's own patch.
        text_encoder: `minilm`, `clip:ViT-B/32`, `clip:ViT-L/14`, `clip:FILE`, a local folder or a hub name.
        pack_dir: where clips and packed data are kept; default is `packs` inside the folder.
        convert_workers: processes that pose bodies the first time; default is one per core.
        seed: order of clips and all random choices.
    """

    def __init__(
        self,
        folder: Path,
        on_bad: OnBad = "refuse",
        batch_size: int = 64,
        num_workers: int = 0,
        mirror: bool = False,
        patch: int = 4,
        text_encoder: str = "minilm",
        pack_dir: Path | None = None,
        convert_workers: int | None = None,
        seed: int = 0,
    ) -> None:
        packs = pack_dir or folder / "packs"
        super().__init__(
            [folder],
            # One kind of motion, on one body and without rooms: nothing to balance, vary or leave out.
            balance=0.0,
            shape_augment=False,
            no_scene=0.0,
            object_slots=2,
            batch_size=batch_size,
            num_workers=num_workers,
            mirror=mirror,
            patch=patch,
            text_encoder=text_encoder,
            pack_dir=packs,
            seed=seed,
        )
        self.folder, self.convert_workers = folder, convert_workers
        self.on_bad: OnBad = on_bad

    def prepare_data(self) -> None:
        """Convert and pack on one process of each machine, and say what is used and what was left out."""
        super().prepare_data()
        rank_zero_info((self._convert() / SUMMARY_NAME).read_text(encoding="utf-8").rstrip())

    def _convert(self) -> Path:
        return convert_humanml3d(self.folder, self.pack_dir, self.on_bad, self.convert_workers)

    def _make_pack(self) -> Path:
        return pack_worlds([self._convert()], self.pack_dir, self.text_encoder, self.mirror)
