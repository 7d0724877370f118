"""Make situations for every ward event, direction, side, place and constraint, and judge them: the whole protocol.

    .venv/bin/python tools/evaluate_world.py --out runs/world [--clips 5] [--tries 2] [--checkpoint FILE] [--part 1/2]

With --part K/N only every N-th situation is made and nothing is judged, so that N of these can run side by side before
the whole command judges.

Situation files are written to OUT/situations, clips to OUT/clips (those without constraints to OUT/free), and the
report to OUT/report. What is there already is kept, so that the command goes on after a kill.
"""

import argparse
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from carescene.errors import UserError
from carescene.files import write_atomically
from carescene.situations import EVENT_FACTS, EventFacts
from lightning_app.main import EXIT_USER_ERROR
from lightning_app.main import main as main_command

FOLDERS = ("mocap", "simulated", "controlled", "scenes")
# Nothing to be seen (object_drop), or a movement of a thing that clips do not carry (wheelchair_move).
LEFT_OUT = ("object_drop", "wheelchair_move")
# A room that holds what an event needs.
ROOMS = {"bed": "ward_single", "chair": "day_room", "wheelchair": "day_room", "toilet": "bathroom"}
OPEN_ROOM = "day_room"
# How people really fall, by cause: directions that are asked for.
DIRECTIONS = {
    "trip": ("forward", "right"),
    "slip": ("backward", "left"),
    "weight_shift": ("left", "right", "backward", "forward"),
    "bump": ("forward", "left"),
    "support_loss": ("backward", "right"),
    "collapse": ("down", "right"),
}
# Numbers of points that are fixed in a clip.
POINTS = (1, 2, 4, 8, 14, 20)


def main() -> None:
    """Write the situations, make the clips, judge them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("data/prepared"))
    parser.add_argument("--checkpoint", type=Path, default=None)
    parser.add_argument("--recogniser", type=Path, default=None, help="ward recogniser; trained when missing")
    parser.add_argument("--clips", type=int, default=5, help="clips of each event; directions and points get 2 each")
    parser.add_argument("--tries", type=int, default=2)
    parser.add_argument("--rooms", type=int, default=20, help="rooms sampled by the model")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--held_out", type=int, default=20, help="held-out clips of each event that are judged")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--part", type=str, default=None, help="K/N: the K-th of N equal parts, 1 to N, made only")
    arguments = parser.parse_args()
    cases = list(situations(arguments.clips, arguments.rooms, arguments.seed))
    if arguments.part is not None:
        number, parts = (int(text) for text in arguments.part.split("/"))
        cases = cases[number - 1 :: parts]
    total = sum(asked["count"] for _, _, asked in cases)
    sys.stderr.write(f"{len(cases)} situations, {total} clips\n")
    model = [] if arguments.checkpoint is None else [f"--checkpoint={arguments.checkpoint}"]
    for group, name, asked in cases:
        file = arguments.out / "situations" / f"{name}.yaml"
        text = yaml.safe_dump(asked, sort_keys=False).encode()
        write_atomically(file, lambda stream, text=text: stream.write(text))
        lightning(
            "generate", str(file), f"--out={arguments.out / group / name}", f"--tries={arguments.tries}",
            f"--batch={arguments.batch}", "--render=false", *model,
        )  # fmt: skip
    if arguments.part is not None:
        return
    judge = [] if arguments.recogniser is None else [f"--recogniser={arguments.recogniser}"]
    lightning(
        "evaluate", "situations", f"--dir={arguments.out / 'clips'}", f"--unconstrained={arguments.out / 'free'}",
        f"--data={','.join(str(arguments.data / folder) for folder in FOLDERS)}", f"--out={arguments.out / 'report'}",
        f"--held_out={arguments.held_out}", *judge, required=True,
    )  # fmt: skip


def lightning(*arguments: str, required: bool = False) -> None:
    """Run the command line here; a situation that cannot be made is said on stderr and costs only itself."""
    code = main_command(list(arguments))
    if code != 0 and (required or code != EXIT_USER_ERROR):
        raise UserError(f"Expected 'lightning {arguments[0]}' to work, but it ended with {code}. See above.")


def situations(clips: int, rooms: int, seed: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Folder, name and content of every situation of the protocol; seeds count up from `seed`."""
    number = seed
    for name, facts in EVENT_FACTS.items():
        if name not in LEFT_OUT:
            yield "clips", name, event_situation(name, facts) | {"count": clips, "seed": number}
            number += 1
    for cause, directions in DIRECTIONS.items():
        for direction in directions:
            yield "clips", f"{cause}_{direction}", fall_situation(cause, direction) | {"count": 2, "seed": number}
            number += 1
    for side in ("left", "right"):
        yield "clips", f"beside_bed_{side}", place_situation(side) | {"count": 4, "seed": number}
        number += 1
    for points in POINTS:
        bound, free = point_situation(points, number)
        yield "clips", f"points_{points:02d}", bound | {"count": 2, "seed": number}
        yield "free", f"points_{points:02d}", free | {"count": 2, "seed": number}
        number += 1
    sampled = {
        "seconds": 6,
        "text": "an old woman walks through the room",
        "persons": [{"role": "patient", "age_years": 80, "sex": "female", "start": {"state": "walking"}}],
        "scene": "sample",
    }
    yield "clips", "sampled_rooms", sampled | {"count": rooms, "seed": number}


