# SPDX-License-Identifier: BSD-2-Clause
"""views.py: what the commands print: lists of lines, made from the program and the history."""
import collections

import gdb

from . import program, wire

PLACES = {"frontend": "front-end", "ingress": "agent, from the wire", "egress": "agent, from the server",
          "fsm": "FSM", "action": "FSM action", "drop": "drop", "reply": "control plane's reply",
          "submit": "control plane", "special_syn": "special SYN", "fin_to_rst": "FIN to RST",
          "alloc": "packet pool"}


def fate(name):
    return next(value for value, known in program.enum("packet_fate", "FATE_").items() if known == name)


def place_of(event):
    """Where an event is: a stage's name, a component, or what becomes of the packet."""
    if event.kind == "stage":
        return event.place[len("stage_"): -len("_run")]
    if event.kind == "push":
        return "to " + event.session.world().link_ends(event.arguments[1])[1]
    if event.kind == "free":
        return "the end"
    if event.kind == "here":
        return event.place
    return PLACES[event.kind]


def stop_line(event):
    """Two lines: when, where, who stopped; and the packet or flow."""
    text = "%s s  %s%s" % (event.time_text, place_of(event), _detail(event))
    if event.reason:
        text += "  [%s]" % event.reason
    if event.packet:
        text += "\n  %s  %s" % (event.snapshot.named(), wire.summary(event.snapshot.head))
    elif event.client:
        text += "\n  flow " + wire.endpoint(event.client)
    return text


def _detail(event):
    """What a stop at this kind of place says beside its name."""
    if event.kind == "fsm":
        state, what, following = event.step
        action = program.actions()[program.fsm_cell(state, what)[1]]
        return "  %s: %s" % (program.transition_text(state, what, following), action)
    if event.kind == "action":
        return "  " + program.actions()[event.arguments[2]]
    if event.kind == "reply":
        reply = event.argument(1).dereference()
        return "  %s %s" % (program.enum("control_kind", "CONTROL_")[int(reply["op"]["kind"])],
                            program.enum("control_status", "CONTROL_")[int(reply["status"])])
    if event.kind == "drop":
        return "  " + program.drop_keys()[event.arguments[1]]
    if event.kind == "free":
        fields = event.snapshot.fields
        return "  " + (dropped(fields) if fields["fate"] == fate("DROP") else "absorbed")
    return ""


# --- packet -------------------------------------------------------------------------------------

def phv(fields):
    """The packet header vector and the descriptor's decisions, by name, as text."""
    way = program.enum("packet_direction", "DIRECTION_")
    fates = program.enum("packet_fate", "FATE_")
    steered = program.stages().get(fields["note.stage"]) == "packet_steering"
    return {
        "phv.l3_at": fields["phv.l3_at"], "phv.l4_at": fields["phv.l4_at"],
        "phv.payload_at": fields["phv.payload_at"], "phv.payload_len": fields["phv.payload_len"],
        "phv.tcp_flags": wire.flags(fields["phv.tcp_flags"]),
        "phv.src": wire.endpoint(fields["phv.src"]), "phv.dst": wire.endpoint(fields["phv.dst"]),
        "phv.seq": fields["phv.seq"], "phv.ack": fields["phv.ack"], "phv.window": fields["phv.window"],
        "phv.client": wire.endpoint(fields["phv.client"]),
        "phv.direction": way.get(fields["phv.direction"], "?"),
        "phv.hit": "D index %d" % fields["phv.hit_d_index"] if fields["phv.hit"] else "no",
        "phv.from_backend": "D index %d" % fields["phv.source_d_index"] if fields["phv.from_backend"] else "no",
        "phv.steering": "%s (row %s)" % (program.steering_action(fields["phv.action"]),
                                         program.steering_rows()[fields["phv.steering_row"]][0]) if steered else "-",
        "phv.lb_index": fields["phv.lb_index"],
        "ingress_port": fields["ingress_port"], "egress_port": fields["egress_port"],
        "fate": fates.get(fields["fate"], "?"), "drop": program.drop_keys().get(fields["drop"], "?"),
    }


