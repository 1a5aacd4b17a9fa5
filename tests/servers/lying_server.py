"""A web server that answers what a test has told it to, byte by byte, and keeps a list of what it was asked.

Nothing here parses an answer or makes it well-formed: a test that wants a lie writes it.
"""

import collections
import socket
import ssl
import struct
import threading
import time

Request = collections.namedtuple("Request", "method path headers body time connection")


class Connection:
    """One client. Each request gets its own unless the answer keeps it open."""

    def __init__(self, server, client, number):
        self.server, self.client, self.number = server, client, number

    def send(self, data):
        self.client.sendall(data if isinstance(data, bytes) else data.encode())

    def reset(self):
        """Break off so that the other side sees an error instead of an end."""
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.client.close()

    def stall(self):
        """Send nothing more until the client gives up or the server is closed."""
        self.client.settimeout(0.1)
        while not self.server.closed:
            try:
                if self.client.recv(4096) == b"":
                    return
            except TimeoutError:
                continue
            except OSError:
                return

    def drip(self, data, interval):
        for byte in data:
            if self.server.closed:
                return
            self.send(bytes([byte]))
            time.sleep(interval)


class LyingServer:
    """Plans say what a path answers: a callable of (connection, request), or a list of them, one a request, of which the
    last serves all further ones. What has no plan is a 404."""

    def __init__(self, tls=None, address="127.0.0.1"):
        self.plans, self.requests, self.closed = {}, [], False
        self.tls = tls
        self.lock = threading.Lock()
        self.connections = 0
        self.listener = socket.create_server((address, 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.origin = f"{'https' if tls else 'http'}://{'localhost' if tls else address}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True
        self.listener.close()

    def plan(self, path, *answers):
        with self.lock:
            self.plans[path] = list(answers)

    def asked(self, path=None):
        """The requests since the last forget(), of one path or all."""
        with self.lock:
            return [request for request in self.requests if path is None or request.path == path]

    def forget(self):
        with self.lock:
            self.requests.clear()

    def _accept(self):
        while not self.closed:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client, self.connections), daemon=True).start()

    def _serve(self, client, number):
        try:
            client.settimeout(30)
            if self.tls:
                client = self.tls.wrap_socket(client, server_side=True)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            request = self._read(client, number)
            if request:
                self._answer(Connection(self, client, number), request)
        except (OSError, ssl.SSLError):
            pass  # the client had enough, which a test may want
        finally:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            client.close()

    def _read(self, client, number):
        head = b""
        while b"\r\n\r\n" not in head:
            data = client.recv(65536)
            if not data:
                return None
            head += data
        head, body = head.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}
        while len(body) < int(headers.get("content-length", 0)):
            body += client.recv(65536)
        return Request(method, path, headers, body, time.monotonic(), number)

    def _answer(self, connection, request):
        with self.lock:
            self.requests.append(request)
            plan = self.plans.get(request.path, [missing])
            answer = plan.pop(0) if len(plan) > 1 else plan[0]
        answer(connection, request)


def head(status=200, **headers):
    """The beginning of an answer, header_name=value; a connection serves one request unless told otherwise."""
    lines = [f"HTTP/1.1 {status} Whatever"]
    headers.setdefault("connection", "close")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join(lines) + "\r\n\r\n"


def answer(status=200, body=b"", **headers):
    """An honest one."""
    headers.setdefault("content_length", len(body))

    def send(connection, request):
        connection.send(head(status, **headers))
        if request.method != "HEAD":
            connection.send(body)
    return send


missing = answer(404, b"no such file")


def redirect(location, status=302, **headers):
    return answer(status, b"go there", location=location, **headers)


def with_ranges(body, etag='"v1"', **headers):
    """A file as an honest server sends it, parts included."""
    def send(connection, request):
        wanted = request.headers.get("range", "")
        if wanted.startswith("bytes=") and request.headers.get("if-range", etag) == etag:
            start = int(wanted[6:].split("-")[0])
            if start >= len(body):
                return answer(416, content_range=f"bytes */{len(body)}")(connection, request)
            part = body[start:]
            return answer(206, part, etag=etag, content_range=f"bytes {start}-{len(body) - 1}/{len(body)}",
                          **headers)(connection, request)
        return answer(200, body, etag=etag, **headers)(connection, request)
    return send


def cut(body, at, framing="length", end="close", **headers):
    """`at` bytes of a body, then the end of the connection. framing: length, close, chunked."""
    def send(connection, request):
        if framing == "length":
            connection.send(head(200, content_length=len(body), **headers))
            connection.send(body[:at])
        elif framing == "close":
            connection.send(head(200, **headers))
            connection.send(body[:at])
        else:
            connection.send(head(200, transfer_encoding="chunked", **headers))
            if at:
                connection.send(f"{at:x}\r\n".encode() + body[:at] + b"\r\n")
        if end == "reset":
            connection.reset()
    return send
