#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""packetdrill2miresga.py: packetdrill's scripts as scenarios for `miresga script`.

A packetdrill script tests one end point, the server. Here it tests that nobody notices what stands
before that server: its inbound packets are sent at `client` and must come out at `be0.stack`; what the
script expects of the server is sent at `be0.stack` and must come out at `client`, with the numbers of
the other side. System calls say what the server does, which the packets say as well: they are left out.

A load balancer needs a request to choose a server by. So each connection gets one, directly behind the
client's handshake: its head precedes the script's own data, which becomes the request's body, and every
number of the client's stream moves on by its length. The server's data begins with the head of a response.

Reads packetdrill's own text, or event lists in JSON: {"source": .., "events": [..]}, where an event has
"dir" ("to_lb", "from_lb"), "t", "flags", "seq", "seq_end", "len", "ack", "win" and "opts", or "call".
What cannot be said so is skipped, with the reason. docs/scripts.md tells more."""

import argparse
import collections
import json
import os
import re
import sys

RESPONSE = 'HTTP/1.1 200 OK\r\n\r\n'  # its body ends with the connection (RFC 9112 section 6.3)
WSCALE_OPEN = 7  # of a SYN-ACK that the script leaves open
FAST_OPEN = 'Fast Open: the switch takes no data in a SYN and gives no cookies'
NO_HANDSHAKE = 'no handshake that the script completes'
ACTIVE_OPEN = 'the script opens the connection itself'
OPEN_OPTIONS = "the client's options are left open"
NOT_TCP = 'a packet that is not plain TCP over IPv4'
NO_EVENT = 'text that is no event'
NO_PACKETS = 'no packets'
STRANGE_FIN = 'a FIN that acknowledges what nobody sent: past an entry the front-end cannot know what was sent'
STRANGE_OPTION = 'a TCP option that scenarios do not have'
OPTIONS_KEPT = ('mss', 'sackOK', 'wscale', 'TS', 'sack', 'nop', 'eol', 'FO')

CONFIG = '''config {
vip: 10.0.1.10:80
backends:
  - {name: server, address: 198.18.0.1:80}
pools:
  - {name: all, backends: [server]}
rules:
  - {pool: all, offload: %s}
frontends:
  count: 1
  flows: 1024
  buffers: 64
switch:
  table:
    stages: 1
    blocks: 1
agent:
  entries: 1024
}
'''


class Skip(Exception):
    """Why a script is not translated. `kind` is the class of the reason, `detail` what it is about."""

    def __init__(self, kind, detail=''):
        super().__init__(kind + (': ' + detail if detail else ''))
        self.kind = kind


class Packet:
    def __init__(self, inbound, at_us, flags, seq, end, length):
        self.inbound, self.at_us, self.flags = inbound, at_us, flags
        self.seq, self.end, self.length = seq, end, length
        self.ack = self.win = None
        self.options = []  # (word, [numbers]); None: the script leaves them open

    def has(self, flag):
        return flag in self.flags


# ---- what is read ----

def parse_option(text):
    words = text.split()
    if not words:
        return None
    word, rest = words[0], words[1:]
    if word == 'FOEXP':
        raise Skip(FAST_OPEN)
    if word not in OPTIONS_KEPT:
        raise Skip(STRANGE_OPTION, word)
    if word == 'TS' and rest and rest[0] == 'val':
        return word, [int(rest[1]), int(rest[3])]
    if word == 'sack':
        return word, [tuple(int(n) for n in block.split(':')) for block in rest]
    if word == 'FO':
        return word, rest
    return word, [int(n) for n in rest]


def parse_options(text):
    if text is None:
        return []
    if text.strip() == '...':
        return None
    return [o for o in map(parse_option, text.split(',')) if o]


class Clock:
    """packetdrill's times as microseconds from the start. Of a range, its beginning: what is sent has one time."""

    def __init__(self):
        self.now_us = 0

    def move(self, text):
        if not text or text == '*':
            return self.now_us
        first = re.split(r'~|\.\.\.', text)[0]
        us = round(float(first.lstrip('+')) * 1000000)
        self.now_us = self.now_us + us if first.startswith('+') else max(us, self.now_us)
        return self.now_us


