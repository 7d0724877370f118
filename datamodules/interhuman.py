"""InterHuman's official folder as batches of two people, mixed with clips of one or more from prepared folders."""

from pathlib import Path

from lightning.pytorch.utilities import rank_zero_info

from carescene.clips.dropped import OnBad
from carescene.files import write_atomically
from datamodules.scenes import SceneDataModule
from datamodules.world_packing import pack_worlds


class InterHumanDataModule(SceneDataModule):
    """InterHuman for the world model: the official folder as it is on disk, every recording one of our clips.

    Both people share one frame of reference and one floor, they come in any order, and mirrored clips have mirrored
    captions (whole words only). Batches are `SceneDataModule`'s; those of two people alternate with those of one.
    Converting takes about half a second per recording and core, once. For evaluators that read InterHuman's own 262
    numbers there is `InterHumanPairs`.

    Args:
        folder: with annots, motions_processed and split.
        others: prepared folders to mix in, such as single people; `lightning prepare` wrote them.
        shares: share of InterHuman, then of each of the others, among the clips that are drawn; default is by the
            number of clips.
        on_bad: `refuse` stops before training at a recording that is damaged or lacks a file; `skip` trains without
            such recordings and lists them in dropped.json of the converted data.
        source_fps: rate of the motion files: 30 as the published code takes them, 60 if yours have the recording's.
        balance: see `SceneDataModule`; 0 draws every clip once per pass.
        batch_size: clips per batch and process; a clip of two people costs as much as two clips.
        num_workers: processes that read data; 0 is right on a CPU.
        mirror: also train on left-right mirrored clips.
        no_scene: share of batches in which the rooms of the other folders are left out.
        object_slots: most things of a room.
        patch: frames per token; set by the model's own patch.
        text_encoder: `minilm`, `clip:ViT-B/32`, `clip:ViT-L/14`, `clip:FILE`, a local folder or a hub name.
        pack_dir: where clips and packed data are kept; default is `packs` inside the folder.
        convert_workers: processes that convert the first time; default is one per core.
        seed: order of clips and of people, and all other random choices.
    """

    def __init__(
        self,
        folder: Path,
        others: list[Path] | None = None,
        shares: list[float] | None = None,
        on_bad: OnBad = "refuse",
        source_fps: float | int = 30,
        balance: float = 0.0,
        batch_size: int = 32,
        num_workers: int = 0,
        mirror: bool = True,
        no_scene: float = 0.1,
        object_slots: int = 10,
        patch: int = 4,
        text_encoder: str = "minilm",
        pack_dir: Path | None = None,
        convert_workers: int | None = None,
        seed: int = 0,
    ) -> None:
        packs = pack_dir or folder / "packs"
        self.prepared = packs / "clips"
        super().__init__(
            [self.prepared, *(others or [])],
            shares=shares,
            balance=balance,
            batch_size=batch_size,
            num_workers=num_workers,
            mirror=mirror,
            no_scene=no_scene,
            object_slots=object_slots,
            patch=patch,
            text_encoder=text_encoder,
            pack_dir=packs,
            seed=seed,
        )
        self.folder, self.source_fps, self.convert_workers = folder, source_fps, convert_workers
        self.on_bad: OnBad = on_bad

    def _make_pack(self) -> Path:
        # Late: bodies are heavy to import, and training needs none once this is done.
        from carescene.clips.prepare.interhuman import prepare_interhuman

        done = prepare_interhuman(
            self.folder, self.prepared, on_bad=self.on_bad, source_fps=self.source_fps, workers=self.convert_workers
        )
        text = f"{done.report.summary()}\n"
        rank_zero_info(text.strip())
        write_atomically(self.prepared / "summary.txt", lambda file: file.write(text.encode()))
        return pack_worlds(self.data_dirs, self.pack_dir, self.text_encoder, self.mirror)
