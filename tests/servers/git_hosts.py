"""Private hosts of git repositories on loopback: https with a login, and ssh."""

import base64
import getpass
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from servers.certificates import self_signed
from servers.git import ssh_key
from servers.postgres import free_port

APT = "apt-get install -y git openssh-client openssh-server"
START_S = 10.0


class HttpsHost:
    """Serves the repositories below `folder` to who brings `token`, in `state` a folder of its own.

    What is asked for below `/moved` is said to stand on the host `elsewhere`. Each answer takes
    `delay_s`. With `stall` a pack breaks off half way, and the connection stays.
    """

    def __init__(self, folder: Path, token: str, state: Path) -> None:
        self.folder = folder
        self.token = token
        self.logins: list[str] = []
        self.elsewhere = ""
        self.delay_s = 0.0
        self.stall = False
        self.closing = threading.Event()
        self.certificate, key = self_signed(state, "localhost")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._server.context = context
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def url(self, path: str, options: str = "") -> str:
        return f"git+https://localhost:{self.port}/{path}{options}#main"

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    context: ssl.SSLContext

    def finish_request(self, request: socket.socket, client_address: object) -> None:
        request.settimeout(START_S)
        with self.context.wrap_socket(request, server_side=True) as encrypted:
            super().finish_request(encrypted, client_address)
            encrypted.unwrap()  # or the client takes the end for an attack

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no failure of a test."""


def _handler(host: HttpsHost) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, body: bytes) -> None:
            host.closing.wait(host.delay_s)
            login = self.headers.get("Authorization", "")
            if login:
                host.logins.append(base64.b64decode(login.removeprefix("Basic ")).decode())
            if self.path.startswith("/moved"):
                self._refuse(301, "Location", f"{host.elsewhere}{self.path}")
            elif not login or host.logins[-1].partition(":")[2] != host.token:
                self._refuse(401, "WWW-Authenticate", 'Basic realm="git"')
            else:
                self._serve(body)

        def _refuse(self, status: int, header: str, value: str) -> None:
            self.send_response(status)
            self.send_header(header, value)
            self.end_headers()

        def _serve(self, body: bytes) -> None:
            path, _, query = self.path.partition("?")
            environment = {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(host.folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            }
            command = ["git", "http-backend"]
            ran = subprocess.run(command, input=body, env=environment, capture_output=True)
            head, _, content = ran.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
            self.send_response(int(headers.pop("Status", "200").split()[0]))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if host.stall and b"PACK" in content:
                self.wfile.write(content[: len(content) // 2])
                host.closing.wait()
            else:
                self.wfile.write(content)

    return Handler


class SshHost:
    """An sshd of our own that lets us in as who we are, with the key `key`."""

    def __init__(self, state: Path) -> None:
        program = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        if program is None:
            raise RuntimeError(f"sshd is not installed; run: {APT}")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # it does not start without
        self.port = free_port()
        self.key = ssh_key(state / "key")
        host_key = ssh_key(state / "host_key")
        self.known_hosts = state / "known_hosts"
        self.known_hosts.write_text(
            f"[127.0.0.1]:{self.port} {host_key.with_suffix('.pub').read_text()}"
        )
        config = state / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {host_key}\nPidFile none\n"
            f"AuthorizedKeysFile {self.key}.pub\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        )
        self._process = subprocess.Popen(
            [program, "-D", "-f", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait()

    def url(self, repository: Path) -> str:
        return f"git+ssh://{getpass.getuser()}@127.0.0.1:{self.port}{repository}#main"

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(START_S)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise AssertionError("sshd did not start") from None
                time.sleep(0.02)
            else:
                return