def read_json(document):
    clock, packets = Clock(), []
    for event in document['events']:
        at_us = clock.move(event.get('t'))
        if 'dir' not in event:
            continue
        p = Packet(event['dir'] == 'to_lb', at_us, event['flags'], event['seq'], event['seq_end'], event['len'])
        p.ack, p.win = event['ack'], event['win']
        p.options = parse_options(event['opts'])
        packets.append(p)
    return packets


TIME = r'(?:\*|\+?\d*\.?\d+(?:(?:~|\.\.\.)\+?\d*\.?\d+)?)'
STATEMENT = re.compile(r'\s*(%s)(?=\s|$)\s*(.*)' % TIME, re.S)
TCP = re.compile(r'(?P<flags>[SFRPUEW.]+|-)\s+(?P<seq>\d+)(?::(?P<end>\d+))?\((?P<len>\d+)\)'
                 r'(?:\s+ack\s+(?P<ack>\d+))?(?:\s+win\s+(?P<win>\d+))?(?:\s+urg\s+\d+)?'
                 r'(?:\s*<(?P<opts>[^>]*)>)?\s*$')
MARKS = re.compile(r'(?:\[(?:noecn|ect0|ect1|ect01|ce)\]|\(tos 0x[0-9a-fA-F]+\))\s*')


def blank(match):
    return '\n' * match.group(0).count('\n')


def statements(text):
    """(line, time, what happens) of a script's text."""
    text = re.sub(r'/\*.*?\*/|%\{.*?\}%|`[^`]*`|//[^\n]*|^\s*#[^\n]*', blank, text, flags=re.S | re.M)
    current = None
    for number, line in enumerate(text.split('\n'), 1):
        if line.startswith('--'):
            if re.match(r'--ip_version=ipv6\b', line):
                raise Skip(NOT_TCP, 'IPv6')
            continue
        m = STATEMENT.match(line)
        if m:
            if current:
                yield current
            current = (number, m.group(1), m.group(2).strip())
        elif line.strip():
            if not current:
                raise Skip(NO_EVENT, 'line %d' % number)
            current = (current[0], current[1], current[2] + ' ' + line.strip())
    if current:
        yield current


def read_packet(line, at_us, text):
    inbound, rest = text[0] == '<', MARKS.sub('', text[1:].strip())
    m = TCP.match(rest)
    if not m:
        word = rest.split()[0] if rest.split() else 'nothing'
        raise Skip(NOT_TCP, 'line %d, %s' % (line, word))
    seq, length = int(m.group('seq')), int(m.group('len'))
    p = Packet(inbound, at_us, m.group('flags'), seq, int(m.group('end') or seq + length), length)
    p.ack = int(m.group('ack')) if m.group('ack') else None
    p.win = int(m.group('win')) if m.group('win') else None
    p.options = parse_options(m.group('opts'))
    return p


def read_text(text):
    clock, packets = Clock(), []
    for line, time, what in statements(text):
        at_us = clock.move(time)
        if what[:1] in ('<', '>'):
            packets.append(read_packet(line, at_us, what))
        elif what and not re.match(r'\w+\s*\(', what):
            raise Skip(NO_EVENT, 'line %d' % line)
    return packets


# ---- what is written ----

def symbol(name, n):
    return name if n == 0 else '%s%+d' % (name, n)


def quoted(text):
    return '"%s"' % text.replace('\r', '\\r').replace('\n', '\\n')


def option_value(options, word):
    return next((values for name, values in options or [] if name == word), None)


