#!/usr/bin/env python3
"""Fetching from a web server that many registries will really be on: nginx, with TLS from a throw-away authority.

  nginx_test.py FETCH_PROBE HANGING_RESOLVER CASE
"""

import os
import pathlib
import random
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "servers"))

from certificates import make_authority, make_certificate  # noqa: E402
from lying_server import LyingServer, cut, redirect  # noqa: E402
from fetch_probe import CORRUPT, NETWORK, Probe, blob_path, expect  # noqa: E402

program = None

CONFIGURATION = """
daemon off;
worker_processes 2;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
{user}
events {{ worker_connections 512; }}
http {{
  client_body_temp_path {directory}/tmp; proxy_temp_path {directory}/tmp; fastcgi_temp_path {directory}/tmp;
  uwsgi_temp_path {directory}/tmp; scgi_temp_path {directory}/tmp;
  log_format seen '$server_port $connection $request_method $uri $status "$http_authorization" "$http_range" $server_protocol';
  access_log {directory}/access.log seen;
  gzip on; gzip_types *; gzip_min_length 1;
  ssl_certificate {directory}/server.pem;
  ssl_certificate_key {directory}/server.key;
  root {directory}/files;
  server {{
    listen 127.0.0.1:{main} ssl http2;
    location / {{ }}
    location /moved/ {{ rewrite ^/moved/(.*)$ /$1 redirect; }}
    location /content/ {{ rewrite ^/content/(.*)$ https://localhost:{other}/$1?signature=secret redirect; }}
    location /down/ {{ rewrite ^/down/(.*)$ http://127.0.0.1:{plain}/$1 redirect; }}
    location /round/ {{ return 302 /round/; }}
    location /basic/ {{ alias {directory}/files/; auth_basic "files"; auth_basic_user_file {directory}/users; }}
    location /bearer/ {{
      if ($http_authorization != "Bearer good-token") {{ return 401; }}
      rewrite ^/bearer/(.*)$ https://localhost:{other}/$1 redirect;
    }}
    location /busy/ {{ return 503; }}
  }}
  server {{ listen 127.0.0.1:{other} ssl; }}
  server {{ listen 127.0.0.1:{plain}; }}
  server {{ listen 127.0.0.1:{expired} ssl; ssl_certificate {directory}/expired.pem; ssl_certificate_key {directory}/expired.key; }}
  server {{ listen 127.0.0.1:{stranger} ssl; ssl_certificate {directory}/stranger.pem; ssl_certificate_key {directory}/stranger.key; }}
  server {{ listen 127.0.0.1:{elsewhere} ssl; ssl_certificate {directory}/elsewhere.pem; ssl_certificate_key {directory}/elsewhere.key; }}
}}
"""
SERVERS = ("main", "other", "plain", "expired", "stranger", "elsewhere")


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Nginx:
    def __init__(self, directory):
        self.directory = directory
        self.authority = make_authority(directory)
        make_authority(directory, "unknown")
        make_certificate(directory, "server")
        make_certificate(directory, "expired", days=-1)
        make_certificate(directory, "stranger", authority="unknown")
        make_certificate(directory, "elsewhere", names="DNS:elsewhere.example")
        secret = subprocess.run(["openssl", "passwd", "-apr1", "pass word"], check=True, capture_output=True, text=True)
        (directory / "users").write_text(f"me:{secret.stdout}")
        (directory / "tmp").mkdir()
        (directory / "files").mkdir()
        ports = dict(zip(SERVERS, free_ports(len(SERVERS))))
        for name, port in ports.items():
            setattr(self, name, f"{'http' if name == 'plain' else 'https'}://{'127.0.0.1' if name == 'plain' else 'localhost'}:{port}")
        self.ports = ports
        user = "user root;" if os.getuid() == 0 else ""
        (directory / "nginx.conf").write_text(CONFIGURATION.format(directory=directory, user=user, **ports))

    def __enter__(self):
        self.process = subprocess.Popen([shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"), "-p",
                                         str(self.directory), "-c", "nginx.conf", "-e", str(self.directory / "error.log")],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.ports["elsewhere"])).close()
                return self
            except OSError:
                assert self.process.poll() is None, (self.directory / "error.log").read_text()
                time.sleep(0.05)
        raise AssertionError("nginx does not answer")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)

    def add(self, data):
        file = self.directory / "files" / blob_path(data)[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        return data

    def seen(self):
        """What was asked since the last call: (port, connection, method, uri, status, authorization, range, protocol)."""
        time.sleep(0.1)  # it writes the line after the answer
        log = self.directory / "access.log"
        lines = log.read_text().splitlines()
        with open(log, "w"):
            pass
        rows = []
        for line in lines:
            before, authorization, _, range_, after = line.split('"')
            rows.append((*before.split(), authorization, range_, after.strip()))
        return rows

    def probe(self, **settings):
        return Probe(program, settings, SSL_CERT_FILE=str(self.authority))


def tls(nginx):
    """Only a server whose certificate the machine's authorities vouch for, for this name and this day."""
    data = nginx.add(random.randbytes(3000))
    with nginx.probe() as probe:
        assert probe.blob(data, nginx.main)["status"] == 0
        assert nginx.seen()[0][-1] == "HTTP/2.0"
        assert probe.blob(data, nginx.other)["status"] == 0
        for wrong in (nginx.expired, nginx.stranger, nginx.elsewhere, nginx.main.replace("localhost", "127.0.0.1")):
            result = probe.blob(data, wrong)
            expect(result, NETWORK, "certificate")
            assert result["seconds"] < 8 and "attempts" not in result["message"], "what cannot help was repeated"
            assert probe.blob(data, wrong, nginx.main)["status"] == 0
        assert all(row[0] == str(nginx.ports["main"]) or row[4] == "200" for row in nginx.seen())
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        old.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.load_cert_chain(nginx.directory / "server.pem", nginx.directory / "server.key")
        with LyingServer(tls=old) as server:
            expect(probe.blob(data, server.origin), NETWORK)
            assert server.asked() == []
        # Plain text where TLS was wanted, and the other way round.
        expect(probe.blob(data, nginx.plain.replace("http://127.0.0.1", "https://localhost")), NETWORK)
        expect(probe.blob(data, nginx.main.replace("https://", "http://")), NETWORK, "answers 400")
    with Probe(program) as probe:  # the machine's own authorities know nothing of ours
        expect(probe.blob(data, nginx.main), NETWORK, "certificate")
    with Probe(program, SSL_CERT_FILE="/nowhere") as probe:
        expect(probe.blob(data, nginx.main), NETWORK)


def ranges(nginx):
    """What was begun elsewhere is continued here, if it is the same file."""
    data = nginx.add(random.randbytes(500_000))
    path = blob_path(data)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(nginx.directory / "server.pem", nginx.directory / "server.key")
    trusting = ssl.create_default_context(cafile=nginx.authority)
    with urllib.request.urlopen(nginx.other + path, context=trusting) as honest:
        etag = honest.headers["ETag"]
    nginx.seen()
    with LyingServer(tls=context) as server, nginx.probe() as probe:
        for at in (1, 1000, 499_999):
            server.plan(path, cut(data, at, etag=etag), redirect(nginx.other + path))
            assert probe.blob(data, server.origin)["status"] == 0
            assert [(row[4], row[6]) for row in nginx.seen()] == [("206", f"bytes={at}-")]
        server.plan(path, cut(data, 1000, etag='"other"'), redirect(nginx.other + path))
        assert probe.blob(data, server.origin)["status"] == 0
        assert [(row[4], row[6]) for row in nginx.seen()] == [("200", "bytes=1000-")]
        # Compressed on the way it would be other bytes; nginx is told not to, and this is what it sends.
        text = nginx.add(b"a" * 100_000)
        assert probe.blob(text, nginx.main)["status"] == 0


def redirects(nginx):
    data = nginx.add(random.randbytes(3000))
    with nginx.probe() as probe:
        assert probe.blob(data, nginx.main + "/moved")["status"] == 0
        assert probe.blob(data, nginx.main + "/content")["status"] == 0
        nginx.seen()
        expect(probe.blob(data, nginx.main + "/down"), NETWORK, "from https to http")
        assert [row[0] for row in nginx.seen()] == [str(nginx.ports["main"])]
        expect(probe.blob(data, nginx.main + "/round"), NETWORK, "more than 5 times")
        assert len(nginx.seen()) == 6
        expect(probe.blob(data, nginx.main + "/busy"), NETWORK, "answers 503 (4 attempts)")
        assert len(nginx.seen()) == 4
        missing = random.randbytes(10)
        result = probe.blob(missing, nginx.main + "/content")
        expect(result, NETWORK, "does not exist")
        assert "secret" not in result["message"]


def credentials(nginx):
    data = nginx.add(random.randbytes(3000))
    file = nginx.directory / "token"
    with nginx.probe() as probe:
        file.write_text("me:pass word\n")
        assert probe.blob(data, nginx.main + "/basic", token_file=str(file))["status"] == 0
        expect(probe.blob(data, nginx.main + "/basic"), NETWORK, "answers 401 and may want a token")
        file.write_text("me:wrong")
        expect(probe.blob(data, nginx.main + "/basic", token_file=str(file)), NETWORK, "refuses the token")
        nginx.seen()
        file.write_text("good-token")
        assert probe.blob(data, nginx.main + "/bearer", token_file=str(file))["status"] == 0
        assert [row[5] for row in nginx.seen()] == ["Bearer good-token", "-"]
        file.write_text("bad-token")
        expect(probe.blob(data, nginx.main + "/bearer", token_file=str(file)), NETWORK, "refuses the token")


def registry(nginx):
    """A registry as it is deployed: metadata, many blobs, connections used again."""
    blobs = [nginx.add(random.randbytes(random.randrange(100_000))) for _ in range(50)]
    (nginx.directory / "files/timestamp.json").write_text('{"schema": 1}')
    with nginx.probe() as probe:
        assert probe.metadata("timestamp.json", nginx.main)["text"] == '{"schema": 1}'
        assert probe.metadata("root/2.json", nginx.main).get("missing")
        nginx.seen()
        for data in blobs:
            assert probe.blob(data, nginx.main)["status"] == 0
        rows = nginx.seen()
        assert len(rows) == 50 and len({row[1] for row in rows}) == 1, "a connection for each"
        result = probe.blob(blobs[0], nginx.main, threads=64)
        assert all(outcome["status"] == 0 for outcome in result["outcomes"]), result
        assert len(nginx.seen()) == 64
        # A file that was replaced on the server is noticed.
        (nginx.directory / "files" / blob_path(blobs[0])[1:]).write_bytes(bytes(len(blobs[0])))
        expect(probe.blob(blobs[0], nginx.main), CORRUPT, "sends other bytes")


def main():
    global program
    program = sys.argv[1]
    case = {case.__name__: case for case in (tls, ranges, redirects, credentials, registry)}[sys.argv[3]]
    with tempfile.TemporaryDirectory() as directory, Nginx(pathlib.Path(directory)) as nginx:
        case(nginx)


if __name__ == "__main__":
    main()
