# SPDX-License-Identifier: BSD-2-Clause
"""program.py: what stands in the program: constants, packets, the world, tables, flows, agents.

Names come from the program's debug information and its own tables, never from copies kept here,
so that a new stage, state or reason needs no change of the helper. Only what a hash function
computes is repeated (hash.h, switch_internal.h, agent.c), to look keys up as the program does."""
import array
import functools
import struct

import gdb

from . import wire

MASK64 = (1 << 64) - 1
TIME_NEVER = MASK64
HEAD_BYTES = 256  # of a frame that is kept for comparing headers
FIRST_FRONTEND, FIRST_BACKEND = 1, 257  # PORT_FRONTEND(0), PORT_BACKEND(0) of packet.h


class Missing(gdb.GdbError):
    """What was asked for is not there; the text is for the user."""


# --- constants ----------------------------------------------------------------------------------

@functools.lru_cache(maxsize=None)
def enum(tag, prefix):
    """{value: name} of an enum, prefix and the closing ..._COUNT cut off."""
    try:
        fields = gdb.lookup_type("enum " + tag).fields()
    except gdb.error:
        raise Missing("no debug information of miresga: load its binary first (file build/miresga)")
    return {f.enumval: f.name[len(prefix):] for f in fields if not f.name.endswith("COUNT")}


def states():
    return enum("fsm_state", "FSM_")


def events():
    return enum("fsm_event", "EVENT_")


def actions():
    return enum("fsm_action", "ACTION_")


def stages():
    return enum("stage_id", "STAGE_")


def drop_keys():
    """{value: key}; a key is the reason's name in lower case."""
    return {value: name.lower() for value, name in enum("drop_reason", "DROP_").items()}


def quirks():
    return enum("quirk", "QUIRK_")


def drop_words(reason):
    """A reason's key and its sentence; clang leaves nothing of the sentences' table that could be read."""
    key = drop_keys().get(reason, "?")
    try:
        return "%s (%s)" % (key, gdb.parse_and_eval("'drop_text'::texts")[reason].string())
    except (gdb.error, gdb.MemoryError, UnicodeDecodeError):
        return key


def fsm_cell(state, event):
    """(kind, action, next) of a cell of the transition table, as numbers."""
    cell = gdb.parse_and_eval("fsm_table")[state][event]
    return int(cell["kind"]), int(cell["action"]), int(cell["next"])


def fsm_next(state, event):
    kind, _, following = fsm_cell(state, event)
    return following if enum("fsm_cell_kind", "CELL_").get(kind) == "GO" else state


def transition_text(state, event, following):
    return "%s --%s--> %s" % (states().get(state, state), events().get(event, event),
                              states().get(following, following))


def steering_rows():
    """The ternary table: (name, value, mask, action, drop) of each row."""
    rows = gdb.parse_and_eval("switch_steering")
    count = int(gdb.parse_and_eval("switch_steering_rows"))
    return [(row["name"].string(), int(row["value"]), int(row["mask"]), int(row["action"]), int(row["drop"]))
            for row in (rows[i] for i in range(count))]


def steering_action(action):
    return enum("steering_action", "STEER_").get(action, "?")


# --- memory -------------------------------------------------------------------------------------

def read(address, size):
    return gdb.selected_inferior().read_memory(int(address), size).tobytes()


class Layout:
    """Offsets of a struct's numbers, inner structs included, so that one read gets them all."""

    def __init__(self, kind):
        self.size = kind.sizeof
        self.fields = {}
        self._walk(kind.strip_typedefs(), "", 0)

    def _walk(self, kind, prefix, base):
        for field in kind.fields():
            inner, at = field.type.strip_typedefs(), base + field.bitpos // 8
            if inner.code == gdb.TYPE_CODE_STRUCT and inner.tag != "endpoint":
                self._walk(inner, prefix + field.name + ".", at)
            elif inner.code != gdb.TYPE_CODE_ARRAY:
                self.fields[prefix + field.name] = (at, inner.sizeof, inner.tag == "endpoint")

    def decode(self, raw):
        return {name: raw[at: at + size] if is_endpoint else int.from_bytes(raw[at: at + size], "little")
                for name, (at, size, is_endpoint) in self.fields.items()}


@functools.lru_cache(maxsize=None)
def packet_layout():
    return Layout(gdb.lookup_type("struct packet"))


@functools.lru_cache(maxsize=None)
def flow_layout():
    return Layout(gdb.lookup_type("struct flow"))


def packet_value(address):
    return gdb.Value(address).cast(gdb.lookup_type("struct packet").pointer())