class Connection:
    """One client of the scenario: its SYN, and what both ends have said since."""

    def __init__(self, number, syn, data):
        suffix = str(number) if number > 1 else ''
        self.client, self.L, self.S, self.T = 'C' + suffix, 'L' + suffix, 'S' + suffix, 'V' + suffix
        self.address = '192.0.2.1:%d' % (39999 + number)
        self.syn, self.synack = syn, None
        self.data = data  # bytes that the client sends in all
        self.request = ''
        self.sent = 1  # the server's next number
        self.timestamps = option_value(syn.options, 'TS')
        self.server_ts0 = 0  # what the SYN-ACK says; the client sees V instead
        self.stamped = False

    def head(self):
        if not self.data:
            return 'GET /packetdrill HTTP/1.1\r\nHost: packetdrill\r\n\r\n'
        return 'POST /packetdrill HTTP/1.1\r\nHost: packetdrill\r\nContent-Length: %d\r\n\r\n' % self.data

    def up(self, n):
        """A number of the client's stream: the request's head stands before the script's first byte."""
        return n + len(self.request) if n >= 1 else n


class Translation:
    def __init__(self, packets, offload):
        self.packets, self.offload = packets, offload
        self.lines, self.settings = [], []
        self.connections = []
        self.at_us = 0
        # One switch, one setting: of ECN too, though a script's servers may differ.
        self.ecn = any(p.has('S') and p.has('E') and not p.inbound for p in packets)

    def connection(self):
        return self.connections[-1]

    def say(self, what, at_us=None):
        delta = max(0, (at_us if at_us is not None else self.at_us) - self.at_us)
        self.at_us += delta
        self.lines.append(('+%.6f' % (delta / 1e6)).rstrip('0').rstrip('.') + ' ' + what)

    # -- packets: the client's stream has one numbering, the server's two; so have the server's timestamps --

    def options(self, options, edge, stamps):
        out = []
        for word, values in options or []:
            if word == 'sack':
                out.append('sack ' + ' '.join('%s:%s' % (edge(a), edge(b)) for a, b in values))
            elif word == 'TS':
                out.append('TS val %s ecr %s' % stamps(*values))
            else:
                out.append(' '.join([word] + [str(v) for v in values]))
        return ' <%s>' % ','.join(out) if out else ''

    def tcp(self, p, base, stamps):
        """The packet where the server's stream counts from the symbol `base`."""
        c = self.connection()

        def of_client(n):
            return str(c.up(n))

        def of_server(n):
            return symbol(base, n)

        seq, ack = (of_client, of_server) if p.inbound else (of_server, of_client)
        text = RESPONSE[p.seq - 1:p.seq - 1 + p.length] if not p.inbound and p.seq >= 1 else ''
        if text:
            text = ' %s%s' % (quoted(text), '...' if len(text) < p.length else '')
        return '%s %s:%s(%d)%s%s%s%s' % (
            p.flags, seq(p.seq), seq(p.seq + p.length), p.length, ' ack ' + ack(p.ack) if p.ack is not None else '',
            ' win %d' % p.win if p.win is not None else '', self.options(p.options, ack, stamps), text)

    def seen_by_client(self, p):
        c = self.connection()

        def stamps(val, ecr):
            if p.inbound:
                return val, symbol(c.T, ecr - c.server_ts0)
            return symbol(c.T, val - c.server_ts0), ecr

        return self.tcp(p, c.L, stamps)

    def seen_by_server(self, p):
        return self.tcp(p, self.connection().S, lambda val, ecr: (val, ecr))

    # -- the handshake --

    def open(self, p):
        total = 0
        for q in self.packets[self.packets.index(p) + 1:]:
            if q.inbound and q.has('S'):
                break
            if q.inbound:
                total = max(total, q.seq + q.length - 1)
        if p.options is None:
            raise Skip(OPEN_OPTIONS)
        if option_value(p.options, 'FO') is not None:
            raise Skip(FAST_OPEN)
        self.connections.append(Connection(len(self.connections) + 1, p, total))
        c = self.connection()
        self.say('client %s < %s 0:%d(%d) win %d%s' %
                 (c.client, p.flags, p.length, p.length, p.win if p.win is not None else 65535,
                  self.options(p.options, str, lambda a, b: (a, b))), p.at_us)

    def answered(self, p):
        """The server's SYN-ACK: to the client the switch says it, with what it has been told to announce."""
        c = self.connection()
        if c.synack:
            return  # again: the switch answers a SYN as often as it comes, and nobody else does
        if p.ack != c.syn.seq + 1 or p.length:
            raise Skip(FAST_OPEN)
        offered = c.syn.options
        if p.options is None:
            p.options = [(w, {'mss': [1460], 'wscale': [WSCALE_OPEN], 'TS': [1000, v and v[0]]}.get(w, v))
                         for w, v in offered if w in ('mss', 'sackOK', 'wscale', 'TS')]
        if c.timestamps and not option_value(p.options, 'TS'):
            c.timestamps = None
        c.synack = p
        announced = ['mss *']
        if option_value(offered, 'sackOK') is not None:
            announced.append('sackOK')
        if c.timestamps:
            c.server_ts0, c.stamped = option_value(p.options, 'TS')[0], True
            announced.append('TS val %s ecr %d' % (c.T, c.timestamps[0]))
        if option_value(offered, 'wscale') is not None:
            announced.append('wscale *')
        self.say('client %s > %s %s:%s(0) ack 1 <%s>' %
                 (c.client, 'SE.' if self.ecn and c.syn.has('E') else 'S.', c.L, c.L, ','.join(announced)))

    def ask(self, p):
        """The request, and the server's handshake. `p` is the client's first packet after its SYN."""
        c = self.connection()
        if not c.synack:
            raise Skip(NO_HANDSHAKE)
        if p.inbound and (p.has('R') or not p.has('.') or p.ack != 1):
            raise Skip(NO_HANDSHAKE)
        if p.inbound and not option_value(p.options, 'TS'):
            c.timestamps = None  # a client that does not use what it offered: the special SYN has none either
            c.synack.options = [o for o in c.synack.options if o[0] != 'TS']
        c.request = c.head()
        n, win = len(c.request), p.win if p.inbound and p.win is not None else 65535
        stamps = option_value(p.options, 'TS') if p.inbound else None
        stamps = stamps or c.timestamps or [0, 0]
        outside = inside = ''
        if c.timestamps:
            ecr = stamps[1] if p.inbound else c.server_ts0
            outside = ' <nop,nop,TS val %d ecr %s>' % (stamps[0], symbol(c.T, ecr - c.server_ts0))
            inside = ' <TS val %d ecr %d>' % (stamps[0], ecr)
        said = 'P. 1:%d(%d) ack %%s%s%%s %s' % (1 + n, n, ' win %d' % win, quoted(c.request))
        self.say('client %s < %s' % (c.client, said % (c.L + '+1', outside)), p.at_us)
        syn = []
        for word, values in c.syn.options:
            if word == 'mss':
                syn.append('mss *')
            elif word == 'TS' and c.timestamps:
                syn.append('TS val %d ecr *' % stamps[0])
            elif word in ('sackOK', 'wscale'):
                syn.append(' '.join([word] + [str(v) for v in values]))
        self.say('be0.stack %s > %s 0:0(0) <%s>' %
                 (c.client, 'SEW' if self.ecn and c.syn.has('E') else 'S', ','.join(syn)))
        self.say('be0.stack %s < %s %s:%s(0) ack 1 win %d%s' %
                 (c.client, c.synack.flags, c.S, c.S, c.synack.win if c.synack.win is not None else 65535,
                  self.options(c.synack.options, str, lambda val, ecr: (val, stamps[0]))))
        self.say('be0.stack %s > %s' % (c.client, said % (c.S + '+1', inside)))

    # -- what follows --

    def inbound(self, p):
        c = self.connection()
        if not c.synack:
            raise Skip(NO_HANDSHAKE)
        if not c.request:
            bare = p.length == 0 and p.flags in ('.', 'P.') and p.ack == 1 and p.seq == 1
            if bare:
                self.say('client %s < %s' % (c.client, self.seen_by_client(p)), p.at_us)
            self.ask(p)
            if bare:
                return
        if self.offload == 'always' and p.has('F') and p.ack is not None and p.ack > c.sent:
            raise Skip(STRANGE_FIN)
        self.say('client %s < %s' % (c.client, self.seen_by_client(p)), p.at_us)
        self.say('be0.stack %s > %s' % (c.client, self.seen_by_server(p)))

    def outbound(self, p):
        c = self.connection()
        if p.has('S'):
            if not p.has('.'):
                raise Skip(ACTIVE_OPEN)
            self.answered(p)
            return
        if not c.request:
            self.ask(p)
        c.sent = max(c.sent, p.seq + p.length + p.has('F'))
        self.say('be0.stack %s < %s' % (c.client, self.seen_by_server(p)), p.at_us)
        self.say('client %s > %s' % (c.client, self.seen_by_client(p)))

    def run(self):
        if not self.packets:
            raise Skip(NO_PACKETS)
        for p in self.packets:
            if p.inbound and p.has('S') and not p.has('.'):
                self.open(p)
            elif not self.connections:
                raise Skip(NO_HANDSHAKE if p.inbound else ACTIVE_OPEN)
            elif p.inbound:
                self.inbound(p)
            else:
                self.outbound(p)
        c = self.connection()
        if c.synack and not c.request:
            raise Skip(NO_HANDSHAKE)

    def settings_text(self):
        out = []
        first = next((c.synack for c in self.connections if c.synack), None)
        scale = option_value(first.options, 'wscale') if first else None
        mss = option_value(first.options, 'mss') if first else None
        if scale:
            out.append('set switch.wscale %d' % scale[0])
        if mss and mss[0] >= 536:
            out.append('set switch.mss %d' % mss[0])
        if any(c.stamped for c in self.connections):
            out.append('set switch.timestamps true')
        if self.ecn:
            out.append('set switch.ecn true')
        for c in self.connections:
            out.append('client %s %s isn %d' % (c.client, c.address, c.syn.seq))
        return '\n'.join(out) + '\n'

    def text(self, source):
        return '// %s, by packetdrill2miresga.py\n\n%s%s\n%s\n' % (
            source, CONFIG % self.offload, self.settings_text(), '\n'.join(self.lines))


