"""Image files to upright RGB, pixels for a model, thumbnails and metadata. Knows no model and no store."""

from revln.images.color import to_rgb
from revln.images.decode import PIXEL_LIMIT, Decoded, decode_image, open_image
from revln.images.files import os_reason
from revln.images.formats import IMAGE_SUFFIXES
from revln.images.jpeg import encode_jpeg
from revln.images.metadata import read_meta
from revln.images.photo import LoadedPhoto, content_hash, load_photo
from revln.images.thumbs import THUMB_SIDE, decode_thumb, encode_thumb
from revln.images.transform import Transform

__all__ = [
    "IMAGE_SUFFIXES",
    "PIXEL_LIMIT",
    "THUMB_SIDE",
    "Decoded",
    "LoadedPhoto",
    "Transform",
    "content_hash",
    "decode_image",
    "decode_thumb",
    "encode_jpeg",
    "encode_thumb",
    "load_photo",
    "open_image",
    "os_reason",
    "read_meta",
    "to_rgb",
]