def changes(before, after):
    """What differs between two snapshots, header fields first."""
    return (wire.difference(wire.decode(before.head), wire.decode(after.head))
            + wire.difference(phv(before.fields), phv(after.fields)))


def _headers(f):
    lines = ["eth      %s > %s  %s%s" % (f.get("eth.src"), f.get("eth.dst"), f.get("eth.type"),
                                         "  vlan %d" % f["vlan"] if "vlan" in f else "")]
    if "ip.src" in f:
        lines.append("ip       %s > %s  len %d id %d %s ttl %d tos %d check %s" % (
            f["ip.src"], f["ip.dst"], f["ip.len"], f["ip.id"], f["ip.frag"], f["ip.ttl"], f["ip.tos"], f["ip.check"]))
    if "tcp.seq" in f:
        lines.append("tcp      %d > %d  %s  seq %d ack %d window %d check %s" % (
            f["tcp.sport"], f["tcp.dport"], f["tcp.flags"], f["tcp.seq"], f["tcp.ack"], f["tcp.window"],
            f["tcp.check"]))
        lines.append("options  " + f["tcp.options"])
        lines.append("payload  %d bytes" % f["payload"])
    return lines


def packet(snapshot, place, story):
    frame = snapshot.bytes()
    lines = ["%s, %d bytes, at %s" % (snapshot.named(), snapshot.len, place)]
    lines += ["  " + line for line in _headers(wire.decode(frame))]
    values = ["%s %s" % (name.replace("phv.", ""), value) for name, value in phv(snapshot.fields).items()]
    lines.append("PHV and verdict")
    lines += ["  " + "  ".join(values[at: at + 5]) for at in range(0, len(values), 5)]
    if story and story.last:
        different = changes(story.last, snapshot)
        lines.append("changed since %s" % story.last_place)
        lines += ["  " + line for line in different or ["nothing"]]
    lines += ["  " + line for line in wire.hexdump(frame[:192])]
    if len(frame) > 192:
        lines.append("  ... %d bytes more" % (len(frame) - 192))
    return lines


# --- why ----------------------------------------------------------------------------------------

def _parse(world, fields):
    if fields["phv.ip_proto"] == 6 and fields["phv.l4_at"]:
        return "TCP, %s, %d bytes of payload" % (wire.flags(fields["phv.tcp_flags"]), fields["phv.payload_len"])
    return "EtherType 0x%04x, IP protocol %d" % (fields["phv.ether_type"], fields["phv.ip_proto"])


def _direction(fields):
    return program.enum("packet_direction", "DIRECTION_").get(fields["phv.direction"], "?")


def _key(world, fields):
    way = _direction(fields)
    if way == "NONE":
        return "no direction"
    table = "VIP Table" if way == "INBOUND" else "DIP Table I: D index %d" % fields["phv.source_d_index"]
    return "%s (%s), key %s" % (way, table, wire.endpoint(fields["phv.client"]))


def _query(world, fields):
    if _direction(fields) == "NONE":
        return None
    if not fields["phv.hit"]:
        return "no entry"
    return "entry: D index %d, %s" % (fields["phv.hit_d_index"], world.backend_name(fields["phv.hit_d_index"]))


def _steering(world, fields):
    name, _, _, action, drop = program.steering_rows()[fields["phv.steering_row"]]
    return "row %s: %s" % (name, program.steering_action(action)) + (
        " (%s)" % program.drop_keys()[drop] if drop else "")


def _forwarding(world, fields):
    by = {"TO_FRONTEND": "LB index %d" % fields["phv.lb_index"],
          "FAST_TO_BACKEND": "D index %d" % fields["phv.hit_d_index"],
          "REPLY_SYNACK": "where it came from"}.get(program.steering_action(fields["phv.action"]), "longest prefix")
    return "%s: to %s" % (by, world.port_name(fields["egress_port"]))


