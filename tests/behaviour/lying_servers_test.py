#!/usr/bin/env python3
"""What fetching does when servers fail or lie: it hands over the right bytes or none, in bounded time and memory.

  lying_servers_test.py FETCH_PROBE HANGING_RESOLVER CASE
"""

import pathlib
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "servers"))

from lying_server import LyingServer, answer, cut, head, redirect, with_ranges  # noqa: E402
from fetch_probe import CORRUPT, NETWORK, Probe, black_hole, blob_path, chance, expect, some_bytes, SEED  # noqa: E402

program = resolver = None


def cut_off(_):
    """However much of a blob arrives, a part is never taken for it, and the rest is asked for."""
    data = some_bytes(257)
    path = blob_path(data)
    with LyingServer() as server, Probe(program, {"attempts": 1}) as probe:
        for framing in ("length", "close", "chunked"):
            for at in range(len(data)):
                server.plan(path, cut(data, at, framing))
                expect(probe.blob(data, server.origin), NETWORK, "registry test")
        assert len(server.asked()) == 3 * len(data)
        for at in range(0, len(data), 16):
            server.plan(path, cut(data, at, end="reset"))
            expect(probe.blob(data, server.origin), NETWORK)

        probe.client()
        for framing in ("length", "close", "chunked"):
            for at in range(len(data)):
                server.forget()
                server.plan(path, cut(data, at, framing, etag='"v1"'), with_ranges(data))
                assert probe.blob(data, server.origin)["status"] == 0
                first, second = server.asked()
                assert "range" not in first.headers
                assert second.headers.get("range") == (f"bytes={at}-" if at else None), (at, second)
                assert second.headers.get("if-range") == ('"v1"' if at else None)

        data = some_bytes(1 << 20)
        path = blob_path(data)
        for _ in range(100):
            at = chance.randrange(len(data))
            framing = chance.choice(("length", "close", "chunked"))
            server.plan(path, cut(data, at, framing, etag='"v1"'), with_ranges(data))
            assert probe.blob(data, server.origin)["status"] == 0
        # Without a validator, or with a weak one, parts of different files could be joined: all is sent again.
        for validator in ({}, {"etag": 'W/"v1"'}):
            server.forget()
            server.plan(path, cut(data, 1000, **validator), with_ranges(data))
            assert probe.blob(data, server.origin)["status"] == 0
            assert [request.headers.get("range") for request in server.asked()] == [None, None]
        # The file has changed meanwhile: the part does not fit, so all is sent again.
        server.forget()
        server.plan(path, cut(bytes(len(data)), 1000, etag='"v0"'), with_ranges(data, etag='"v1"'))
        assert probe.blob(data, server.origin)["status"] == 0
        assert [request.headers.get("range") for request in server.asked()] == [None, "bytes=1000-"]
        # A server that joins what does not belong together is found out, and asked once more for the whole.
        server.forget()
        server.plan(path, cut(bytes(len(data)), 1000, etag='"v1"'), with_ranges(data))
        assert probe.blob(data, server.origin)["status"] == 0
        assert [request.headers.get("range") for request in server.asked()] == [None, "bytes=1000-", None]
        # Cut off again and again: four attempts, then the mirror.
        server.forget()
        server.plan(path, cut(data, 10, etag='"v1"'))
        server.plan("/mirror" + path, with_ranges(data))
        assert probe.blob(data, server.origin, server.origin + "/mirror")["status"] == 0
        assert len(server.asked(path)) == 4 and len(server.asked("/mirror" + path)) == 1


