# SPDX-License-Identifier: BSD-2-Clause
"""wire.py: frames: bytes to names, values and text. Knows no gdb.

decode() gives one flat dict per frame, in header order, so that two of them can be compared
field by field. What is cut off or is not TCP decodes as far as it goes."""
import struct

FLAGS = ((0x02, "SYN"), (0x01, "FIN"), (0x04, "RST"), (0x08, "PSH"), (0x10, "ACK"), (0x20, "URG"),
         (0x40, "ECE"), (0x80, "CWR"))
ETHERTYPES = {0x0800: "IPv4", 0x0806: "ARP", 0x86DD: "IPv6"}
VLANS = (0x8100, 0x88A8)
SPECIAL_SYN_OPTION = 253


def address(raw):
    return ".".join(str(octet) for octet in raw[:4])


def endpoint(raw):
    """The text of a struct endpoint's bytes."""
    return "%s:%d" % (address(raw), struct.unpack_from(">H", raw, 4)[0])


def endpoint_raw(text):
    """The eight bytes of a struct endpoint; ValueError if the text is not IP:PORT."""
    host, colon, port = text.rpartition(":")
    parts = host.split(".")
    if not colon or len(parts) != 4 or not port.isdigit() or not all(part.isdigit() for part in parts):
        raise ValueError("'%s' is not IP:PORT" % text)
    octets = [int(part) for part in parts]
    if max(octets) > 255 or not 0 < int(port) < 65536:
        raise ValueError("'%s' is not IP:PORT" % text)
    return bytes(octets) + struct.pack(">HH", int(port), 0)


def mac(raw):
    return ":".join("%02x" % octet for octet in raw)


def flags(bits):
    return " ".join(name for bit, name in FLAGS if bits & bit) or "no flags"