class Snapshot:
    """A packet as it stood at one moment: descriptor and the first bytes of its frame."""

    def __init__(self, address):
        layout = packet_layout()
        self.address = address
        self.raw = read(address, layout.size)
        at, size, _ = layout.fields["data"]
        data = int.from_bytes(self.raw[at: at + size], "little")
        at, size, _ = layout.fields["len"]
        self.len = int.from_bytes(self.raw[at: at + size], "little")
        self.head = read(data, min(self.len, HEAD_BYTES)) if data else b""
        self.ends = wire.ends(self.head)

    @functools.cached_property
    def fields(self):
        return packet_layout().decode(self.raw)

    @property
    def frame(self):
        return self.fields["frame"]

    def bytes(self):
        """The whole frame as it stands now."""
        return read(self.fields["data"], self.fields["len"]) if self.fields["data"] else b""

    def named(self):
        return "frame %d" % self.frame if self.frame else "made here"


def transitions(packet):
    """The FSM cells that a packet's note holds."""
    note = packet_value(packet)["note"]
    return [transition_text(int(t["state"]), int(t["event"]), int(t["next"]))
            for t in (note["transition"][i] for i in range(int(note["transitions"])))]


def remark(packet):
    pointer = packet_value(packet)["note"]["remark"]
    return pointer.string() if int(pointer) else ""


# --- hashes, as in hash.h -----------------------------------------------------------------------

def mix64(x):
    x ^= x >> 30
    x = x * 0xBF58476D1CE4E5B9 & MASK64
    x ^= x >> 27
    x = x * 0x94D049BB133111EB & MASK64
    return x ^ x >> 31


def word(endpoint):
    return int.from_bytes(endpoint, "little")


# --- the world ----------------------------------------------------------------------------------

class World:
    def __init__(self, address):
        self.address = address
        self.value = gdb.Value(address).cast(gdb.lookup_type("struct world").pointer()).dereference()
        self.config = self.value["config"].dereference()
        self.switch = self.value["sw"].dereference()
        self.frontend_count = int(self.config["frontends"]["count"])
        self.backend_count = int(self.config["backend_count"])

    @property
    def now_ns(self):
        return int(self.value["now_ns"])

    def frontend(self, index):
        return self.value["frontends"][index].dereference()

    def agent(self, index):
        """The model of a backend's agent, or None if somebody else does its work (agent.h)."""
        agent = self.value["agents"][index]
        if agent["ops"]["name"].string() != "model":
            return None
        return agent.cast(gdb.lookup_type("struct agent_model").pointer()).dereference()

    def backend_name(self, index):
        return self.config["backends"][index]["name"].string()

    def backend_address(self, index):
        return raw_endpoint(self.config["backends"][index]["address"])

    def pool_name(self, index):
        return self.config["pools"][index]["name"].string()

    def choice(self, flow):
        """Which rule took the flow's last request, and where it leads."""
        rule = self.config["rules"][int(flow["held_rule"])]
        parts = ["rule %d" % (int(flow["held_rule"]) + 1)]
        parts += ["%s %s" % (name, rule[name].string()) for name in ("host", "path") if int(rule[name][0])]
        parts += ["pool " + self.pool_name(int(flow["held_pool"])), self.backend_name(int(flow["held_backend"]))]
        return ", ".join(parts)

    def vip(self):
        return raw_endpoint(self.switch["tables"]["vip"])

    def quirks(self):
        bits = int(self.config["quirks"])
        return {name for value, name in quirks().items() if bits >> value & 1}

    def port_name(self, port):
        """The switch's ports: 0 clients, then front-ends, then backends (packet.h)."""
        if port == 0:
            return "clients"
        if port < FIRST_BACKEND:
            return "front-end %d" % (port - FIRST_FRONTEND)
        index = port - FIRST_BACKEND
        return "agent of %s" % self.backend_name(index) if index < self.backend_count else "port %d" % port

    def link(self, index):
        return self.value["links"][index]

    @functools.lru_cache(maxsize=None)
    def link_kind(self, index):
        return enum("link_kind", "LINK_")[int(self.link(index)["kind"])]

    def link_ends(self, index):
        """(from, to) of a ring, for people."""
        kind, number = self.link_kind(index), int(self.link(index)["index"])
        frontend = "front-end %d" % number
        backend = self.backend_name(number) if number < self.backend_count else "-"
        return {
            "FROM_CLIENT": ("clients", "switch"), "TO_CLIENT": ("switch", "clients"),
            "FROM_FRONTEND": (frontend, "switch"), "TO_FRONTEND": ("switch", frontend),
            "FROM_WIRE": ("agent of " + backend, "switch"), "TO_WIRE": ("switch", "agent of " + backend),
            "FROM_STACK": ("server " + backend, "agent of " + backend),
            "TO_STACK": ("agent of " + backend, "server " + backend),
        }[kind]

    def links(self):
        return range(int(self.value["link_count"]))

    def runs(self):
        """(ring, packets) in the order in which they will be handled: the oldest first."""
        mask, head, tail = (int(self.value[name]) for name in ("run_mask", "run_head", "run_tail"))
        runs = [self.value["runs"][(head + i) & mask] for i in range((tail - head) & 0xFFFFFFFF)]
        return [(int(run["link"]), int(run["count"])) for run in runs]

    def servers(self):
        """The endpoints that are no client's."""
        return {self.vip()} | {self.backend_address(i) for i in range(self.backend_count)}

    def find_flow(self, client):
        """(front-end's index, struct flow) of a client's endpoint, or None."""
        for index in range(self.frontend_count):
            table = self.frontend(index)["flows"]
            at = int(table["buckets"][mix64(word(client)) & int(table["bucket_mask"])])
            while at != 0xFFFFFFFF:
                flow = table["flows"][at]
                if raw_endpoint(flow["client"]) == client:
                    return index, flow
                at = int(flow["chain"])
        return None

    def flows(self):
        """(front-end's index, struct flow) of every flow, in the order of the clients' endpoints."""
        found = []
        for index in range(self.frontend_count):
            table = self.frontend(index)["flows"]
            for bucket in range(int(table["bucket_mask"]) + 1) if int(table["count"]) else ():
                at = int(table["buckets"][bucket])
                while at != 0xFFFFFFFF:
                    found.append((index, table["flows"][at]))
                    at = int(table["flows"][at]["chain"])
        return sorted(found, key=lambda pair: sort_key(raw_endpoint(pair[1]["client"])))

    def find_splice(self, backend, client):
        """The agent's struct splice of a client, or None."""
        agent = self.agent(backend)
        if agent is None:
            return None
        local = raw_endpoint(agent["address"])
        key = word(client[:4]) << 16 | word(client[4:6])
        hashed = mix64((key ^ (word(local[:4]) << 16 | word(local[4:6])) << 16) & MASK64)
        at = int(agent["buckets"][hashed & int(agent["bucket_mask"])])
        while at:
            entry = agent["entries"][at]
            found = entry["key"]
            if (int(found["client_addr"]), int(found["client_port"]), int(found["local_addr"]),
                    int(found["local_port"])) == (word(client[:4]), word(client[4:6]), word(local[:4]),
                                                  word(local[4:6])):
                return entry["splice"]
            at = int(entry["chain"])
        return None

    def offloaded(self):
        """Entries of the Offloaded Connection Table: (client, D index, hit bit, stage of the chip)."""
        table = self.switch["connections"]
        size = 8 * (int(table["index_mask"]) + 1)
        if not int(table["entries"]):
            return []
        words = array.array("Q")
        words.frombytes(read(table["index"], size))
        found = []
        for entry in filter(None, words):
            client = (entry & (1 << 48) - 1).to_bytes(8, "little")
            found.append((client, entry >> 48 & 0xFF, bool(entry >> 62 & 1), self.chip_stage(client)))
        return sorted(found, key=lambda row: sort_key(row[0]))

    def chip_stage(self, client):
        """The stage whose candidate bucket holds the key (connection_table.c); None: not placed."""
        table = self.switch["connections"]
        hashed, slots = mix64(word(client)), int(table["slots"])
        for stage in range(int(table["stages"])):
            low = (hashed & 0xFFFFFFFF) + stage * (hashed >> 32 | 1) & 0xFFFFFFFF
            bucket = int(table["stage"][stage]["first"]) + (low * int(table["stage"][stage]["buckets"]) >> 32)
            at = int(table["placed"]) + 8 * (bucket << int(table["stride_log2"]))
            if word(client) | 1 << 63 in struct.unpack("<%dQ" % slots, read(at, 8 * slots)):
                return stage
        return None

    def waiting_operations(self):
        """The control plane's queue, oldest first."""
        control = self.switch["control"]
        return [control["ring"][(int(control["head"]) + i) % int(control["size"])]
                for i in range(int(control["count"]))]


def raw_endpoint(value):
    return value.bytes if hasattr(value, "bytes") else read(value.address, 8)


def sort_key(endpoint):
    return endpoint[:6]


@functools.lru_cache(maxsize=None)
def function_arguments(name):
    """[(argument, type)] of a function; empty if the program lacks it."""
    symbol = gdb.lookup_global_symbol(name) or gdb.lookup_static_symbol(name)
    if symbol is None:
        return []
    block = gdb.block_for_pc(int(symbol.value().address))
    while block is not None and block.function is None:
        block = block.superblock
    return [(s.name, s.type) for s in block or () if s.is_argument]


def is_optimised(name):
    """True if the compiler says that it optimised the function's file (gcc records its options)."""
    symbol = gdb.lookup_global_symbol(name) or gdb.lookup_static_symbol(name)
    producer = getattr(symbol.symtab, "producer", None) or "" if symbol else ""
    return any(option in producer.split() for option in ("-O1", "-O2", "-O3", "-Os", "-Og", "-O"))


def forget():
    """A program was loaded anew: its types may be others."""
    for cached in (enum, packet_layout, flow_layout, function_arguments):
        cached.cache_clear()
