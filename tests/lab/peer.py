#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""peer.py: clients and servers that curl and nginx cannot be.

    peer.py echo ADDRESS PORT              a server that sends back what it gets
    peer.py session ADDRESS PORT LINES     an interactive session with it: a line, its echo, a pause, the next
    peer.py get ADDRESS HOST FILE OPTIONS  HTTP over IPv4 with these IP options (hexadecimal); the body goes to stdout
    peer.py hold ADDRESS HOST FILE COUNT   COUNT connections, a request on each, all open at once until stdin ends
"""
import http.client
import socket
import sys
import time

PATIENCE_S = 10


def echo(address, port):
    listener = socket.create_server((address, int(port)))
    while True:
        connection = listener.accept()[0]
        while data := connection.recv(65536):
            connection.sendall(data)
        connection.close()


def session(address, port, lines):
    with socket.create_connection((address, int(port)), PATIENCE_S) as s:
        for i in range(int(lines)):
            line, got = b"line %d\n" % i, b""
            s.sendall(line)
            while len(got) < len(line):
                data = s.recv(65536)
                if not data:
                    sys.exit("closed after %d lines" % i)
                got += data
            if got != line:
                sys.exit("other bytes in line %d" % i)
            time.sleep(0.005)


def connected(address, options=b""):
    s = socket.socket()
    s.settimeout(PATIENCE_S)
    if options:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, options)
    s.connect((address, 80))
    return s


def answer(s, host, file):
    http1 = http.client.HTTPConnection(host)
    http1.sock = s
    http1.request("GET", "/" + file, headers={"Host": host + ".example.org"})
    response = http1.getresponse()
    body = response.read()
    if response.status != 200:
        sys.exit("status %d" % response.status)
    return body


def get(address, host, file, options):
    s = connected(address, bytes.fromhex(options))
    sys.stdout.buffer.write(answer(s, host, file))


def hold(address, host, file, count):
    sockets = [connected(address) for _ in range(int(count))]
    first = answer(sockets[0], host, file)
    if any(answer(s, host, file) != first for s in sockets[1:]):
        sys.exit("other bytes")
    print("holding", flush=True)
    sys.stdin.read()
    if any(answer(s, host, file) != first for s in sockets):
        sys.exit("other bytes afterwards")


if __name__ == "__main__":
    {"echo": echo, "session": session, "get": get, "hold": hold}[sys.argv[1]](*sys.argv[2:])
