from pathlib import Path

import psycopg
import redis


def test_postgres_is_real_and_has_vectors_and_trigrams(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        (version,) = connection.execute("SHOW server_version_num").fetchone() or ("0",)
        assert int(version) >= 180000
        nearest = connection.execute(
            "SELECT name FROM (VALUES ('x', '[1,0]'::vector), ('y', '[0,1]'::vector)) AS t(name, v)"
            " ORDER BY v <-> '[0.9,0]'"
        ).fetchone()
        assert nearest == ("x",)
        assert connection.execute("SELECT similarity('memory', 'memories') > 0.3").fetchone() == (True,)


def test_valkey_is_real_and_sets_a_key_once(valkey_socket: Path) -> None:
    with redis.Redis(unix_socket_path=str(valkey_socket)) as client:
        assert client.set("nonce", "1", nx=True, px=300_000) is True
        assert client.set("nonce", "1", nx=True, px=300_000) is None
        assert 0 < int(client.pttl("nonce")) <= 300_000