def _rewrite(world, fields):
    return {"FAST_TO_BACKEND": "destination := DIP Table II", "FAST_TO_CLIENT": "source := VIP",
            "REPLY_SYNACK": "the SYN becomes its own SYN-ACK"}.get(program.steering_action(fields["phv.action"]))


DECISIONS = {"parse": _parse, "key_extraction": _key, "connection_query": _query, "packet_steering": _steering,
             "forwarding": _forwarding, "header_rewrite": _rewrite}


def decisions(world, fields, before=None):
    """Lines of what the switch's stages decided; only of those that stand before stage `before`."""
    names = list(program.stages().values())
    if before in names:
        names = names[: names.index(before)]
    if fields["fate"] == fate("DROP"):
        names = names[: fields["note.stage"] + 1]
        if names and names[-1] == "forwarding":
            names.pop()
    lines = []
    for name in names:
        text = DECISIONS[name](world, fields) if name in DECISIONS else None
        lines += ["%s: %s" % (name, text)] if text else []
    return lines


def stage_at_work():
    """The stage that the program is in, by its frames, or None."""
    frame = gdb.newest_frame()
    while frame is not None:
        name = frame.name() or ""
        if name.startswith("stage_") and name.endswith("_run"):
            return name[len("stage_"): -len("_run")]
        frame = frame.older()
    return None


def stage_after(stage):
    names = list(program.stages().values())
    return names[names.index(stage) + 1] if stage in names[:-1] else None


def dropped(fields):
    return "dropped: " + program.drop_words(fields["drop"])


def _agent(fields):
    remark = fields["note.remark"]
    parts = [gdb.Value(remark).cast(gdb.lookup_type("char").pointer()).string()] if remark else []
    if fields["note.translated"]:
        parts.append("numbers shifted by Δ = %d" % fields["note.delta"])
    return ", ".join(parts) or "passes as it is"


def _pushed(world, detail):
    """Lines of what the component that put the packet into a ring had decided."""
    link, kind, snapshot, made_for = detail
    source, target = world.link_ends(link)
    text = wire.summary(snapshot.head)
    if kind in ("FROM_CLIENT", "FROM_STACK"):
        return ["%s: sent  %s" % (source, text)]
    if kind in ("TO_CLIENT", "TO_FRONTEND", "TO_WIRE"):
        lines = decisions(world, snapshot.fields) + ["to %s  %s" % (target, text)]
        return ["switch: " + line for line in lines]
    if kind in ("FROM_WIRE", "TO_STACK"):
        return ["%s: %s" % (source, _agent(snapshot.fields)), "%s: to %s  %s" % (source, target, text)]
    lines = ["%s: made, on %s" % (source, made_for[1])] if made_for else []
    return lines + ["%s: to %s  %s" % (source, target, text)]


def _freed(world, snapshot, last_link):
    fields = snapshot.fields
    who = world.link_ends(last_link)[1] if last_link is not None else "?"
    if fields["fate"] == fate("DROP"):
        lines = decisions(world, fields) if who == "switch" else []
        return ["%s: %s" % (who, line) for line in lines + [dropped(fields)]]
    return ["%s: %s" % (who, "absorbed" if fields["fate"] == fate("ABSORB") else "received")]


def told(world, story):
    """(ns, line) of everything that happened to a packet."""
    lines, last_link = [], None
    for now_ns, kind, detail in story.events:
        if kind == "push":
            new, last_link = _pushed(world, detail), detail[0]
        elif kind == "fsm":
            new = ["FSM: " + detail]
        else:
            new = _freed(world, detail, last_link)
        lines += [(now_ns, line) for line in new]
    return lines


