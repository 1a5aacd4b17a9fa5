#!/usr/bin/env python3
"""The rules of fetching: who is asked, what they are told, how often, and what happens at once.

  fetch_rules_test.py FETCH_PROBE HANGING_RESOLVER CASE
"""

import pathlib
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "servers"))

from lying_server import LyingServer, answer, cut, head, missing, redirect, with_ranges  # noqa: E402
from fetch_probe import CANCELLED, CORRUPT, INVALID, IO, NETWORK, OFFLINE, Probe, black_hole, blob_path, chance, expect, some_bytes, SEED  # noqa: E402

program = None


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
                    "http://127.0.0.1/%zz", "file://relative", "file:", "https://a..b", "https://a." + "b" * 300,
                    "http://127.0.0.1\r\nX: y/", "https://" + "a" * 9000):
            result = probe.blob(data, bad)
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
    global program
    program = sys.argv[1]
    cases = (redirects, token, statuses, mirrors, many_threads, cancelled, files, addresses, posted)
    case = {case.__name__: case for case in cases}[sys.argv[3]]
    print(f"seed {SEED}")
    with tempfile.TemporaryDirectory() as directory:
        case(pathlib.Path(directory))


if __name__ == "__main__":
    main()
