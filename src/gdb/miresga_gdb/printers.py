# SPDX-License-Identifier: BSD-2-Clause
"""printers.py: pretty-printers, so that plain `print` and `info locals` read well too: addresses,
endpoints, keys, sequence numbers, cells and steps of the FSM, notes."""
import gdb
import gdb.printing

from . import program, wire

SEQUENCE_NUMBERS = {
    # struct: (fields, the field that holds their initial number)
    "flow": ((("client_isn", "c_start", "c_una", "c_limit", "c_fed", "c_nxt", "c_sent", "c_owed", "c_fin"),
              "client_isn"),
             (("isn", "s_start", "s_nxt", "s_fin", "c_ack", "refuse_start"), "isn")),
    "splice": ((("client_isn", "client_next"), "client_isn"), (("shown",), "shown")),
}

# Fields of struct flow that hold an enum in a byte.
NAMED = {"state": ("fsm_state", "FSM_"), "entry": ("entry_state", "ENTRY_"), "held": ("held_kind", "HELD_"),
         "refusal": ("refusal", "REFUSAL_"), "offload": ("offload_mode", "OFFLOAD_")}


def sequence(number, isn=None):
    number &= 0xFFFFFFFF
    if isn is None or number == isn & 0xFFFFFFFF:
        return str(number)
    return "%d (%+d)" % (number, ((number - isn + (1 << 31)) & 0xFFFFFFFF) - (1 << 31))


class Text:
    """Prints as what `convert` makes of the value."""

    def __init__(self, value, convert):
        self.value, self.convert = value, convert

    def to_string(self):
        try:
            return self.convert(self.value)
        except gdb.MemoryError:
            return "<unreadable>"


class Numbered:
    """A struct some of whose fields are sequence numbers, shown with their distance from the first."""

    def __init__(self, value, groups):
        self.value = value
        self.bases = {name: base for names, base in groups for name in names}

    def to_string(self):
        return "struct " + self.value.type.strip_typedefs().tag

    def children(self):
        for field in self.value.type.strip_typedefs().fields():
            inner = self.value[field.name]
            base = self.bases.get(field.name)
            if base:
                inner = sequence(int(inner), int(self.value[base]))
            elif self.value.type.strip_typedefs().tag == "flow" and field.name in NAMED:
                inner = program.enum(*NAMED[field.name]).get(int(inner), inner)
            yield field.name, inner


def _endpoint(value):
    return wire.endpoint(program.raw_endpoint(value))


def _be32(value):
    number = int(value) & 0xFFFFFFFF
    return "%s (%d)" % (wire.address(number.to_bytes(4, "little")), int.from_bytes(number.to_bytes(4, "little"), "big"))


def _be16(value):
    return str(int.from_bytes((int(value) & 0xFFFF).to_bytes(2, "little"), "big"))


def _splice_key(value):
    raw = [int(value[name]).to_bytes(size, "little") for name, size in
           (("client_addr", 4), ("client_port", 2), ("local_addr", 4), ("local_port", 2))]
    return "%s <> %s" % (wire.endpoint(raw[0] + raw[1]), wire.endpoint(raw[2] + raw[3]))


def _cell(value):
    kind = program.enum("fsm_cell_kind", "CELL_")[int(value["kind"])]
    action = program.actions()[int(value["action"])]
    return {"GO": "%s -> %s" % (action, program.states()[int(value["next"])]),
            "STAY": "%s (stay)" % action}.get(kind, kind)


def _step(value):
    return program.transition_text(int(value["state"]), int(value["event"]), int(value["next"]))


def _operation(value):
    kind = program.enum("control_kind", "CONTROL_")[int(value["kind"])]
    return "%s %s D index %d (front-end %d, serial %d)" % (
        kind, _endpoint(value["client"]), int(value["d_index"]), int(value["frontend"]), int(value["serial"]))


STRUCTS = {"endpoint": _endpoint, "splice_key": _splice_key, "fsm_cell": _cell, "packet_transition": _step,
           "control_op": _operation}
TYPEDEFS = {"be32": _be32, "be16": _be16, "seq_u32": lambda value: sequence(int(value))}


class Printers(gdb.printing.PrettyPrinter):
    def __init__(self):
        super().__init__("miresga", [])

    def __call__(self, value):
        if value.type.name in TYPEDEFS:
            return Text(value.cast(value.type.strip_typedefs()), TYPEDEFS[value.type.name])
        kind = value.type.strip_typedefs()
        if kind.code != gdb.TYPE_CODE_STRUCT:
            return None
        if kind.tag in STRUCTS:
            return Text(value, STRUCTS[kind.tag])
        if kind.tag in SEQUENCE_NUMBERS:
            return Numbered(value, SEQUENCE_NUMBERS[kind.tag])
        return None


def register():
    gdb.printing.register_pretty_printer(None, Printers(), replace=True)
