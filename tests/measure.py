"""Starts the program given and measures its start, its memory, and what idle connections cost."""

import os
import resource
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

CONNECTIONS = 10_000
TLS_CONNECTIONS = 2_000
STARTS = 21
REQUEST = (
    b"GET /ws HTTP/1.1\r\nHost: veche\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(program, *options):
    """Starts the program; returns it, its port, and the seconds until it accepted a connection."""
    port = free_port()
    begun = time.perf_counter()
    server = subprocess.Popen(
        [program, "--listen", f"127.0.0.1:{port}", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return server, port, time.perf_counter() - begun
        except ConnectionRefusedError:
            pass
    sys.exit(f"{program} ended with {server.returncode}")


def resident_kb(server):
    with open(f"/proc/{server.pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    sys.exit("no VmRSS: this needs Linux")


def upgrade(port, tls=None):
    connection = socket.create_connection(("127.0.0.1", port))
    if tls:
        connection = tls.wrap_socket(connection)
    connection.sendall(REQUEST)
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(4096)
    assert head.startswith(b"HTTP/1.1 101 "), head
    return connection


def measure_tls(program):
    """What an idle connection costs over TLS."""
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = (os.path.join(folder, name) for name in ("certificate.pem", "key.pem"))
        request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        request += ["-subj", "/CN=localhost", "-keyout", key, "-out", certificate]
        subprocess.run(request, check=True, stderr=subprocess.DEVNULL)
        server, port, _ = start(program, "--tls-cert", certificate, "--tls-key", key)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname = False
        tls.load_verify_locations(certificate)
        try:
            first = upgrade(port, tls)
            idle = resident_kb(server)
            held = [upgrade(port, tls) for _ in range(TLS_CONNECTIONS)]
            full = resident_kb(server)
            print(f"one idle connection, TLS     {(full - idle) * 1024 / len(held):,.0f} bytes ({len(held):,} held)")
            first.close()
        finally:
            server.kill()


def main():
    program = sys.argv[1]
    if sys.argv[2:] == ["tls"]:
        return measure_tls(program)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    connections = min(CONNECTIONS, hard - 100)

    seconds = []
    for _ in range(STARTS):
        server, port, took = start(program)
        seconds.append(took)
        server.kill()
        server.wait()
    server, port, _ = start(program)
    try:
        # One connection, so that what is made once has been made.
        first = upgrade(port)
        idle = resident_kb(server)
        held = [upgrade(port) for _ in range(connections)]
        full = resident_kb(server)
        print(f"size of the binary           {os.path.getsize(program):,} bytes")
        print(f"start to first connection    {statistics.median(seconds) * 1000:.1f} ms (median of {STARTS})")
        print(f"idle resident memory         {idle:,} kB")
        print(f"one idle connection          {(full - idle) * 1024 / len(held):.0f} bytes ({len(held):,} held)")
        first.close()
    finally:
        server.kill()


main()
