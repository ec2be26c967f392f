"""Data for the laboratory: images in memory or on disk, where they come from, and batches of them on the device."""

from windowconv.lab.data.batches import Batch, Loader
from windowconv.lab.data.formats.gratings import gratings
from windowconv.lab.data.loader import DeviceLoader
from windowconv.lab.data.locations import DataNotFound
from windowconv.lab.data.sets import ImageData, Images, ImageSet, in_memory
from windowconv.lab.data.sources import NAMES, load
from windowconv.lab.data.streaming.encoded import EncodedSet
from windowconv.lab.data.streaming.stream import StreamLoader

__all__ = [
    "NAMES",
    "Batch",
    "DataNotFound",
    "DeviceLoader",
    "EncodedSet",
    "ImageData",
    "ImageSet",
    "Images",
    "Loader",
    "StreamLoader",
    "gratings",
    "in_memory",
    "load",
]