def translate(path, offload):
    """The scenario of one file."""
    with open(path, encoding='utf-8', errors='replace') as f:
        text = f.read()
    if path.endswith('.json'):
        document = json.loads(text)
        source, packets = document.get('source', os.path.basename(path)), read_json(document)
    else:
        source, packets = os.path.basename(path), read_text(text)
    t = Translation(packets, offload)
    t.run()
    return t.text(source)


def inputs(operands):
    """(file, its name below the output folder)"""
    for operand in operands:
        if not os.path.isdir(operand):
            yield operand, os.path.basename(operand)
            continue
        for folder, folders, names in os.walk(operand):
            folders.sort()
            for name in sorted(names):
                if name.endswith(('.pkt', '.json')):
                    path = os.path.join(folder, name)
                    yield path, os.path.relpath(path, operand)


def write(text, folder, name):
    if not folder:
        sys.stdout.write(text)
        return
    path = os.path.join(folder, os.path.splitext(name)[0] + '.pkt')
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)


def main():
    parser = argparse.ArgumentParser(
        description="Translates packetdrill's scripts (.pkt, or event lists in .json) for 'miresga script'.",
        epilog='example: packetdrill2miresga.py -o converted gtests/net/tcp && miresga script converted')
    parser.add_argument('operands', nargs='+', metavar='FILE|DIR')
    parser.add_argument('-o', '--output', metavar='DIR', help='write NAME.pkt there instead of to standard output')
    parser.add_argument('--offload', choices=('never', 'auto', 'always'), default='auto',
                        help="the rule's offload mode (auto)")
    options = parser.parse_args()
    translated, skipped = 0, collections.Counter()
    for path, name in inputs(options.operands):
        try:
            text = translate(path, options.offload)
            translated += 1
            write(text, options.output, name)
        except Skip as skip:
            skipped[skip.kind] += 1
            print('%s: skipped: %s' % (path, skip), file=sys.stderr)
        except (OSError, ValueError, LookupError, TypeError) as error:
            sys.exit('%s: error: %s' % (path, error))
    left = sum(skipped.values())
    print('%d script%s: %d translated, %d skipped' % (translated + left, '' if translated + left == 1 else 's',
                                                      translated, left), file=sys.stderr)
    for kind, count in sorted(skipped.items()):
        print('  %3d  %s' % (count, kind), file=sys.stderr)


if __name__ == '__main__':
    main()
