#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""digests.py [--tshark] VIP CAPTURE: what each TCP flow of a capture at VIP (ADDRESS:PORT) carried.

Prints one tab-separated line per flow, after a header:
    client, server, k, first_frame, c2s_bytes, s2c_bytes, c2s_sha256, s2c_sha256, exact
k counts the flows between that client endpoint and the VIP, from 0; a flow starts at the pair's first packet or at a
SYN (without ACK) whose sequence number is not the flow's.  The digests are over the streams from the first byte after
the SYN up to the first gap.  exact is 1 if SYN and SYN-ACK were captured, anything was said, neither stream has a gap,
no byte was sent twice with different values, and none for the first time after a reset: a replay must then deliver
exactly these bytes.

This reads pcap (plain or .gz, Ethernet with any VLAN tags, IPv4 without fragments) and reassembles by itself, sharing
nothing with the program under test.  --tshark compares every exact flow with Wireshark's follow-stream, too, and exits
with 1 if the two disagree.
"""
import argparse
import gzip
import hashlib
import struct
import subprocess
import sys

FIN, SYN, RST, ACK = 1, 2, 4, 16
COLUMNS = "client server k first_frame c2s_bytes s2c_bytes c2s_sha256 s2c_sha256 exact".split()
MAGIC = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">"}
ETHERNET = 1


class Half:
    """One direction of a flow: the bytes by their offset from the first byte after the SYN."""

    def __init__(self):
        self.isn = None
        self.next = 0  # unwrapped offset that the next segment is expected near
        self.segments = []
        self.fin = None

    def offset(self, seq):
        """The offset of SEQ nearest to where the stream stands: 32-bit numbers wrap."""
        delta = (seq - self.isn - 1 - self.next) & 0xFFFFFFFF
        return self.next + (delta - (1 << 32) if delta >= 1 << 31 else delta)

    def add(self, seq, payload, flags):
        if self.isn is None:
            return
        start = self.offset(seq + 1 if flags & SYN else seq)
        if payload:
            self.segments.append((start, payload))
        if flags & FIN:
            self.fin = start + len(payload)
        self.next = max(self.next, start + len(payload))

    def stream(self):
        """(bytes up to the first gap, whether the stream is whole and free of contradiction)."""
        end = max([s + len(p) for s, p in self.segments] + [0])
        data, seen, whole = bytearray(end), bytearray(end), True
        for start, payload in self.segments:
            if start < 0:
                payload, start = payload[-start:], 0
            stop = start + len(payload)
            probe = len(payload) == 1 and seen.count(1, 0, stop) == stop  # keep-alive: its byte may be anything
            if start >= stop or probe:
                continue
            if seen.count(1, start, stop) == 0:
                data[start:stop] = payload
            else:
                for i, byte in enumerate(payload, start):
                    if seen[i] and data[i] != byte:
                        whole = False
                    elif not seen[i]:
                        data[i] = byte
            seen[start:stop] = b"\x01" * len(payload)
        gap = seen.find(0)
        if gap >= 0:
            return bytes(data[:gap]), False
        return bytes(data), whole and (self.fin is None or self.fin == end)


class Flow:
    def __init__(self, client, k, frame):
        self.client, self.k, self.frame = client, k, frame
        self.half = {"c2s": Half(), "s2c": Half()}
        self.reset = self.late = False

    def add(self, side, seq, flags, payload):
        half = self.half[side]
        if flags & SYN and half.isn is None:
            half.isn = seq
        known = half.next
        half.add(seq, payload, flags)
        self.late |= self.reset and half.next > known
        self.reset |= bool(flags & RST)

    def row(self, vip):
        c2s, whole_c = self.half["c2s"].stream()
        s2c, whole_s = self.half["s2c"].stream()
        shaken = self.half["c2s"].isn is not None and self.half["s2c"].isn is not None
        exact = shaken and whole_c and whole_s and not self.late and len(c2s) + len(s2c) > 0
        return dict(zip(COLUMNS, (self.client, vip, self.k, self.frame, len(c2s), len(s2c),
                                  hashlib.sha256(c2s).hexdigest(), hashlib.sha256(s2c).hexdigest(),
                                  int(exact))))


def packets(path):
    """(frame number, source, destination, seq, flags, payload) of every whole TCP segment over IPv4."""
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as f:
        raw = f.read()
    order = MAGIC.get(raw[:4])
    if order is None or struct.unpack(order + "I", raw[20:24])[0] & 0xFFFF != ETHERNET:
        sys.exit(f"{path}: not a pcap file of Ethernet frames")
    position, number = 24, 0
    while position + 16 <= len(raw):
        caplen, length = struct.unpack(order + "II", raw[position + 8:position + 16])
        frame = raw[position + 16:position + 16 + caplen]
        position, number = position + 16 + caplen, number + 1
        if caplen == length == len(frame):
            segment = parse(frame)
            if segment:
                yield (number, *segment)


def parse(frame):
    at = 12
    while frame[at:at + 2] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    if frame[at:at + 2] != b"\x08\x00":
        return None
    ip = frame[at + 2:]
    if len(ip) < 20 or ip[9] != 6 or struct.unpack("!H", ip[6:8])[0] & 0x3FFF:
        return None
    header, total = (ip[0] & 15) * 4, struct.unpack("!H", ip[2:4])[0]
    tcp = ip[header:total]
    if total > len(ip) or len(tcp) < 20:
        return None
    sport, dport, seq = struct.unpack("!HHI", tcp[:8])
    address = [".".join(map(str, ip[i:i + 4])) for i in (12, 16)]
    return f"{address[0]}:{sport}", f"{address[1]}:{dport}", seq, tcp[13], tcp[(tcp[12] >> 4) * 4:]


def flows(path, vip):
    current, count, found = {}, {}, []
    for number, source, destination, seq, flags, payload in packets(path):
        if vip not in (source, destination):
            continue
        side, client = ("c2s", source) if destination == vip else ("s2c", destination)
        flow = current.get(client)
        fresh = side == "c2s" and flags & (SYN | ACK) == SYN and flow and flow.half["c2s"].isn not in (None, seq)
        if flow is None or fresh:
            flow = current[client] = Flow(client, count.get(client, 0), number)
            count[client] = flow.k + 1
            found.append(flow)
        flow.add(side, seq, flags, payload)
    return found


def followed(path, count):
    """{(client, server): [[client bytes, server bytes], ...]} as tshark follows the streams, in their order."""
    command = ["tshark", "-n", "-q", "-r", path]
    for stream in range(count):
        command += ["-z", f"follow,tcp,raw,{stream}"]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    streams, ends, halves = {}, [], []
    for line in out.splitlines():
        if line.startswith("Filter: "):
            ends, halves = [], [bytearray(), bytearray()]
            streams[int(line.split()[-1])] = ends, halves
        elif line.startswith("Node "):
            ends.append(line.split(": ", 1)[1])
        elif line.strip() and set(line.strip()) <= set("0123456789abcdef"):
            halves[line.startswith("\t")] += bytes.fromhex(line.strip())
    result = {}
    for _, (ends, halves) in sorted(streams.items()):
        result.setdefault(tuple(ends), []).append(halves)
    return result


def compare(path, vip, rows):
    """The number of exact flows whose streams tshark reads differently."""
    streams = subprocess.run(["tshark", "-n", "-r", path, "-T", "fields", "-e", "tcp.stream"], check=True,
                             capture_output=True, text=True).stdout.split()
    follow, wrong = followed(path, max(map(int, streams), default=-1) + 1), 0
    for row in rows:
        if not row["exact"]:
            continue
        pair = follow.get((row["client"], vip), [])
        if len(pair) <= row["k"]:
            got = None
        else:
            got = tuple(hashlib.sha256(half).hexdigest() for half in pair[row["k"]])
        if got != (row["c2s_sha256"], row["s2c_sha256"]):
            wrong += 1
            print(f"{path}: tshark disagrees on {row['client']} flow {row['k']}", file=sys.stderr)
    return wrong


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--tshark", action="store_true", help="compare with tshark's follow-stream")
    options.add_argument("vip")
    options.add_argument("capture")
    given = options.parse_args()
    rows = [flow.row(given.vip) for flow in flows(given.capture, given.vip)]
    print("\t".join(COLUMNS))
    for row in rows:
        print("\t".join(str(row[name]) for name in COLUMNS))
    return 1 if given.tshark and compare(given.capture, given.vip, rows) else 0


if __name__ == "__main__":
    sys.exit(main())
