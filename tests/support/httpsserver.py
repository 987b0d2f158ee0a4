# SPDX-License-Identifier: Apache-2.0
"""An HTTPS server on the loopback interface, with a CA of its own, that misbehaves on order.

    with HttpsServer(directory) as server:
        server.put("/a/disk.qcow2", data, cut=1000, times=1)
        env = {"SSL_CERT_FILE": server.ca}
        ... server.url("/a/disk.qcow2") ...
        server.requests     # [("GET", "/a/disk.qcow2", {"range": "bytes=1000-"}), ...]

Orders of put(), each for the first `times` requests of that path (None: always):

    cut=N           the connection ends after N bytes of this answer's body
    stall=N         nothing comes after N bytes, and the connection stays
    delay=S         each piece of 64 KiB comes after S seconds
    status=CODE     this status, with no file; retry_after=TEXT adds Retry-After
    redirect=URL    302
    password=N:W    401 without this name and password
    bare=True       the file without a head
    length=N        a Content-Length that is not so
    ranges=...      "yes", "no" (no Accept-Ranges, Range is ignored), "whole" (206 with
                    the whole file), "wrong" (206 from another place), "416"
    swap=DATA       this request is answered, and the file is DATA from then on
    chunked=N       the body comes in chunks, without a length, and ends after N bytes
    beyond=N        ... after N bytes more than there are
    endless=True    the file repeats without end, without a length

validators="both", "etag", "modified", "none" hold for the file; "fixed" is a
Last-Modified that stays when the file changes.
"""

import base64
import http.server
import os
import signal
import socket
import ssl
import subprocess
import threading
import time

PIECE = 65536


def _openssl(*args, cwd):
    subprocess.run(["openssl", *args], cwd=cwd, check=True, capture_output=True)


def make_certificates(dir):
    """ca.pem, server.pem with server.key, expired.pem: once per directory."""
    if os.path.exists(os.path.join(dir, "expired.pem")):
        return
    os.makedirs(dir, exist_ok=True)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    _openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
             "-subj", "/CN=holos test CA", "-addext", "basicConstraints=critical,CA:TRUE", cwd=dir)
    _openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj",
             "/CN=localhost", cwd=dir)
    with open(os.path.join(dir, "names"), "w") as f:
        f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for name, days in ("server", "2"), ("expired", "-1"):
        _openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                 "-CAcreateserial", "-out", f"{name}.pem", "-days", days, "-extfile", "names",
                 cwd=dir)


def _start(thread):
    """Signals stay with the main thread: the harness blocks them there for a moment."""
    old = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


class File:
    def __init__(self, data, validators, orders, times):
        self.data, self.validators = data, validators
        self.orders, self.times = orders, times

    @property
    def etag(self):
        return f'"{hash(self.data) & 0xffffffff:x}-{len(self.data)}"'

    @property
    def modified(self):
        if self.validators == "fixed":
            return "Thu, 01 Jan 2026 00:00:00 GMT"
        return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(hash(self.data) & 0x3fffffff))

    def take_orders(self):
        """The orders of the next request."""
        if self.times is None:
            return self.orders
        if self.times == 0:
            return {}
        self.times -= 1
        return self.orders


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "test"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.owner.answer(self)

    do_HEAD = do_GET