def oversized(_):
    """More than was announced is never read, let alone kept."""
    data = some_bytes(100_000)
    path = blob_path(data)

    def endless(**headers):
        def send(connection, request):
            connection.send(head(200, **headers))
            block = bytes(65536)
            for _ in range(4096):  # 256 MiB, if anybody reads it
                connection.send(b"10000\r\n" + block + b"\r\n" if "transfer_encoding" in headers else block)
        return send

    def endless_header(connection, request):
        connection.send("HTTP/1.1 200 OK\r\n")
        for number in range(1 << 20):
            connection.send(f"X-Header-{number}: {'x' * 1000}\r\n")

    def one_long_header(connection, request):
        connection.send("HTTP/1.1 200 OK\r\nX-Long: ")
        for _ in range(1 << 16):
            connection.send("x" * 4096)

    def interim_for_ever(connection, request):
        for _ in range(1 << 20):
            connection.send("HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" * 100)

    wrong = {
        "endless": endless(),
        "endless, chunked": endless(transfer_encoding="chunked"),
        "one byte more": answer(200, data + b"x", content_length=None),
        "announces one more": answer(200, data + b"x"),
        "announces one less": answer(200, data[:-1]),
        "announces one less, sends all": answer(200, data, content_length=len(data) - 1),
        "announces a million times more": answer(200, data, content_length=len(data) * 10**6),
        "announces nonsense": answer(200, data + b"x", content_length="18446744073709551616"),
        "gzip bomb": endless(content_encoding="gzip"),
        "gzip in small": answer(200, data, content_encoding="gzip"),
    }
    with LyingServer() as server, Probe(program) as probe:
        server.plan(path, answer(200, data))
        assert probe.blob(data, server.origin)["status"] == 0  # libcurl is in memory now
        for name, lie in wrong.items():
            server.forget()
            server.plan(path, lie)
            result = probe.blob(data, server.origin)
            assert result["status"] in (CORRUPT, NETWORK), (name, result)
            assert result["seconds"] < 10 and result["grown_kib"] < 2048, (name, result)
            assert len(server.asked()) == 1, (name, "asked again for what cannot become right")
            print(f"{name}: {result['grown_kib']} KiB, {result['message']}")
        for lie in (endless_header, one_long_header, interim_for_ever):
            server.plan(path, lie)
            result = probe.blob(data, server.origin)
            expect(result, NETWORK)
            assert result["seconds"] < 20 and result["grown_kib"] < 2048, result
        # An error's page is not what was asked for, however long it is.
        for status in (404, 403):
            server.plan(path, lambda connection, request, status=status: (
                connection.send(head(status)), endless()(connection, request)))
            result = probe.blob(data, server.origin)
            expect(result, NETWORK)
            assert result["grown_kib"] < 2048, result
        # More than is announced is cut off at what was announced.
        server.plan(path, answer(200, data + b"more", content_length=len(data)))
        assert probe.blob(data, server.origin)["status"] == 0
        # Metadata has no announced size, but a limit.
        for body, status in ((b"x" * 100, 0), (b"x" * 101, NETWORK)):
            for length in (len(body), None):
                server.plan("/timestamp.json", answer(200, body, content_length=length))
                result = probe.metadata("timestamp.json", server.origin, limit=100)
                assert result["status"] == (status and CORRUPT), result
        server.plan("/timestamp.json", endless())
        result = probe.metadata("timestamp.json", server.origin, limit=16384)
        expect(result, CORRUPT, "more than 16384 bytes")
        assert result["grown_kib"] < 2048, result


