#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""odd_client.py SCENARIO: the clients of capture.sh that curl and wrk cannot play.

Runs inside the client namespace, against the VIP.  Every connection has a fixed address and port, and there is neither
chance nor concurrency: what differs between two runs is what the kernels choose.  The function's name is the
scenario's; its comments say what the connection shows.
"""
import socket
import struct
import sys
import time

VIP = ("10.77.1.10", 80)
HEAD_MAX = 65536
TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21  # linux/tcp.h; Python does not name them
REPAIR_ON, REPAIR_OFF_NO_PROBE, SEND_QUEUE = 1, -1, 2


def dial(port, address="10.77.2.11", rcvbuf=None, isn=None):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(20)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if rcvbuf:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    if isn is not None:
        s.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_ON)
        s.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, SEND_QUEUE)
        s.setsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ, struct.pack("I", isn))
        s.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF_NO_PROBE)
    s.bind((address, port))
    s.connect(VIP)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def get(path, host="a.example", version="1.1", *fields):
    return "\r\n".join((f"GET {path} HTTP/{version}", f"Host: {host}", *fields, "", "")).encode()


def post(body, host="a.example", *fields):
    head = "\r\n".join(("POST /upload HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", *fields, "", ""))
    return head.encode() + body


def read_responses(s, count):
    """Reads exactly COUNT responses that have a Content-Length; fails if the server closes first."""
    data = b""
    for _ in range(count):
        while b"\r\n\r\n" not in data:
            data += more(s)
        head, data = data.split(b"\r\n\r\n", 1)
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-l"))
        while len(data) < length:
            data += more(s)
        data = data[length:]
    assert not data, "more than the responses asked for"


def more(s):
    data = s.recv(HEAD_MAX)
    assert data, "the server closed too early"
    return data


def read_to_end(s):
    while s.recv(HEAD_MAX):
        pass


def abort(s):
    """Closes with RST instead of FIN."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def in_pieces(s, request, cuts, pause):
    start = 0
    for stop in [*cuts, len(request)]:
        s.sendall(request[start:stop])
        start = stop
        time.sleep(pause)


def pipelined():
    # Six requests for one host in one segment.
    s = dial(41001)
    s.sendall(b"".join(get(f"/1k.txt?{i}") for i in range(6)))
    read_responses(s, 6)
    s.close()
    # Two hosts in turn, in one segment.
    s = dial(41002)
    s.sendall(b"".join(get(f"/1k.txt?{i}", "ab"[i % 2] + ".example") for i in range(6)))
    read_responses(s, 6)
    s.close()
    # The other host's request while a large response is still on its way.
    s = dial(41003, rcvbuf=32768)
    s.sendall(get("/100k.txt"))
    s.recv(1000, socket.MSG_PEEK)
    s.sendall(get("/1k.txt", "b.example"))
    read_responses(s, 2)
    s.close()
    # Request heads that begin and end anywhere in a segment.
    s = dial(41004)
    request = b"".join(get(f"/1k.txt?{i}") for i in range(5))
    in_pieces(s, request, range(37, len(request), 61), 0.002)
    read_responses(s, 5)
    s.close()
    # A body is not a request, even if it looks like one; a GET for the other host follows it in the same segment.
    s = dial(41005)
    s.sendall(post(get("/not-a-request", "b.example")) + get("/10k.txt", "b.example") + post(b"x" * 300))
    read_responses(s, 3)
    s.close()
    # Pipelined, and the client shuts its side at once.
    s = dial(41006, "10.77.2.12")
    s.sendall(get("/10k.txt") + get("/1k.txt") + get("/1k.txt", "a.example", "1.1", "Connection: close"))
    s.shutdown(socket.SHUT_WR)
    read_responses(s, 3)
    read_to_end(s)
    s.close()


def slow_head():
    request = get("/10k.txt", "a.example", "1.1", "User-Agent: in pieces", "Accept: */*")
    # One piece per 30 ms, each its own segment.
    s = dial(42001)
    in_pieces(s, request, range(9, len(request), 9), 0.03)
    read_responses(s, 1)
    s.close()
    # Octet by octet, for the other host.
    s = dial(42002, "10.77.2.12")
    octets = get("/1k.txt", "b.example")
    in_pieces(s, octets, range(1, len(octets)), 0.005)
    read_responses(s, 1)
    s.close()
    # Nagle: the second small write waits in the client until the first is acknowledged.
    s = dial(42003, "10.77.2.13")
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
    for _ in range(3):
        in_pieces(s, request, (20, 40, 60), 0)
        read_responses(s, 1)
    s.close()
    # A pause in the middle of the blank line, then keep-alive with a whole head, then a switch of host in two pieces.
    s = dial(42004, "10.77.2.14")
    in_pieces(s, request, (len(request) - 2,), 0.3)
    read_responses(s, 1)
    s.sendall(request)
    read_responses(s, 1)
    in_pieces(s, get("/64k.txt", "b.example"), (30,), 0.1)
    read_responses(s, 1)
    s.close()
    # A head larger than one segment.
    s = dial(42005, "10.77.2.15")
    s.sendall(get("/1k.txt", "a.example", "1.1", *(f"X-Filler-{i}: {'f' * 120}" for i in range(25))))
    read_responses(s, 1)
    s.close()