def why(session, event):
    world, history = session.world(), session.history
    story = history.known(event.packet)
    parent = next((detail[3][0] for _, kind, detail in story.events[:1] if kind == "push" and detail[3]), None)
    lines = []
    if parent:
        lines.append("for this packet:")
        lines += ["  %s  %s" % (history.stamp(ns), line) for ns, line in told(world, parent)]
        lines.append("this one:")
    lines += ["  %s  %s" % (history.stamp(ns), line) for ns, line in told(world, story)]
    if event.kind == "stage":
        here = decisions(world, event.snapshot.fields, place_of(event))
        lines += ["  %s  switch: %s" % (history.stamp(event.now_ns), line) for line in here]
    if event.kind == "drop":
        following = stage_after(stage_at_work())
        here = decisions(world, program.Snapshot(event.packet).fields, following) if following else []
        lines += ["  %s  switch: %s" % (history.stamp(event.now_ns), line) for line in here]
        lines.append("  %s  dropped: %s" % (history.stamp(event.now_ns), program.drop_words(event.arguments[1])))
    return lines


# --- flow ---------------------------------------------------------------------------------------

SERVER_MARKS = ("s_start", "s_nxt", "c_ack")
CLIENT_MARKS = ("c_start", "c_una", "c_sent", "c_limit", "c_fed", "c_nxt")


def relative(number, isn):
    return "%+d" % (((number - isn + (1 << 31)) & 0xFFFFFFFF) - (1 << 31))


def _marks(flow, names, bases):
    """`name +1 = 123` for each mark; `bases`: (label, isn, shift) of the spaces to show it in."""
    return "  ".join("%s %s" % (name, " = ".join(
        label + relative(int(flow[name]) & 0xFFFFFFFF, isn) for label, isn in bases)) for name in names)


def _timer(world, flow, name):
    timer, classes = flow[name], program.enum("idle_class", "IDLE_")
    number = int(timer["list"])
    if not number:
        return "%s off" % name
    label = classes[number].lower() if number in classes else "step %d" % (number - len(classes))
    return "%s (%s) in %s" % (name, label, wire.duration(int(timer["due_ns"]) - world.now_ns))


def flow_head(world, index, flow):
    state = program.states()[int(flow["state"])]
    backend = world.backend_name(int(flow["backend"])) if flow["has_backend"] else "-"
    entry = program.enum("entry_state", "ENTRY_")[int(flow["entry"])]
    return "%s  %s  front-end %d  backend %s  entry %s" % (
        wire.endpoint(program.raw_endpoint(flow["client"])), state, index, backend, entry)


def flow(session, client):
    world = session.world()
    found = world.find_flow(client)
    if not found:
        lines = ["%s: no front-end has a flow for it" % wire.endpoint(client)]
    else:
        lines = _flow_lines(world, client, *found)
    lines.append("history")
    lines += ["  %s  %s" % (session.history.stamp(ns), text)
              for ns, text in session.history.flows.get(client, ())] or ["  none was recorded"]
    return lines


def _flow_lines(world, client, index, f):
    client_isn, shown = int(f["client_isn"]), int(f["isn"])
    splice = world.find_splice(int(f["backend"]), client) if f["has_backend"] else None
    ready = splice is not None and int(splice["flags"]) & 1
    lines = [flow_head(world, index, f)]
    lines.append("client's space: ISN %d" % client_isn)
    lines.append("  " + _marks(f, CLIENT_MARKS, (("", client_isn),)))
    lines.append("server's space: L %d at the client and here" % shown)
    bases = [("L", shown)]
    if ready:
        delta, from_here = int(splice["delta"]), int(splice["shown"])
        lines.append("  S %d at %s, for the client's L%s: Δ = %d" % (
            (from_here + delta) & 0xFFFFFFFF, world.backend_name(int(f["backend"])), relative(from_here, shown), delta))
        bases.append(("S", from_here))
    else:
        lines.append("  no Δ yet")
    lines.append("  " + _marks(f, SERVER_MARKS, bases))
    lines.append("timers: %s, %s" % (_timer(world, f, "idle"), _timer(world, f, "retry")))
    held = program.enum("held_kind", "HELD_")[int(f["held"])]
    entry = next((row for row in world.offloaded() if row[0] == client), None)
    lines.append("request held: %s  wants offload: %s  switch: %s" % (
        held.lower(), "yes" if f["want_offload"] else "no",
        "D index %d, %s" % (entry[1], "hit since" if entry[2] else "no hit yet") if entry else "no entry"))
    return lines