def checksum(data, start=0):
    """What the checksum field over `data` should hold, the field itself being zero in it."""
    if len(data) % 2:
        data += b"\0"
    total = start + sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def _sack(body):
    edges = struct.unpack(">%dI" % (len(body) // 4), body[: len(body) // 4 * 4])
    return "sack " + " ".join("%d-%d" % edge for edge in zip(edges[::2], edges[1::2]))


OPTIONS = {
    2: lambda body: "mss %d" % int.from_bytes(body, "big"),
    3: lambda body: "wscale %d" % int.from_bytes(body, "big"),
    4: lambda body: "sackOK",
    5: _sack,
    8: lambda body: "timestamps %d %d" % struct.unpack(">II", body) if len(body) == 8 else "timestamps?",
    SPECIAL_SYN_OPTION: lambda body: "special SYN's tag " + body.hex(),
}


def tcp_options(raw):
    texts, at = [], 0
    while at < len(raw) and raw[at] != 0:
        if raw[at] == 1:
            at += 1
            continue
        if at + 1 >= len(raw) or not 2 <= raw[at + 1] <= len(raw) - at:
            texts.append("damaged")
            break
        body = raw[at + 2: at + raw[at + 1]]
        texts.append(OPTIONS[raw[at]](body) if raw[at] in OPTIONS else "option %d" % raw[at])
        at += raw[at + 1]
    return ", ".join(texts) or "-"


def _verdict(stored, right):
    """`right` is None where not all the bytes are there."""
    if right is None:
        return "0x%04x" % stored
    same = stored == right or {stored, right} == {0, 0xFFFF}
    return "0x%04x (%s)" % (stored, "right" if same else "wrong, would be 0x%04x" % right)


def _decode_tcp(raw, ip, length, out):
    """`raw` is what there is of the `length` bytes behind the IPv4 header `ip`."""
    if len(raw) < 20:
        return
    sport, dport, seq, ack, offset, bits, window, stored = struct.unpack_from(">HHIIBBHH", raw)
    header = (offset >> 4) * 4
    pseudo = sum(struct.unpack(">4H", ip[12:20])) + 6 + len(raw)
    right = checksum(raw[:16] + b"\0\0" + raw[18:], pseudo) if len(raw) == length else None
    out.update({
        "tcp.sport": sport, "tcp.dport": dport, "tcp.seq": seq, "tcp.ack": ack, "tcp.flags": flags(bits),
        "tcp.window": window, "tcp.check": _verdict(stored, right), "tcp.options": tcp_options(raw[20:header]),
        "payload": max(length - header, 0),
    })


def decode(frame):
    """Header fields by name; addresses and flags as text, numbers as numbers."""
    out = {}
    if len(frame) < 14:
        return out
    kind, at = struct.unpack_from(">H", frame, 12)[0], 14
    out.update({"eth.dst": mac(frame[0:6]), "eth.src": mac(frame[6:12])})
    while kind in VLANS and len(frame) >= at + 4:
        out["vlan"] = struct.unpack_from(">H", frame, at)[0] & 0xFFF
        kind, at = struct.unpack_from(">H", frame, at + 2)[0], at + 4
    out["eth.type"] = ETHERTYPES.get(kind, "0x%04x" % kind)
    ip = frame[at:]
    if kind != 0x0800 or len(ip) < 20:
        return out
    header, total = (ip[0] & 15) * 4, struct.unpack_from(">H", ip, 2)[0]
    ident, fragment = struct.unpack_from(">HH", ip, 4)
    stored = struct.unpack_from(">H", ip, 10)[0]
    out.update({
        "ip.src": address(ip[12:16]), "ip.dst": address(ip[16:20]), "ip.len": total, "ip.id": ident,
        "ip.frag": "DF" if fragment == 0x4000 else "0x%04x" % fragment, "ip.ttl": ip[8], "ip.tos": ip[1],
        "ip.proto": ip[9],
        "ip.check": _verdict(stored, checksum(ip[:10] + b"\0\0" + ip[12:header])),
    })
    if ip[9] == 6 and not fragment & 0x1FFF:
        _decode_tcp(ip[header:total], ip, total - header, out)
    return out


def ends(frame):
    """Source and destination as the bytes of two struct endpoints; None if it is not IPv4 TCP."""
    at = 14
    while len(frame) >= at + 24 and struct.unpack_from(">H", frame, at - 2)[0] in VLANS:
        at += 4
    if len(frame) < at + 24 or struct.unpack_from(">H", frame, at - 2)[0] != 0x0800 or frame[at + 9] != 6:
        return None
    l4 = at + (frame[at] & 15) * 4
    if len(frame) < l4 + 4:
        return None
    return (frame[at + 12: at + 16] + frame[l4: l4 + 2] + b"\0\0",
            frame[at + 16: at + 20] + frame[l4 + 2: l4 + 4] + b"\0\0")


def summary(frame):
    """One line: who to whom, flags, numbers."""
    f = decode(frame)
    if "tcp.seq" in f:
        return "%s:%d > %s:%d  %s  seq %d ack %d  len %d" % (
            f["ip.src"], f["tcp.sport"], f["ip.dst"], f["tcp.dport"], f["tcp.flags"], f["tcp.seq"], f["tcp.ack"],
            f["payload"])
    if "ip.src" in f:
        return "%s > %s  IP protocol %d" % (f["ip.src"], f["ip.dst"], f["ip.proto"])
    return f.get("eth.type", "damaged frame")


def hexdump(data):
    lines = []
    for at in range(0, len(data), 16):
        row = data[at: at + 16]
        octets = " ".join(row[i: i + 2].hex() for i in range(0, len(row), 2))
        text = "".join(chr(octet) if 32 <= octet < 127 else "." for octet in row)
        lines.append("%04x  %-39s  %s" % (at, octets, text))
    return lines


def difference(before, after):
    """Lines `name before -> after` of what two dicts have different, in their order."""
    names = list(after) + [name for name in before if name not in after]
    return ["%s %s -> %s" % (name, before.get(name, "-"), after.get(name, "-"))
            for name in names if before.get(name) != after.get(name)]


def duration(ns):
    """A signed duration in the largest unit that keeps it exact enough to read."""
    for unit, size in (("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if abs(ns) >= size:
            return ("%.6f" % (ns / size)).rstrip("0").rstrip(".") + " " + unit
    return "%d ns" % ns
