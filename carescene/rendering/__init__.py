"""Pictures of clips: camera, one plain view of people on a floor, videos and contact sheets."""

from carescene.rendering.camera import Camera, frame_motion, frame_points, look_at
from carescene.rendering.contact_sheet import Strip, contact_sheet, write_contact_sheet
from carescene.rendering.video import gif_bytes, write_video
from carescene.rendering.view import render_clip

__all__ = [
    "Camera",
    "Strip",
    "contact_sheet",
    "frame_motion",
    "frame_points",
    "gif_bytes",
    "look_at",
    "render_clip",
    "write_contact_sheet",
    "write_video",
]