class HttpsServer:
    def __init__(self, dir, certificate="server"):
        make_certificates(dir)
        self.dir = dir
        self.ca = os.path.join(dir, "ca.pem")
        self.files, self.requests = {}, []
        self.lock = threading.Lock()
        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.httpd.block_on_close = False
        self.httpd.owner = self
        self.httpd.handle_error = lambda *_: None  # clients that hang up
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(dir, certificate + ".pem"),
                                os.path.join(dir, "server.key"))
        # The handshake belongs to the thread of its connection.
        self.httpd.socket = context.wrap_socket(self.httpd.socket, server_side=True,
                                                do_handshake_on_connect=False)
        self.port = self.httpd.server_address[1]
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.httpd.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self):
        _start(self.thread)
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stopping.set()
        self.httpd.shutdown()
        self.thread.join()
        self.httpd.server_close()

    def url(self, path=""):
        return f"https://localhost:{self.port}{path}"

    def put(self, path, data, validators="both", times=None, **orders):
        if isinstance(data, str):
            data = data.encode()
        with self.lock:
            self.files[path] = File(data, validators, orders, times)

    def paths(self):
        """The paths that were asked for, in order."""
        with self.lock:
            return [path for _, path, _ in self.requests]

    def count(self, path):
        return self.paths().count(path)

    def ranges(self, path):
        """The Range headers of the requests of a path, None where there was none."""
        with self.lock:
            return [headers.get("range") for _, p, headers in self.requests if p == path]

    # --- one request

    def answer(self, h):
        headers = {k.lower(): v for k, v in h.headers.items()}
        with self.lock:
            self.requests.append((h.command, h.path, headers))
            file = self.files.get(h.path)
            orders = file.take_orders() if file else {}
            data = file.data if file else b""
        if file is None:
            return self._status(h, 404)
        if "bare" in orders:
            h.wfile.write(data)
            h.close_connection = True
            return None
        if "password" in orders and headers.get("authorization") != \
                "Basic " + base64.b64encode(orders["password"].encode()).decode():
            return self._status(h, 401, **{"WWW-Authenticate": "Basic"})
        if "redirect" in orders:
            return self._status(h, 302, Location=orders["redirect"])
        if "status" in orders:
            extra = {"Retry-After": orders["retry_after"]} if "retry_after" in orders else {}
            return self._status(h, orders["status"], **extra)
        self._file(h, headers, file, data, orders)
        if "swap" in orders:
            with self.lock:
                file.data = orders["swap"]

    @staticmethod
    def _status(h, status, **extra):
        body = b"<html>an error page of the server</html>"
        h.send_response(status)
        h.send_header("Content-Length", str(len(body)))
        for name, value in extra.items():
            h.send_header(name, value)
        h.end_headers()
        h.wfile.write(body)

    @staticmethod
    def _validators(h, file):
        if file.validators in ("both", "etag"):
            h.send_header("ETag", file.etag)
        if file.validators in ("both", "modified", "fixed"):
            h.send_header("Last-Modified", file.modified)

    def _range(self, headers, file, orders):
        """The first byte to send, or None for the whole file; and its status."""
        text = headers.get("range")
        mode = orders.get("ranges", "yes")
        if text is None or mode == "no":
            return None
        if headers.get("if-range") not in (None, file.etag, file.modified):
            return None
        return int(text.split("=")[1].split("-")[0])

    def _file(self, h, headers, file, data, orders):
        first = self._range(headers, file, orders)
        mode = orders.get("ranges", "yes")
        total = len(data)
        if first is not None and (mode == "416" or first >= total):
            return self._status(h, 416, **{"Content-Range": f"bytes */{total}"})
        if first is not None and mode == "wrong":
            first = max(0, first - 7)
        if orders.get("endless"):
            return self._endless(h, data)
        body = data if first is None or mode == "whole" else data[first:]
        h.send_response(200 if first is None else 206)
        if first is not None:
            start = 0 if mode == "whole" else first
            h.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self._validators(h, file)
        if "chunked" in orders:
            h.send_header("Transfer-Encoding", "chunked")
            body = (body + bytes(orders.get("beyond", 0)))[:orders["chunked"]]
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        else:
            h.send_header("Content-Length", str(orders.get("length", len(body))))
        h.end_headers()
        if h.command == "HEAD":
            return
        self._body(h, body, orders)

    def _body(self, h, body, orders):
        end = orders.get("cut", orders.get("stall", len(body)))
        for at in range(0, min(end, len(body)), PIECE):
            if orders.get("delay") and self.stopping.wait(orders["delay"]):
                break
            h.wfile.write(body[at:min(at + PIECE, end)])
            h.wfile.flush()
        if "stall" in orders:
            self.stopping.wait(60)
        if "cut" in orders or "stall" in orders or "length" in orders:
            h.close_connection = True  # without an orderly end of TLS

    def _endless(self, h, data):
        h.send_response(200)
        h.send_header("Transfer-Encoding", "chunked")
        h.end_headers()
        while not self.stopping.is_set():
            h.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))


class ConnectProxy:
    """An HTTP proxy that knows CONNECT, and remembers where it was asked to go."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.asked = []
        _start(threading.Thread(target=self._accept, daemon=True))

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        target = head.split()[1].decode()
        self.asked.append(target)
        host, port = target.rsplit(":", 1)
        server = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        for a, b in (client, server), (server, client):
            threading.Thread(target=self._pump, args=(a, b), daemon=True).start()

    @staticmethod
    def _pump(source, sink):
        try:
            while data := source.recv(PIECE):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass
