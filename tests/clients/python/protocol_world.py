"""A proxy of the script's own, in front of targets that the script serves itself."""

import json
import socket
import subprocess
import threading
import time

import requests

import world

_PROCESSES = []


class Proxy:
    """`obo-proxy run` with these routes; callers reach it by TLS at `address`, and without at `plain`."""

    def __init__(self, routes, listen=None):
        configuration = {
            "listen": [
                {
                    "address": "127.0.0.1:0",
                    "tls": {"certificate": "listener-chain.pem", "private_key": "listener.key"},
                },
                {"address": "127.0.0.1:0", **(listen or {})},
            ],
            "admin": {"address": "127.0.0.1:0"},
            "identities": {
                "default": {
                    "tenant_id": world.TENANT_ID,
                    "client_id": world.CLIENT_ID,
                    "authority": world.EMULATOR,
                    "ca_file": "ca.pem",
                    "credential": {"client_secret": world.CLIENT_SECRET},
                }
            },
            "routes": [{"scopes": [world.SCOPE_OF_B], **route} for route in routes],
        }
        path = world.DIRECTORY / f"routes-{len(_PROCESSES)}.yaml"
        # JSON is YAML.
        path.write_text(json.dumps(configuration))
        self.process = subprocess.Popen(
            [world.PROGRAM, "run", "--config", str(path)], stdout=subprocess.PIPE, text=True
        )
        _PROCESSES.append(self.process)
        self.lines = []
        serving = self._read_until_serving()
        self.address, self.plain = serving["listen"].split()
        self.address = self.address.replace("127.0.0.1", "localhost")
        threading.Thread(target=self._drain, daemon=True).start()
        self._wait_until_ready(f"http://{serving['admin']}/readyz")

    def _read_until_serving(self):
        for line in self.process.stdout:
            self.lines.append(line)
            if '"serving"' in line:
                return json.loads(line)
        raise AssertionError("".join(self.lines))

    @staticmethod
    def _wait_until_ready(address):
        for _ in range(1_000):
            if requests.get(address, timeout=30).status_code == 200:
                return
            time.sleep(0.02)
        raise AssertionError("the proxy never got ready")

    def _drain(self):
        self.lines.extend(self.process.stdout)


def stop():
    for process in _PROCESSES:
        process.terminate()
        process.wait(30)


def oid(number):
    return f"00000000-0000-4000-8000-{number:012}"


def unused_address():
    """An address that nobody listens at."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{held.getsockname()[1]}"
