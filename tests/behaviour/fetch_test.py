#!/usr/bin/env python3
"""What fetching does when servers fail or lie: it hands over the right bytes or none, in bounded time and memory.

  fetch_test.py FETCH_PROBE HANGING_RESOLVER CASE
"""

import pathlib
import random
import socket
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "servers"))

from lying_server import LyingServer, answer, cut, head, missing, redirect, with_ranges  # noqa: E402
from fetch_probe import (CANCELLED, CORRUPT, INVALID, IO, NETWORK, OFFLINE, Probe, blob_path, sha256, expect)  # noqa: E402

program = resolver = None
SEED = random.randrange(1 << 32)
chance = random.Random(SEED)


def some_bytes(size):
    return chance.randbytes(size)


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


def black_hole():
    """An address where nobody takes a connection, and what must be kept for it to stay so."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    kept = [listener]
    for _ in range(4):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        kept.append(client)
    time.sleep(0.2)
    return f"http://127.0.0.1:{listener.getsockname()[1]}", kept


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
        "a redirect to a disguised address": redirect("http://0x7f.1/"),
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


def redirects(_):
    """Followed five times within the scheme, never further."""
    data = some_bytes(2000)
    path = blob_path(data)
    with LyingServer() as first, LyingServer() as second, Probe(program) as probe:
        for count, works in ((0, True), (1, True), (5, True), (6, False), (50, False)):
            first.forget(), second.forget()
            second.plan(f"/hop{count}", answer(200, data))
            for hop in range(count):
                target = f"/hop{hop + 1}"
                here = (first, second)[hop % 2]
                there = (first, second)[(hop + 1) % 2]
                there.plan(f"/hop{count}", answer(200, data))
                here.plan(f"/hop{hop}", redirect(there.origin + target, (301, 302, 303, 307, 308)[hop % 5]))
            first.plan(path, redirect("/hop0") if count else answer(200, data))
            if count:  # the first hop is from the blob's own address
                first.plan(path, redirect(second.origin + "/hop1"))
            result = probe.blob(data, first.origin)
            requests = len(first.asked()) + len(second.asked())
            if works:
                assert result["status"] == 0 and requests == count + 1, (count, requests, result)
            else:
                expect(result, NETWORK, "more than 5 times")
                assert requests == 6, requests
        # An address relative to the one before, and one with a query.
        first.plan(path, redirect("../elsewhere/file?signature=abc%2Fdef"))
        first.plan("/blobs/elsewhere/file?signature=abc%2Fdef", answer(200, data))
        assert probe.blob(data, first.origin)["status"] == 0
        # What grants access stays out of messages.
        first.plan("/blobs/elsewhere/file?signature=abc%2Fdef", answer(403))
        result = probe.blob(data, first.origin)
        expect(result, NETWORK, "answers 403")
        assert "signature" not in result["message"], result
        first.plan("/blobs/elsewhere/file?signature=abc%2Fdef", answer(503))
        result = probe.blob(data, first.origin)
        expect(result, NETWORK, "answers 503 (4 attempts)")
        assert "signature" not in result["message"], result
        # A part is asked for from where the redirect leads now.
        first.forget(), second.forget()
        first.plan(path, redirect(second.origin + "/a"), redirect(second.origin + "/b"))
        second.plan("/a", cut(data, 500, etag='"v1"'))
        second.plan("/b", with_ranges(data))
        assert probe.blob(data, first.origin)["status"] == 0
        assert second.asked("/b")[0].headers["range"] == "bytes=500-"


def token(directory):
    """A token goes to the server it was given for, and to no other."""
    data = some_bytes(500)
    path = blob_path(data)
    file = directory / "token"
    file.write_text("hf_secret\n")
    linked = directory / "linked"
    linked.symlink_to(file)
    bearer = "Bearer hf_secret"
    with LyingServer() as home, LyingServer() as away, LyingServer(address="127.0.0.2") as host, Probe(program) as probe:
        def sent():
            return [request.headers.get("authorization") for request in home.asked() + away.asked() + host.asked()]

        def forget():
            for server in (home, away, host):
                server.forget()

        home.plan(path, answer(200, data))
        for name in (file, linked):
            assert probe.blob(data, home.origin, token_file=str(name))["status"] == 0
        assert sent() == [bearer] * 2
        for elsewhere in (away, host):  # another port; another host
            forget()
            home.plan(path, redirect(elsewhere.origin + "/x"))
            elsewhere.plan("/x", answer(200, data))
            assert probe.blob(data, home.origin, token_file=str(file))["status"] == 0
            assert sent() == [bearer, None], sent()
            # And back again: what left is not believed any more.
            forget()
            elsewhere.plan("/x", redirect(home.origin + "/back"))
            home.plan("/back", answer(200, data))
            assert probe.blob(data, home.origin, token_file=str(file))["status"] == 0
            assert sorted(map(str, sent())) == [bearer, "None", "None"], sent()
        forget()
        home.plan(path, redirect("/inside"))
        home.plan("/inside", answer(200, data))
        assert probe.blob(data, home.origin, token_file=str(file))["status"] == 0
        assert sent() == [bearer] * 2
        # A mirror, wherever it is, is told nothing.
        forget()
        home.plan(path, answer(404))
        home.plan("/mirror" + path, answer(404))
        away.plan(path, answer(200, data))
        assert probe.blob(data, home.origin, home.origin + "/mirror", away.origin, token_file=str(file))["status"] == 0
        assert sent() == [bearer, None, None], sent()
        # Nothing of it in messages, and nothing that splits a header.
        for status in (401, 403):
            home.plan(path, answer(status))
            result = probe.blob(data, home.origin, token_file=str(file))
            expect(result, NETWORK, f"answers {status} and refuses the token")
            assert "secret" not in result["message"]
            expect(probe.blob(data, home.origin), NETWORK, "may want a token")
        forget()
        for text in ("a\r\nX-Injected: 1", "a\nb", "a\x00b", "a\x7f"):
            file.write_text(text)
            expect(probe.blob(data, home.origin, token_file=str(file)), INVALID, "token")
        expect(probe.blob(data, home.origin, token_file=str(directory / "absent")), IO, "absent")
        assert sent() == []
        file.write_text(" me:pass word \n")
        home.plan(path, answer(200, data))
        assert probe.blob(data, home.origin, token_file=str(file))["status"] == 0
        assert sent() == ["Basic bWU6cGFzcyB3b3Jk"]
        forget()
        file.write_text(" \n")
        assert probe.blob(data, home.origin, token_file=str(file))["status"] == 0
        assert sent() == [None]


def statuses(_):
    """What may pass is tried four times, what will not once."""
    data = some_bytes(500)
    path = blob_path(data)
    passing, final = (408, 429, 500, 501, 502, 503, 504, 599), (400, 401, 402, 403, 404, 405, 410, 451)
    with LyingServer() as server, Probe(program) as probe:
        for number in range(3):
            for status in passing + final:
                server.forget()
                server.plan(path, answer(status, b"an error" * 100))
                result = probe.blob(data, server.origin)
                expect(result, NETWORK, "does not exist" if status in (404, 410) else f"answers {status}")
                wanted = 4 if status in passing else 1
                assert len(server.asked()) == wanted, (status, len(server.asked()))
                # It fails, then works.
                server.forget()
                server.plan(path, answer(status), answer(200, data))
                result = probe.blob(data, server.origin)
                assert (result["status"] == 0) == (status in passing), result
        server.plan(path, answer(500), answer(429), lambda connection, request: connection.reset(), answer(200, data))
        server.forget()
        assert probe.blob(data, server.origin)["status"] == 0 and len(server.asked()) == 4

        # Waits grow, and differ from one another.
        probe.client(first_wait_ms=200, longest_wait_ms=500)
        gaps = []
        for _ in range(3):
            server.forget()
            server.plan(path, answer(503))
            expect(probe.blob(data, server.origin), NETWORK)
            times = [request.time for request in server.asked()]
            gaps.append([after - before for before, after in zip(times, times[1:])])
            assert all(low <= gap < high for gap, low, high in zip(gaps[-1], (.1, .2, .4), (5, 5, 5))), gaps
        assert len({round(gap[0], 3) for gap in gaps}) > 1, gaps

        def waited(settings, **headers):
            probe.client(**settings)
            server.forget()
            server.plan(path, answer(429, **headers), answer(200, data))
            assert probe.blob(data, server.origin)["status"] == 0
            first, second = server.asked()
            return second.time - first.time

        # The least is what was asked for; the most is far below what would be waited by mistake.
        assert 1 <= waited({}, retry_after=1) < 8
        later = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 2))
        assert 0.8 <= waited({}, retry_after=later) < 8
        assert 1 <= waited({}, ratelimit='"api";r=0;t=1') < 8
        assert 1 <= waited({}, ratelimit='"api"; r=0; t=1', ratelimit_policy='"fixed window";"api";q=500;w=300') < 8
        assert waited({}, ratelimit='"api";r=3;t=55') < 8  # there is some left: it is not this that was used up
        assert waited({}, retry_after="soon") < 8
        assert 0.3 <= waited({"longest_asked_ms": 300}, retry_after=3600) < 8
        assert 0.3 <= waited({"longest_asked_ms": 300}, retry_after="9" * 40) < 8
        assert waited({}, retry_after="Mon, 01 Jan 2001 00:00:00 GMT") < 8

        # Metadata: a 404 is an answer, and for some seconds the same one.
        probe.client(missing_ms=3000)
        server.forget()
        for _ in range(5):
            assert probe.metadata("root/2.json", server.origin).get("missing")
        assert len(server.asked()) == 1
        server.plan("/root/2.json", answer(200, b"{}"))
        time.sleep(3.1)
        assert probe.metadata("root/2.json", server.origin)["text"] == "{}"
        server.forget()
        for _ in range(3):
            assert probe.metadata("root/2.json", server.origin)["text"] == "{}"
        assert len(server.asked()) == 3  # what is there is asked for each time
        for status in (401, 403, 451):
            server.plan("/root/2.json", answer(status))
            expect(probe.metadata("root/2.json", server.origin), NETWORK)
        assert probe.blob(data, server.origin)["status"] == 0


def mirrors(directory):
    """Each in its turn; one that failed is asked last for a while."""
    data = some_bytes(500)
    path = blob_path(data)
    with LyingServer() as main, LyingServer() as mirror, Probe(program, {"rest_ms": 60000}) as probe:
        def counts():
            result = len(main.asked()), len(mirror.asked())
            main.forget(), mirror.forget()
            return result

        main.plan(path, answer(500))
        mirror.plan(path, answer(200, data))
        for wanted in ((4, 1), (0, 1), (0, 1)):
            assert probe.blob(data, main.origin, mirror.origin)["status"] == 0
            assert counts() == wanted
        # It is asked all the same when nobody else has the file, and is in favour again when it worked.
        main.plan(path, answer(200, data))
        mirror.plan(path, answer(404))
        assert probe.blob(data, main.origin, mirror.origin)["status"] == 0
        assert counts() == (1, 1)
        assert probe.blob(data, main.origin, mirror.origin)["status"] == 0
        assert counts() == (1, 0)
        # All fail: the message says what each answered.
        main.plan(path, answer(403))
        expect(probe.blob(data, main.origin, mirror.origin), NETWORK, "403", main.origin, mirror.origin, "does not exist")
        counts()

        # Metadata. What the registry itself says is missing is missing; a mirror decides only in its absence.
        probe.client()
        mirror.plan("/timestamp.json", answer(200, b"old"))
        assert probe.metadata("timestamp.json", main.origin, mirror.origin).get("missing")
        assert counts() == (1, 0)
        main.plan("/timestamp.json", answer(503))
        assert probe.metadata("timestamp.json", main.origin, mirror.origin)["text"] == "old"
        assert counts() == (4, 1)
        mirror.plan("/timestamp.json", missing)
        assert probe.metadata("timestamp.json", main.origin, mirror.origin).get("missing")
        mirror.plan("/timestamp.json", answer(500))
        expect(probe.metadata("timestamp.json", main.origin, mirror.origin), NETWORK, "timestamp.json", main.origin)
        # A directory is as good a mirror, and needs no network.
        (directory / path[1:]).parent.mkdir(parents=True)
        (directory / path[1:]).write_bytes(data)
        main.plan(path, answer(200, bytes(len(data))))
        assert probe.blob(data, main.origin, f"file://{directory}")["status"] == 0
        counts()
        probe.client(offline=True)
        assert probe.blob(data, main.origin, f"file://{directory}")["status"] == 0
        expect(probe.blob(data, main.origin, mirror.origin), OFFLINE, "forbidden")
        expect(probe.metadata("timestamp.json", main.origin), OFFLINE, "forbidden")
        expect(probe.blob(b"x", main.origin, f"file://{directory}"), OFFLINE, "forbidden", "does not exist")
        assert counts() == (0, 0)


def many_threads(_):
    """64 at once, some of the servers failing, every one of them gets its own bytes."""
    data = some_bytes(200_000)
    path = blob_path(data)

    def moody(connection, request):
        mood = chance.random()
        if mood < 0.2:
            answer(503)(connection, request)
        elif mood < 0.4 and "range" not in request.headers:
            cut(data, chance.randrange(len(data)), chance.choice(("length", "close", "chunked")), etag='"v1"')(
                connection, request)
        elif mood < 0.5:
            connection.reset()
        else:
            with_ranges(data)(connection, request)

    with LyingServer() as flaky, LyingServer() as good, Probe(program) as probe:
        flaky.plan(path, moody)
        good.plan(path, answer(200, data))
        for number in range(3):
            result = probe.blob(data, flaky.origin, good.origin, threads=64)
            assert len(result["outcomes"]) == 64
            assert all(outcome["status"] == 0 for outcome in result["outcomes"]), result["outcomes"]
            slowest = max(outcome["seconds"] for outcome in result["outcomes"])
            print(f"round {number}: slowest {slowest:.2f} s, {len(flaky.asked())} requests, {len(good.asked())} to the mirror")
        assert len(flaky.asked()) <= 3 * 64 * 4


def cancelled(_):
    """Whoever says stop is not kept waiting."""
    data = some_bytes(1 << 20)
    path = blob_path(data)
    with LyingServer() as server, LyingServer() as mirror, Probe(program) as probe:
        mirror.plan(path, answer(200, data))

        def check(longest, **when):
            result = probe.blob(data, server.origin, mirror.origin, **when)
            expect(result, CANCELLED, "cancelled")
            assert result["seconds"] < longest, result
            assert not mirror.asked(), "the mirror was asked after all"

        server.plan(path, answer(200, data))
        check(8, cancel_at=0)
        check(8, cancel_at=100_000)
        server.plan(path, lambda connection, request: connection.stall())
        check(8, cancel_after_ms=300)
        server.plan(path, lambda connection, request: (connection.send(head(200)), connection.stall()))
        check(8, cancel_after_ms=300)
        server.plan(path, answer(503, retry_after=30))
        check(8, cancel_after_ms=300)  # while it waits to try again
        origin, kept = black_hole()
        result = probe.blob(data, origin, cancel_after_ms=300)
        expect(result, CANCELLED)
        assert result["seconds"] < 8, result
        del kept
        server.plan(path, answer(200, data))
        assert probe.blob(data, server.origin)["status"] == 0


def files(directory):
    """A directory as a registry: no name and no link leads out of it."""
    data = some_bytes(500)
    path = blob_path(data)[1:]
    registry = directory / "a registry"
    (registry / path).parent.mkdir(parents=True)
    (registry / path).write_bytes(data)
    (registry / "timestamp.json").write_text("{}")
    (directory / "secret").write_text("secret")
    base = f"file://{registry}"
    with Probe(program, {"offline": True}) as probe:
        assert probe.blob(data, base)["status"] == 0
        assert probe.metadata("timestamp.json", base)["text"] == "{}"
        assert probe.metadata("absent.json", base).get("missing")
        assert probe.metadata("absent/absent.json", base).get("missing")
        (directory / "link").symlink_to(registry)
        assert probe.blob(data, f"file://{directory}/link")["status"] == 0  # the base may be one

        for wrong in ("../secret", "/secret", "a/../timestamp.json", "./timestamp.json", "a//b", "", "a/", "..", "x\0y"):
            expect(probe.metadata(wrong, base), INVALID, "no path")
        (registry / "out").symlink_to(directory / "secret")
        (registry / "folder").symlink_to(directory)
        (registry / "in").symlink_to(registry / "timestamp.json")
        for link in ("out", "folder/secret", "in", "timestamp.json/x", "blobs"):
            expect(probe.metadata(link, base), NETWORK, "cannot be read")
        expect(probe.metadata("timestamp.json", base, limit=1), CORRUPT, "at most 1")
        expect(probe.metadata("timestamp.json", f"file://{directory}/unmounted"), NETWORK, "unmounted")

        for wrong in (data[:-1], data + b"x", bytes(len(data)), b""):
            (registry / path).write_bytes(wrong)
            expect(probe.blob(data, base), CORRUPT)
        (registry / path).unlink()
        expect(probe.blob(data, base), NETWORK, "does not exist")


def addresses(_):
    """Only https, unless it is this machine, a directory, or the user says otherwise."""
    data = some_bytes(500)
    with LyingServer() as server, Probe(program) as probe:
        server.plan(blob_path(data), answer(200, data))
        server.plan("/base" + blob_path(data), answer(200, data))
        for good in (server.origin, server.origin + "/", server.origin + "/base", server.origin + "/base//",
                     f"HTTP://LOCALHOST:{server.port}"):
            assert probe.blob(data, good)["status"] == 0, good
        for bad in ("http://registry.example", "http://192.0.2.1", "ftp://127.0.0.1", "127.0.0.1", "https://", "https:///x",
                    f"http://user:password@127.0.0.1:{server.port}", f"http://127.1:{server.port}",
                    f"http://2130706433:{server.port}", f"http://0x7f000001:{server.port}",
                    f"http://0177.0.0.1:{server.port}", "http://127.0.0.1:0", "http://127.0.0.1:65536",
                    "http://127.0.0.1:x", "http://[::1", "http://[::1%25eth0]/", "http://a b/", "http://a/b c",
                    "http://127.0.0.1/?query", "http://127.0.0.1/#f", "http://127.0.0.1\\@evil.example/",
                    "http://127.0.0.1/%zz", "file://relative", "file:", "https://-", "https://a..b", "https://a." + "b" * 300,
                    "http://127.0.0.1\r\nX: y/", "https://" + "a" * 9000):
            result = probe.blob(data, bad)
            if bad == "https://-":  # a name as good as any: asked for, and not found
                continue
            expect(result, INVALID)
            assert "password" not in result["message"], result
        # With permission, and through the proxy that the environment names.
        result = probe.metadata("x", "http://registry.example", limit=10)
        expect(result, INVALID, "QUERN_ALLOW_HTTP")
    with LyingServer() as proxy:
        proxy.plan("http://registry.example" + blob_path(data), answer(200, data))
        with Probe(program, http_proxy=proxy.origin, QUERN_ALLOW_HTTP="1") as probe:
            assert probe.blob(data, "http://registry.example")["status"] == 0
            assert [request.headers["user-agent"] for request in proxy.asked()] == ["quern/0.1.0"]
            assert proxy.asked()[0].headers["accept-encoding"] == "identity"
            with LyingServer() as server:  # but not for what this machine serves
                server.plan(blob_path(data), answer(200, data))
                assert probe.blob(data, server.origin)["status"] == 0
                assert len(proxy.asked()) == 1
    with Probe(program, QUERN_CURL_PATH="/nowhere/libcurl.so") as probe:
        expect(probe.blob(data, "https://registry.example"), NETWORK, "/nowhere/libcurl.so", "QUERN_CURL_PATH")


def posted(_):
    """What is posted is sent once and goes nowhere else."""
    with LyingServer() as server, Probe(program) as probe:
        def post(text):
            server.forget()
            return probe.call(op="post", url=server.origin + "/form", body=text, limit=100)

        server.plan("/form", answer(200, b"taken"))
        for text in ("paths=a&expand=true", "", "x" * 100_000):
            result = post(text)
            assert result["status"] == 0 and result["text"] == "taken", result
            assert [(request.method, request.body.decode()) for request in server.asked()] == [("POST", text)]
        for answers, words in ((answer(503), "answers 503"), (redirect("/elsewhere", 307), "redirects what was posted"),
                               (redirect("/elsewhere", 303), "redirects what was posted"),
                               (lambda connection, request: connection.reset(), "gives no answer")):
            server.plan("/form", answers)
            expect(post("x"), NETWORK, words)
            assert len(server.asked()) == 1
        server.plan("/form", answer(200, b"x" * 101))
        expect(post("x"), CORRUPT, "at most 100")


def main():
    global program, resolver
    program, resolver = sys.argv[1:3]
    cases = (cut_off, oversized, slow, wrong_bytes, evil_mirror, redirects, token, statuses, mirrors, many_threads,
             cancelled, files, addresses, posted)
    case = {case.__name__: case for case in cases}[sys.argv[3]]
    print(f"seed {SEED}")
    with tempfile.TemporaryDirectory() as directory:
        case(pathlib.Path(directory))


if __name__ == "__main__":
    main()