def slow(_):
    """Who sends too slowly, or not at all, is given up in time; the others are not held up."""
    data = some_bytes(4000)
    path = blob_path(data)
    good = some_bytes(1000)

    def stall_after(sent):
        def send(connection, request):
            connection.send(sent)
            connection.stall()
        return send

    whole = head(200, content_length=len(data)).encode() + data
    header_end = len(whole) - len(data)
    lies = {
        "silent": stall_after(b""),
        "stalls in the header": stall_after(whole[:30]),
        "stalls after the header": stall_after(whole[:header_end]),
        "stalls in the body": stall_after(whole[:header_end + 2000]),
        "a byte a second": lambda connection, request: (connection.send(whole[:header_end]), connection.drip(data, 1.0)),
        "a byte of the header a second": lambda connection, request: connection.drip(whole, 1.0),
    }
    with LyingServer() as server, Probe(program, {"low_speed_s": 2, "connect_ms": 1000}) as probe, \
            Probe(program) as other:
        server.plan(blob_path(good), answer(200, good))
        for name, lie in lies.items():
            server.forget()
            server.plan(path, lie)
            done = threading.Event()
            waits = []

            def fetch_others():
                while not done.is_set():
                    waits.append(other.blob(good, server.origin))
                    time.sleep(0.05)
            thread = threading.Thread(target=fetch_others)
            thread.start()
            result = probe.blob(data, server.origin)
            done.set()
            thread.join()
            expect(result, NETWORK)
            # libcurl judges by the mean of the last five seconds, so a burst before the stall counts for so long.
            assert 1 < result["seconds"] < 20, (name, result)
            assert len(server.asked(path)) == 1, name
            assert len(waits) > 3 and all(wait["status"] == 0 for wait in waits), waits
            assert sorted(wait["seconds"] for wait in waits)[len(waits) // 2] < 1, waits
            print(f"{name}: {result['seconds']:.1f} s, {result['message']}")
        # The deadline holds where bytes do come.
        probe.client(deadline_ms=1500)
        server.plan(path, lambda connection, request: (connection.send(whole[:header_end]),
                                                       connection.drip(data, 0.02)))
        result = probe.blob(data, server.origin)
        expect(result, NETWORK)
        assert 1.2 < result["seconds"] < 15, result
        # So it does for the waits between attempts.
        server.forget()
        server.plan(path, answer(503, retry_after=30))
        result = probe.blob(data, server.origin)
        expect(result, NETWORK, "answers 503")
        assert result["seconds"] < 15 and len(server.asked(path)) == 1, result

        probe.client(connect_ms=1000)
        origin, kept = black_hole()
        result = probe.blob(data, origin)
        expect(result, NETWORK)
        assert 0.9 < result["seconds"] < 8, result
        server.plan(path, answer(200, data))
        result = probe.blob(data, origin, server.origin)
        assert result["status"] == 0 and result["seconds"] < 8, result
        del kept
    with Probe(program, {"connect_ms": 1000, "allow_http": True}, LD_PRELOAD=resolver) as probe:
        result = probe.blob(data, "http://hang.test")
        expect(result, NETWORK)
        assert 0.9 < result["seconds"] < 8, result


def wrong_bytes(_):
    """One wrong bit is enough."""
    data = some_bytes(4096)
    path = blob_path(data)

    def flipped(connection, request):
        bad = bytearray(data)
        bit = chance.randrange(len(data) * 8)
        bad[bit // 8] ^= 1 << bit % 8
        answer(200, bytes(bad))(connection, request)

    with LyingServer() as server, Probe(program) as probe:
        server.plan(path, flipped)
        for _ in range(1000):
            expect(probe.blob(data, server.origin), CORRUPT, "sends other bytes", path)
        assert len(server.asked()) == 1000  # and once each: asking the same server again would not help
        server.plan("/mirror" + path, answer(200, data))
        for _ in range(100):
            assert probe.blob(data, server.origin, server.origin + "/mirror")["status"] == 0


def evil_mirror(directory):
    """Whatever the first server does, the next one is asked, and only the right bytes are taken."""
    data, other = some_bytes(3000), some_bytes(3000)
    path = blob_path(data)
    secret = directory / "secret"
    secret.write_bytes(data)
    html = b"<html><body>Please log in to the hotel's network.</body></html>"
    lies = {
        "another's blob": answer(200, other),
        "a login page": answer(200, html, content_type="text/html"),
        "nothing": answer(200, b""),
        "304 that nobody asked for": answer(304),
        "204": answer(204, content_length=None),
        "206 that nobody asked for": answer(206, data[10:], content_range=f"bytes 10-2999/{len(data)}"),
        "206 of everything": answer(206, data, content_range=f"bytes 0-2999/{len(data)}"),
        "206 without a range": answer(206, data),
        "416": answer(416, content_range=f"bytes */{len(data)}"),
        "a redirect to a file": redirect(f"file://{secret}"),
        "a redirect to a private address": redirect("http://169.254.169.254/latest/meta-data/"),
        "a redirect to another private address": redirect("http://10.0.0.1:1/"),
        "a disguised address": redirect("http://0x7f.1:1/"),  # libcurl writes it plainly: it is this machine's
        "a redirect to another scheme": redirect("ftp://127.0.0.1/file"),
        "a redirect to gopher": redirect("gopher://127.0.0.1:6379/_FLUSHALL"),
        "a redirect with a password": redirect("http://user:secret@127.0.0.1/"),
        "a redirect to nowhere": redirect(""),
        "a redirect without an address": answer(302),
        "no HTTP at all": lambda connection, request: connection.send("SSH-2.0-OpenSSH_9.2\r\n"),
        "HTTP/0.9": lambda connection, request: connection.send(data),
        "a closed connection": lambda connection, request: None,
        "a reset connection": lambda connection, request: connection.reset(),
        "two lengths": lambda connection, request: connection.send(
            f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\nContent-Length: 5\r\n\r\n".encode() + data),
        "a negative length": answer(200, data + b"x", content_length=-1),
        "a wrong chunk": lambda connection, request: connection.send(
            head(200, transfer_encoding="chunked").encode() + b"zz\r\n" + data),
        "a chunk of 2^64 bytes": lambda connection, request: connection.send(
            head(200, transfer_encoding="chunked").encode() + b"10000000000000000\r\n" + data),
    }
    with LyingServer() as evil, LyingServer() as good, Probe(program) as probe:
        good.plan(path, answer(200, data))
        for name, lie in lies.items():
            evil.plan(path, lie)
            evil.forget(), good.forget()
            alone = probe.blob(data, evil.origin)
            assert alone["status"] in (CORRUPT, NETWORK), (name, alone)
            assert len(evil.asked()) <= 4, name
            if name.startswith("a redirect to a"):  # refused, which is more than to fail
                assert "not followed" in alone["message"] or "no address" in alone["message"], (name, alone)
            result = probe.blob(data, evil.origin, good.origin)
            assert result["status"] == 0 and len(good.asked()) == 1, (name, result)
            print(f"{name}: {alone['message']}")
        # A part that does not continue what is there, or of a file of another size: never joined to it.
        for range_ in ("bytes 0-2999/3000", "bytes 999-2999/3000", "bytes 1001-2999/3000", "bytes 1000-2998/3000",
                       "bytes 1000-2999/3001", "bytes 1000-2999/*", "bytes */3000", "items 1000-2999/3000", ""):
            evil.forget()
            evil.plan(path, cut(data, 1000, etag='"v1"'), answer(206, data[1000:], content_range=range_),
                      answer(200, data))
            assert probe.blob(data, evil.origin)["status"] == 0, range_
            assert [request.headers.get("range") for request in evil.asked()] == [None, "bytes=1000-", None], range_
        for status in (416, 206):
            evil.forget()
            evil.plan(path, cut(data, 1000, etag='"v1"'), answer(status))
            assert probe.blob(data, evil.origin)["status"] in (CORRUPT, NETWORK)
            assert len(evil.asked()) == 3  # once more for the whole, then no more


def main():
    global program, resolver
    program, resolver = sys.argv[1:3]
    cases = (cut_off, oversized, slow, wrong_bytes, evil_mirror)
    case = {case.__name__: case for case in cases}[sys.argv[3]]
    print(f"seed {SEED}")
    with tempfile.TemporaryDirectory() as directory:
        case(pathlib.Path(directory))


if __name__ == "__main__":
    main()
