"""The libraries beside ours, as far as they are installed: the extra `bench`."""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType


def _module(name: str) -> ModuleType | None:
    try:
        return import_module(name)
    except ImportError:
        return None


loro = _module("loro")
pycrdt = _module("pycrdt")
msgpack = _module("msgpack")

PEERS = {"loro": loro, "pycrdt": pycrdt, "msgpack": msgpack}


def versions() -> dict[str, str]:
    """By peer, its version, or that it is missing."""

    def of(name: str) -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            return "missing"

    return {name: of(name) if module else "missing" for name, module in PEERS.items()}


def loro_text(doc=None):
    return (doc or loro.LoroDoc()).get_text("t")


def updates_since(doc, known):
    """What Loro sends to somebody who holds the version `known`."""
    return doc.export(loro.ExportMode.Updates(known))


def snapshot(doc):
    return doc.export(loro.ExportMode.Snapshot())


def loaded(data):
    """A Loro document from its bytes."""
    doc = loro.LoroDoc()
    doc.import_(data)
    return doc
