"""Each source from its real server: taken once, changed with its origin, forgotten when it is gone."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import redis
from dulwich import porcelain
from moto.server import ThreadedMotoServer
from tests.astrocyte.sources.conftest import BANK, Begin, contents

from astrocyte.errors import AstrocyteError
from astrocyte.memory import Astrocyte
from astrocyte.sources.model import SourceUnavailable
from astrocyte.sources.runner import SourceRunner

# folders


async def test_a_folder_is_followed(engine: Astrocyte, begin: Begin, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    (folder / "one.md").write_text("# One\n\nfirst")
    (folder / "deep" / "two.txt").write_text("second")
    (folder / ".hidden").write_text("never")
    runner: SourceRunner = await begin(type="directory", path=str(folder), interval_seconds=1, tags=["note"])
    await runner.read_once()
    assert await contents(engine) == ["# One\n\nfirst", "second"]
    one = next(memory for memory in (await engine.list_memories(BANK)).memories if "One" in memory.content)
    assert (one.content_type, one.metadata, one.tags, one.retained_by) == (
        "markdown",
        {"path": "one.md"},
        ["note"],
        "service:src",
    )
    reading = asyncio.create_task(runner.read_once())
    await asyncio.sleep(0)
    (folder / "one.md").write_text("# One\n\nchanged")
    (folder / "deep" / "two.txt").unlink()
    await reading
    if await contents(engine) != ["# One\n\nchanged"]:
        await runner.read_once()  # the first change may be told before the second is made
    assert await contents(engine) == ["# One\n\nchanged"]
    assert (await engine.list_memories(BANK)).memories[0].memory_id == one.memory_id
    assert runner.health.is_healthy


async def test_after_a_restart_nothing_is_taken_twice(engine: Astrocyte, begin: Begin, tmp_path: Path) -> None:
    (tmp_path / "n").mkdir()
    (tmp_path / "n" / "a.txt").write_text("a")
    await (await begin(type="directory", path=str(tmp_path / "n"))).read_once()
    again: SourceRunner = await begin(type="directory", path=str(tmp_path / "n"))
    await again.read_once()
    assert (again.health.taken, await contents(engine)) == (0, ["a"])


async def test_what_is_no_text_is_refused_once_and_holds_nothing_up(
    engine: Astrocyte, begin: Begin, tmp_path: Path
) -> None:
    (tmp_path / "n").mkdir()
    (tmp_path / "n" / "a.bin").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "n" / "empty.txt").write_text("")
    (tmp_path / "n" / "z.txt").write_text("z")
    runner: SourceRunner = await begin(type="directory", path=str(tmp_path / "n"))
    await runner.read_once()
    assert await contents(engine) == ["z"]
    again: SourceRunner = await begin(type="directory", path=str(tmp_path / "n"))
    await again.read_once()
    assert again.health.taken == 0


async def test_a_link_does_not_lead_out_of_the_folder(engine: Astrocyte, begin: Begin, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "n").mkdir()
    (tmp_path / "n" / "link.txt").symlink_to(tmp_path / "secret.txt")
    await (await begin(type="directory", path=str(tmp_path / "n"))).read_once()
    assert await contents(engine) == []


async def test_a_folder_that_is_gone_forgets_nothing(engine: Astrocyte, begin: Begin, tmp_path: Path) -> None:
    (tmp_path / "n").mkdir()
    (tmp_path / "n" / "a.txt").write_text("a")
    await (await begin(type="directory", path=str(tmp_path / "n"))).read_once()
    (tmp_path / "n").rename(tmp_path / "moved")
    with pytest.raises(SourceUnavailable):
        await (await begin(type="directory", path=str(tmp_path / "n"))).read_once()
    assert await contents(engine) == ["a"]


async def test_a_store_that_fails_is_tried_again_and_told(
    engine: Astrocyte, begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "n").mkdir()
    (tmp_path / "n" / "a.txt").write_text("a")
    runner: SourceRunner = await begin(type="directory", path=str(tmp_path / "n"))

    async def fail(*args: Any, **kwargs: Any) -> Any:
        raise AstrocyteError("the disk is full")

    told = asyncio.Event()
    with monkeypatch.context() as patched:
        patched.setattr(engine, "retain", fail)
        patched.setattr("astrocyte.sources.runner.logger.warning", lambda *args, **kwargs: told.set())
        task = asyncio.create_task(runner.run())
        await told.wait()
        assert (runner.health.is_healthy, runner.health.message) == (False, "MEMORY_FAILED: the disk is full")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await (await begin(type="directory", path=str(tmp_path / "n"))).read_once()
    assert await contents(engine) == ["a"]


# streams


async def test_a_stream_gives_each_entry_once_and_again_what_was_not_acknowledged(
    engine: Astrocyte, begin: Begin, valkey_url: str
) -> None:
    server = redis.Redis.from_url(valkey_url)
    server.delete("facts")
    server.xadd("facts", {"payload": json.dumps({"content": "from json", "speaker": "ann"})})
    server.xadd("facts", {"content": "from fields"})
    server.xadd("facts", {"contents": "misspelt"})
    runner: SourceRunner = await begin(type="redis_stream", url=valkey_url, stream="facts")
    source = runner._source
    lost = await source.next(None)
    assert len(lost.items) == 3
    again: SourceRunner = await begin(type="redis_stream", url=valkey_url, stream="facts")
    await again.read_once()
    assert await contents(engine) == ["from fields", "from json"]
    assert server.xpending("facts", "astrocyte")["pending"] == 0
    server.xadd("facts", {"content": "later"})
    await again.read_once()
    assert await contents(engine) == ["from fields", "from json", "later"]


async def test_a_stream_that_is_not_there_is_told(begin: Begin) -> None:
    runner: SourceRunner = await begin(type="redis_stream", url="redis://127.0.0.1:1", stream="facts")
    with pytest.raises(SourceUnavailable, match="ConnectionError"):
        await runner.read_once()


# buckets


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Any]]:
    """A server that speaks S3, with a bucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
    client.create_bucket(Bucket="docs")
    yield url, client
    client.close()
    server.stop()