# --- tables, rings, time ------------------------------------------------------------------------

def table_vip(world):
    return ["%s  the service; its address answers ARP" % wire.endpoint(world.vip())]


def table_dip(world):
    one, lines = world.switch["tables"]["dip_one"], []
    for slot in range(one["key"].type.range()[1] + 1):
        value = int(one["value"][slot])
        if value == 0xFFFF:
            continue
        key = int(one["key"][slot]).to_bytes(8, "little")
        lines.append((value, "I   %s on port %d (%s) -> D index %d" % (
            wire.endpoint(key), int.from_bytes(key[6:8], "little"),
            world.port_name(int.from_bytes(key[6:8], "little")), value)))
    two = [(i, "II  D index %d -> %s (%s)" % (i, wire.endpoint(program.raw_endpoint(
        world.switch["tables"]["dip_two"][i])), world.backend_name(i))) for i in range(world.backend_count)]
    return [text for _, text in sorted(lines)] + [text for _, text in two]


def table_offload(world):
    lines = ["%s -> D index %d (%s)  hit %s  stage %s" % (
        wire.endpoint(client), d_index, world.backend_name(d_index), "yes" if hit else "no", stage)
        for client, d_index, hit, stage in world.offloaded()]
    kinds = program.enum("control_kind", "CONTROL_")
    for waiting in world.waiting_operations():
        op = waiting["op"]
        lines.append("%s waits: %s D index %d, not before %s from now" % (
            wire.endpoint(program.raw_endpoint(op["client"])), kinds[int(op["kind"])], int(op["d_index"]),
            wire.duration(int(waiting["ready_ns"]) - world.now_ns)))
    return lines


KEY_BITS = ("SYN", "ACK", "FIN", "RST", "PAYLOAD", "HIT", "INBOUND", "OUTBOUND", "TCP", "ICMP_ERROR", "FROM_FRONTEND",
            "TO_VIP", "FRAGMENT")


def _ternary(value, mask):
    return " ".join(("" if value >> bit & 1 else "!") + name for bit, name in enumerate(KEY_BITS)
                    if mask >> bit & 1) or "anything"


def table_steering(world):
    lines = []
    for number, (name, value, mask, action, drop) in enumerate(program.steering_rows()):
        hits = int(world.switch["stats"]["steering_hits"][number])
        lines.append("%2d  %-14s %-22s -> %s%s  hits %d" % (
            number, name, _ternary(value, mask), program.steering_action(action),
            " " + program.drop_keys()[drop] if drop else "", hits))
    return lines


TABLES = {"vip": table_vip, "dip": table_dip, "offload": table_offload, "steering": table_steering}


def table(world, name, match):
    lines = [line for line in TABLES[name](world) if match.lower() in line.lower()]
    return lines or ["nothing in the table matches '%s'" % match if match else "the table is empty"]


RING_SHOWN = 8  # packets of each


def _ring_packets(link):
    ring = link["ring"]
    head, tail, mask = int(ring["head"]), int(ring["tail"]), int(ring["mask"])
    return [int(ring["slots"][(head + i) & mask]) for i in range((tail - head) & 0xFFFFFFFF)]


def _turns(world):
    """Ring -> the places of its packets in the order in which all that wait will be handled, from 1."""
    turns, turn = collections.defaultdict(list), 0
    for link, count in world.runs():
        turns[link] += range(turn + 1, turn + count + 1)
        turn += count
    return turns


