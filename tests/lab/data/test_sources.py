from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest

from windowconv.errors import InputError
from windowconv.lab.data import DataNotFound, EncodedSet, load, sources
from windowconv.lab.data import locations as places

RAW = Path("FashionMNIST/raw")


@pytest.fixture
def empty(tmp_path, monkeypatch) -> Path:
    """A working directory with nothing in it, no data folder set and no network."""
    monkeypatch.delenv("WINDOWCONV_DATA", raising=False)
    monkeypatch.chdir(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise URLError("no network in tests")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    return tmp_path


def put_fashion(raw: Path, n: int = 3) -> None:
    """Fashion-MNIST's unpacked files with `n` images."""
    raw.mkdir(parents=True)
    for prefix in ("train", "t10k"):
        images = np.full((n, 4, 4), n, np.uint8)
        head = b"\0\0\x08\x03" + b"".join(size.to_bytes(4, "big") for size in images.shape)
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + n.to_bytes(4, "big") + bytes(n))


def test_where_it_looks_and_in_which_order(empty, monkeypatch):
    given, variable, default = empty / "given", empty / "variable", empty / "data"
    monkeypatch.setenv("WINDOWCONV_DATA", str(variable))
    put_fashion(default / RAW, 1)
    assert len(load("fashion-mnist").train) == 1
    put_fashion(variable / RAW, 2)
    assert len(load("fashion-mnist").train) == 2
    put_fashion(variable / "fashion-mnist" / RAW, 3)
    assert len(load("fashion-mnist").train) == 3
    with pytest.raises(InputError, match=r"^Fashion-MNIST was not found in \S+given and"):
        load("fashion-mnist", given)  # only there
    put_fashion(given / "fashion-mnist" / RAW, 4)
    assert len(load("fashion-mnist", given).train) == 4
    assert len(load("fashion-mnist", str(given)).train) == 4


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("fashion-mnist", "put the four official .gz files into {root}/FashionMNIST/raw, or name the folder with"),
        ("cifar10", "unpack the official cifar-10-python.tar.gz into {root} (it makes cifar-10-batches-py), or"),
        ("cifar100", "unpack the official cifar-100-python.tar.gz into {root} (it makes cifar-100-python), or"),
    ],
)
def test_without_a_network_one_sentence_says_what_to_do(empty, monkeypatch, capsys, name, by_hand):
    monkeypatch.setenv("WINDOWCONV_DATA", str(empty / "images"))
    before = socket.getdefaulttimeout()
    with pytest.raises(InputError) as caught:
        load(name)
    message = str(caught.value)
    assert f"was not found in {empty / 'images'}, data and could not be downloaded (" in message
    assert "no network in tests" in message
    assert by_hand.format(root=empty / "images") in message
    assert "\n" not in message
    said = capsys.readouterr().err.splitlines()
    assert said == [line for line in said if "downloading it into" in line]
    assert len(said) == 1
    assert socket.getdefaulttimeout() == before
    assert not (empty / "images").exists()  # nothing half done, not even the folder
    with pytest.raises(InputError, match="and download=False: "):
        load(name, download=False)


def test_a_silent_network_is_given_up(empty, monkeypatch):
    """A server that accepts and never answers: the socket's timeout ends it."""
    monkeypatch.undo()
    monkeypatch.setattr(places, "TIMEOUT_S", 0.3)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"

        def fetch(_: Path) -> None:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            opener.open(url)

        source = replace(sources.SOURCES["cifar10"], fetch=fetch)
        start = time.monotonic()
        with pytest.raises(InputError, match=r"could not be downloaded \(.*timed out\)"):
            places.download(source, [empty])
        assert time.monotonic() - start < 5


def test_what_is_downloaded_is_moved_when_complete(empty, monkeypatch, capsys):
    def fetch(place: Path) -> None:
        put_fashion(place / RAW)
        (place / RAW / "extra.tmp").write_text("not kept")

    source = replace(sources.SOURCES["fashion-mnist"], fetch=fetch, keep=f"{RAW}/*ubyte")
    monkeypatch.setitem(sources.SOURCES, "fashion-mnist", source)
    assert len(load("fashion-mnist").train) == 3
    assert capsys.readouterr().err == "windowconv: Fashion-MNIST was not found in data; downloading it into data\n"
    assert [path.name for path in (empty / "data").iterdir()] == ["FashionMNIST"]
    assert len(list((empty / "data" / RAW).iterdir())) == 4
    load("fashion-mnist")
    assert capsys.readouterr().err == ""  # once only


def test_an_interrupted_download_leaves_nothing(empty, monkeypatch):
    def fetch(place: Path) -> None:
        put_fashion(place / RAW)
        raise KeyboardInterrupt

    source = replace(sources.SOURCES["fashion-mnist"], fetch=fetch)
    monkeypatch.setitem(sources.SOURCES, "fashion-mnist", source)
    with pytest.raises(KeyboardInterrupt):
        load("fashion-mnist")
    assert not list((empty / "data").iterdir())


