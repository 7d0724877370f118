"""Pictures of clips: camera, one plain view of people on a floor, videos and contact sheets."""

from carescene.rendering.blanket import Blanket, cover_beds, without_folded_blankets
from carescene.rendering.camera import Camera, camera_from_dict, frame_motion, frame_points, look_at
from carescene.rendering.camera_presets import CAMERA_PRESETS, check_camera, place_camera
from carescene.rendering.contact_sheet import Strip, contact_sheet, write_contact_sheet
from carescene.rendering.draw import Cloth, Drawn, draw_buffer
from carescene.rendering.film import FilmSettings
from carescene.rendering.film_set import FilmSet
from carescene.rendering.gbuffer import GBuffer
from carescene.rendering.keypoints import KeypointModel, keypoint_model, keypoint_positions
from carescene.rendering.labels import LabelWriter, see_keypoints
from carescene.rendering.lights import LIGHTS
from carescene.rendering.looks import ROLES, dress_person
from carescene.rendering.outfit import Look, Outfit
from carescene.rendering.overlay import depth_picture, draw_labels, labelled, side_by_side
from carescene.rendering.painter import Painter, measure_light
from carescene.rendering.people import PeopleFrame, PosedPeople, Topology, pose_people
from carescene.rendering.room_view import RoomView
from carescene.rendering.sensing import Chip, auto_gain, average, build_chip, moments
from carescene.rendering.sensors import SENSORS, DepthSensor, LightSensor, Sensor, sensor_named
from carescene.rendering.video import (
    depth_to_millimetres,
    gif_bytes,
    h264,
    open_video,
    read_depth_video,
    read_gray_video,
    read_video,
    write_depth_video,
    write_gray_video,
    write_rgb_video,
    write_video,
)
from carescene.rendering.view import render_clip
from carescene.rendering.wardrobe import Wardrobe, dress_clip

__all__ = [
    "CAMERA_PRESETS",
    "LIGHTS",
    "ROLES",
    "SENSORS",
    "Blanket",
    "Camera",
    "Chip",
    "Cloth",
    "DepthSensor",
    "Drawn",
    "FilmSet",
    "FilmSettings",
    "GBuffer",
    "KeypointModel",
    "LabelWriter",
    "LightSensor",
    "Look",
    "Outfit",
    "Painter",
    "PeopleFrame",
    "PosedPeople",
    "RoomView",
    "Sensor",
    "Strip",
    "Topology",
    "Wardrobe",
    "auto_gain",
    "average",
    "build_chip",
    "camera_from_dict",
    "check_camera",
    "contact_sheet",
    "cover_beds",
    "depth_picture",
    "depth_to_millimetres",
    "draw_buffer",
    "draw_labels",
    "dress_clip",
    "dress_person",
    "frame_motion",
    "frame_points",
    "gif_bytes",
    "h264",
    "keypoint_model",
    "keypoint_positions",
    "labelled",
    "look_at",
    "measure_light",
    "moments",
    "open_video",
    "place_camera",
    "pose_people",
    "read_depth_video",
    "read_gray_video",
    "read_video",
    "render_clip",
    "see_keypoints",
    "sensor_named",
    "side_by_side",
    "without_folded_blankets",
    "write_contact_sheet",
    "write_depth_video",
    "write_gray_video",
    "write_rgb_video",
    "write_video",
]