def rings(session):
    world = session.world()
    lines, turns = [], _turns(world)
    for index in world.links():
        waiting = _ring_packets(world.link(index))
        lines.append("%-40s %d of %d" % (" -> ".join(world.link_ends(index)), len(waiting),
                                         int(world.link(index)["ring"]["mask"]) + 1))
        for turn, address in list(zip(turns[index], waiting))[:RING_SHOWN]:
            snapshot = program.Snapshot(address)
            lines.append("  %4d.  %s  %s" % (turn, snapshot.named(), wire.summary(snapshot.head)))
        if len(waiting) > RING_SHOWN:
            lines.append("         ... and %d more, up to %d." % (len(waiting) - RING_SHOWN, turns[index][-1]))
    order = ["%s (%d)" % (" -> ".join(world.link_ends(link)), count) for link, count in world.runs()]
    if order:
        more = ["... and %d more" % (len(order) - RING_SHOWN)] if len(order) > RING_SHOWN else []
        lines.append("handled in this order: " + ", then ".join(order[:RING_SHOWN] + more))
    batch, pool = world.value["batch"], world.value["pool"].dereference()
    lines.append("being handled: %d; packets in use: %d" % (int(batch["count"]), int(pool["used"])))
    return lines


def time(session):
    world = session.world()
    lines = ["virtual time %d.%09d s, %s s since the first packet" % (
        world.now_ns // 10**9, world.now_ns % 10**9, session.history.stamp(world.now_ns))]
    timers = world.value["timers"]
    names = (["control plane"] + ["front-end %d" % i for i in range(world.frontend_count)]
             + ["agent of " + world.backend_name(i) for i in range(world.backend_count)] + ["host"])
    for number, name in enumerate(names[:int(timers["count"])]):
        due = int(timers["due"][number])
        lines.append("%-24s %s" % (name, "nothing waits" if due == program.TIME_NEVER
                                   else "next in " + wire.duration(due - world.now_ns)))
    return lines


def stages(session):
    """Every place to break at, in the order in which a packet sees them."""
    pipeline = gdb.parse_and_eval("switch_pipeline")
    rows = [("STAGE", "FUNCTION", "WHAT IT DOES")]
    for value, name in program.stages().items():
        rows.append((name, "stage_%s_run" % name, _stage_text(pipeline, value)))
    rows += [("frontend", "frontend_packet", "front-end: packet -> events of its flow"),
             ("fsm", "fsm_fire", "front-end: one cell of the transition table"),
             ("ingress", "agent_ingress", "agent: ACK += Δ, SACK += Δ; learns L from the special SYN"),
             ("egress", "agent_egress", "agent: SEQ -= Δ; learns Δ from the SYN-ACK"),
             ("out", "world_push", "the packet leaves for a client or a server's stack")]
    here = session.current and (place_of(session.current) if session.current.kind == "stage" else
                                "out" if session.current.kind == "push" else session.current.kind)
    return ["%s %-17s %-28s %s" % (("=>" if row[0] == here else "  ",) + row) for row in rows]


def _stage_text(pipeline, number):
    try:
        return "%s: %s" % (pipeline[number]["gress"].string(), pipeline[number]["text"].string())
    except (gdb.error, gdb.MemoryError, UnicodeDecodeError):
        return ""  # not started: a position-independent program's pointers are not there yet


def brief(flows, world):
    groups = collections.Counter(program.states()[int(f["state"])] for _, f in flows)
    lines = ["%d flows: %s" % (len(flows), ", ".join("%s %d" % pair for pair in sorted(groups.items())) or "none")]
    lines += ["  " + flow_head(world, index, f) for index, f in flows[:20]]
    return lines + (["  ... and %d more" % (len(flows) - 20)] if len(flows) > 20 else [])