def event_situation(name: str, facts: EventFacts) -> dict[str, Any]:
    """The plainest situation with one ward event: a room that holds what it needs, and a helper if it needs one."""
    state = facts.starts[0]
    needed = facts.needs[0] if facts.needs else None
    start: dict[str, Any] = {"state": state}
    if needed is not None:
        start["near"] = needed
    staff = name in ("staff_bend_over_bed", "staff_kneel", "make_bed")
    persons = [{"role": "staff" if staff else "patient", "age_years": 40 if staff else 80, "start": start}]
    if facts.helper or name == "staff_kneel":
        persons.append({"role": "staff" if not staff else "patient", "start": {"state": "fallen" if staff else state}})
        if not staff:
            persons[1]["start"] = {"state": "standing" if state != "walking" else "walking"}
    event: dict[str, Any] = {"person": 0, "ward_event": name}
    # States last from the beginning; everything else begins in the clip.
    moving = len(facts.phases) > 1 or facts.is_fall or facts.near_fall
    if moving:
        event["onset_s"] = 2.0
    length = (2.5 if moving else 1.0) + sum(seconds for _, seconds in facts.phases) + 1.5
    return {
        "seconds": min(max(math.ceil(length), 5), 10),
        "persons": persons,
        "events": [event],
        "scene": ROOMS.get(needed or "", OPEN_ROOM),
    }


def fall_situation(cause: str, direction: str) -> dict[str, Any]:
    """A fall in one direction; to the left and right with the side that lies below."""
    state = "standing" if cause in ("collapse", "support_loss") else "walking"
    event: dict[str, Any] = {"person": 0, "ward_event": f"fall_{cause}", "direction": direction, "onset_s": 2.0}
    if direction in ("left", "right"):
        event["side"] = direction
    persons = [{"role": "patient", "age_years": 79, "start": {"state": state}}]
    return {"seconds": 6, "persons": persons, "events": [event], "scene": OPEN_ROOM}


def place_situation(side: str) -> dict[str, Any]:
    """A fall at one side of the bed."""
    place = {"near": "bed", "side": side, "within_m": 0.5}
    event = {"person": 0, "ward_event": "fall_weight_shift", "onset_s": 2.0, "place": place}
    persons = [{"role": "patient", "age_years": 84, "start": {"near": "bed", "side": side, "state": "standing"}}]
    return {"seconds": 6, "persons": persons, "events": [event], "scene": "ward_single"}


def point_situation(points: int, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A walk along a random bend with some of its points fixed, and the same without any."""
    rng = np.random.default_rng(seed)
    bend, speed = rng.uniform(-0.4, 0.4), rng.uniform(0.6, 1.0)
    times = np.sort(rng.choice(np.arange(1, 56), points, replace=False)) / 10
    heading = bend * times / 2
    path = [
        {"at_s": round(float(at), 2), "x": round(float(-speed * at * math.sin(turn)), 3),
         "y": round(float(speed * at * math.cos(turn)), 3)}
        for at, turn in zip(times, heading, strict=True)
    ]  # fmt: skip
    free = {
        "seconds": 6,
        "text": "a man walks through the room",
        "persons": [{"role": "person", "age_years": 45, "sex": "male", "start": {"state": "walking"}}],
    }
    joints = [{"at_s": round(float(times[-1]) / 2, 2), "joint": "right_wrist", "z": 1.1}]
    return free | {"constraints": {"path": path, "joints": joints}}, free


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