def close_modes():
    # HTTP/1.0: the server closes.
    s = dial(43001)
    s.sendall(get("/10k.txt", "a.example", "1.0"))
    read_to_end(s)
    s.close()
    # HTTP/1.0 that asks for keep-alive; the client closes.
    s = dial(43002)
    for host in ("a.example", "b.example"):
        s.sendall(get("/10k.txt", host, "1.0", "Connection: keep-alive"))
        read_responses(s, 1)
    s.close()
    # HTTP/1.1 with Connection: close.
    s = dial(43003)
    s.sendall(get("/64k.txt", "b.example", "1.1", "Connection: close"))
    read_to_end(s)
    s.close()
    # The client shuts its side, in the request's own segment or in the next, and still gets all of the response.  Not a
    # large one: while nginx cannot write, it takes the client's FIN for a client that is gone.
    for port, flags in ((43004, socket.MSG_MORE), (43011, 0)):
        s = dial(port, "10.77.2.12")
        s.send(get("/10k.txt"), flags)
        s.shutdown(socket.SHUT_WR)
        read_responses(s, 1)
        read_to_end(s)
        s.close()
    # The client resets in the middle of a response.
    s = dial(43005, "10.77.2.12", rcvbuf=16384)
    s.sendall(get("/1m.txt"))
    for _ in range(5):
        s.recv(4096)
    abort(s)
    # The client closes without reading: its kernel answers what still comes with RST.
    s = dial(43006, "10.77.2.12")
    s.sendall(get("/64k.txt", "b.example"))
    s.close()
    # The client resets an idle keep-alive connection.
    s = dial(43007, "10.77.2.13")
    s.sendall(get("/1k.txt"))
    read_responses(s, 1)
    abort(s)
    # The server closes after its third request (keepalive_requests 3).
    s = dial(43008, "10.77.2.13")
    for _ in range(3):
        s.sendall(get("/limit/1k.txt"))
        read_responses(s, 1)
    read_to_end(s)
    s.close()
    # The server closes an idle connection (keepalive_timeout 1s).
    s = dial(43009, "10.77.2.13")
    s.sendall(get("/idle/1k.txt", "b.example"))
    read_responses(s, 1)
    read_to_end(s)
    s.close()
    # A connection that never asks.
    dial(43010, "10.77.2.14").close()


def probes():
    # The reader stops: the window closes and is probed, then opens again.
    s = dial(44001, rcvbuf=8192)
    s.sendall(get("/64k.txt"))
    time.sleep(1.5)
    read_responses(s, 1)
    s.close()
    # An idle client asks with keep-alive probes whether the server is there, then goes on with the other host.
    s = dial(44002, "10.77.2.12")
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    s.sendall(get("/10k.txt"))
    read_responses(s, 1)
    time.sleep(3.2)
    s.sendall(get("/1k.txt", "b.example"))
    read_responses(s, 1)
    s.close()


def port_reuse():
    # One client port, five connections in a row; the server closes the first three, the client resets the others.
    for host in ("a.example", "b.example", "a.example"):
        s = dial(45001)
        s.sendall(get("/10k.txt", host, "1.1", "Connection: close"))
        read_to_end(s)
        s.close()
    for path in ("/64k.txt", "/1k.txt"):
        s = dial(45001)
        s.sendall(get(path, "b.example"))
        read_responses(s, 1)
        abort(s)


def seq_wrap():
    # The client's sequence numbers pass 2^32 inside a request head, between two requests, and inside a body.
    request = get("/10k.txt")
    for port, before in ((46001, 20), (46002, len(request)), (46003, len(request) + 30000)):
        s = dial(port, isn=(1 << 32) - 1 - before)
        s.sendall(request)
        read_responses(s, 1)
        s.sendall(post(b"w" * 60000, "b.example"))
        read_responses(s, 1)
        s.sendall(request)
        read_responses(s, 1)
        s.close()
    # The SYN itself has the last number before the wrap.
    s = dial(46004, "10.77.2.12", isn=(1 << 32) - 1)
    s.sendall(get("/100k.txt"))
    read_responses(s, 1)
    s.close()


SCENARIOS = (pipelined, slow_head, close_modes, probes, port_reuse, seq_wrap)

if __name__ == "__main__":
    chosen = [scenario for scenario in SCENARIOS if sys.argv[1:] == [scenario.__name__]]
    if not chosen:
        sys.exit("usage: odd_client.py " + "|".join(scenario.__name__ for scenario in SCENARIOS))
    chosen[0]()