async def test_a_bucket_is_followed(engine: Astrocyte, begin: Begin, bucket: tuple[str, Any]) -> None:
    url, client = bucket
    for key, body in {"in/a.txt": b"a", "in/b.md": b"# b", "out/c.txt": b"c", "in/": b""}.items():
        client.put_object(Bucket="docs", Key=key, Body=body)
    where = {"type": "s3", "bucket": "docs", "prefix": "in/", "endpoint_url": url, "region": "us-east-1"}
    await (await begin(**where)).read_once()
    assert await contents(engine) == ["# b", "a"]
    client.put_object(Bucket="docs", Key="in/a.txt", Body=b"a, changed")
    client.delete_object(Bucket="docs", Key="in/b.md")
    await (await begin(**where)).read_once()
    assert await contents(engine) == ["a, changed"]
    with pytest.raises(SourceUnavailable, match="NoSuchBucket"):
        await (await begin(**(where | {"bucket": "none"}))).read_once()
    assert await contents(engine) == ["a, changed"]


# repositories


async def test_a_repository_is_followed(engine: Astrocyte, begin: Begin, tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    repository = porcelain.init(str(origin))

    def commit(message: str) -> None:
        porcelain.add(repository, [str(path) for path in origin.glob("*.*")])
        porcelain.commit(repository, message=message.encode(), author=b"a <a@b>", committer=b"a <a@b>")

    (origin / "a.md").write_text("# a")
    (origin / "b.py").write_text("b = 1")
    commit("first")
    runner: SourceRunner = await begin(type="git", url=str(origin), glob="**/*.md", interval_seconds=1)
    await runner.read_once()
    assert await contents(engine) == ["# a"]
    (origin / "a.md").write_text("# a, changed")
    (origin / "c.md").write_text("# c")
    commit("second")
    await runner.read_once()
    assert await contents(engine) == ["# a, changed", "# c"]
    with pytest.raises(SourceUnavailable):
        await (await begin(type="git", url=str(tmp_path / "nowhere"))).read_once()
    with pytest.raises(SourceUnavailable, match="refs/heads/none"):
        await (await begin(type="git", url=str(origin), branch="none")).read_once()
    repository.close()
