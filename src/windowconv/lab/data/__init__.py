"""Data for the laboratory: images in memory, where they come from, and batches of them on the device."""

from windowconv.lab.data.batches import Batch, Loader
from windowconv.lab.data.gratings import gratings
from windowconv.lab.data.loader import DeviceLoader
from windowconv.lab.data.places import DataNotFound
from windowconv.lab.data.sets import ImageData, Images, ImageSet, in_memory
from windowconv.lab.data.sources import NAMES, load

__all__ = [
    "NAMES",
    "Batch",
    "DataNotFound",
    "DeviceLoader",
    "ImageData",
    "ImageSet",
    "Images",
    "Loader",
    "gratings",
    "in_memory",
    "load",
]