def test_it_downloads_into_the_first_folder_that_can_be_written(empty, monkeypatch):
    # A file where a folder should be can't be written into, even by root.
    (empty / "file").write_text("")
    monkeypatch.setenv("WINDOWCONV_DATA", str(empty / "file" / "below"))
    with pytest.raises(InputError, match="into data/FashionMNIST/raw"):
        load("fashion-mnist")
    with pytest.raises(InputError, match="and no folder there can be written to: put the four"):
        load("fashion-mnist", empty / "file" / "below")


def test_folders_by_path_and_by_name_below_a_data_folder(image_folder, empty, monkeypatch):
    assert load("insects").name == "insects"  # relative to the working directory
    assert load(str(image_folder)).content_hash == load("./insects").content_hash
    (empty / "elsewhere").mkdir()
    monkeypatch.chdir(empty / "elsewhere")
    with pytest.raises(InputError, match="data='insects'; allowed"):
        load("insects")
    monkeypatch.setenv("WINDOWCONV_DATA", str(empty))
    assert load("insects").name == "insects"
    assert load("insects", empty).name == "insects"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fashon-mnist", "data='fashon-mnist'; allowed: .*or the path of a folder.*; did you mean 'fashion-mnist'"),
        ("cifar-10", "did you mean 'cifar10'"),
        ("./cifar10", "data='./cifar10': there is no such folder; allowed: an existing one"),
        ("~/no/such/folder", "there is no such folder"),
        ("file.parquet", "data='file.parquet' is a file; allowed: the folder that holds"),
        (".", "holds neither train/ and val/"),
    ],
)
def test_refuses_names(empty, name, message):
    (empty / "file.parquet").write_text("")
    with pytest.raises(InputError, match=message):
        load(name)


def test_streaming_leaves_a_folder_on_disk(image_folder, empty, monkeypatch):
    data = load("insects", image_size=6, stream=True)
    content_hash = data.content_hash
    assert isinstance(data.train, EncodedSet)
    assert isinstance(data.test, EncodedSet)
    assert (data.name, data.classes, data.train.shape) == ("insects", ("ant", "bee"), (3, 6, 6))
    monkeypatch.setenv("WINDOWCONV_DATA", str(empty))
    (empty / "elsewhere").mkdir()
    monkeypatch.chdir(empty / "elsewhere")
    assert load("insects", image_size=6, stream=True).content_hash == content_hash


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("cifar10", 8, "^stream=True; allowed: False for cifar10, which is held in memory; leave --stream out$"),
        ("gratings", None, "^stream=True; allowed: False for gratings, which is held in memory"),
        ("insects", None, "^stream=True needs --image-size, to which each image is cropped$"),
        ("insects", 0, "^image_size=0; allowed: 1 or more pixels"),
        (".", 8, r"holds neither train/ and val/ .* nor shards train-000000\.tar and .*parquet files leave --stream"),
        ("insect", 8, "data='insect'; allowed"),
    ],
)
def test_streaming_refuses(image_folder, empty, name, size, message):
    with pytest.raises(InputError, match=message):
        load(name, image_size=size, stream=True)


@pytest.mark.parametrize("stream", [False, True])
def test_imagenet_is_a_folder_below_a_data_folder(image_folder, empty, monkeypatch, stream):
    image_folder.rename(empty / "imagenet")  # in the working directory alone it isn't meant
    (empty / "data").mkdir()
    (empty / "there").mkdir()
    monkeypatch.setenv("WINDOWCONV_DATA", str(empty / "there"))
    with pytest.raises(DataNotFound) as caught:
        load("imagenet", image_size=8, stream=stream)
    assert str(caught.value) == (
        f"ImageNet was not found in {empty / 'there'}, data: put its train/WNID/ and val/WNID/, or its shards, into "
        f"{empty / 'there' / 'imagenet'}, or name any folder that holds them with --data FOLDER"
    )
    (empty / "imagenet").rename(empty / "real")
    (empty / "data" / "imagenet").symlink_to(empty / "real")
    data = load("imagenet", image_size=8, stream=stream)
    assert (data.name, len(data.train), isinstance(data.train, EncodedSet)) == ("imagenet", 6, stream)


def test_shards_in_memory_are_refused_with_a_hint(shards):
    with pytest.raises(InputError, match=r"holds neither .*; WebDataset shards need --stream$"):
        load(shards, image_size=8)


@pytest.mark.parametrize("name", ["gratings", "fashion-mnist", "."])
def test_refuses_image_sizes(empty, name):
    with pytest.raises(InputError, match="image_size=0; allowed: 1 or more pixels"):
        load(name, image_size=0)


def test_import_is_light():
    """Importing the room, and making gratings, takes neither torchvision nor pyarrow nor PIL."""
    code = (
        "import sys, windowconv.lab.data as data; data.gratings(16, 16);"
        "print([name for name in ('torchvision', 'pyarrow', 'PIL', 'scipy', 'webdataset') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_shards_in_braces_are_answered_with_their_folder():
    with pytest.raises(InputError, match=r"names shards; allowed: the folder that holds them: far/away$"):
        load("far/away/train-{000000..000146}.tar", stream=True, image_size=8)
