# SPDX-License-Identifier: BSD-2-Clause
"""stops.py: where the program can be stopped, what is written down in passing, and who stops.

A site is a hidden breakpoint on a function of the program. Each hit becomes an event; the session
records it (three sites suffice: a packet enters a ring, is freed, the FSM takes a step; and the
rare control operations) and asks the watches that `mi break` made, and `mi next`, whether to stop.
A site is enabled only while somebody wants it.

Where arguments are: gcc's optimised code is stopped at a function's first instruction, with the
arguments in the registers that the ABI names; code without optimisation behind the prologue,
where its variables are."""
import gdb

from . import program, wire
from .history import History

REGISTERS = {
    "i386:x86-64": ("rdi", "rsi", "rdx", "rcx", "r8", "r9"),
    "aarch64": ("x0", "x1", "x2", "x3", "x4", "x5"),
}
FORWARD = 0  # FATE_FORWARD: stages pass over every other packet

# Function -> (kind of event, argument that is the packet, argument that is the time); None: has none.
SITES = {
    "world_push": ("push", 2, None),
    "packet_free": ("free", 1, None),
    "fsm_fire": ("fsm", None, None),
    "action_run": ("action", None, None),
    "frontend_packet": ("frontend", 1, 3),
    "agent_ingress": ("ingress", 1, 2),
    "agent_egress": ("egress", 1, 2),
    "packet_drop": ("drop", 0, None),
    "frontend_reply": ("reply", None, 3),
    "switch_control_submit": ("submit", None, 2),
    "send_special_syn": ("special_syn", None, None),
    "fin_to_rst": ("fin_to_rst", 0, None),
    "packet_alloc": ("alloc", None, None),
}
RECORDED = ("push", "free", "fsm", "reply")
# Kinds that `mi next` and a flow's watch stop at.
STEPS = ("stage", "frontend", "fsm", "ingress", "egress", "push", "free")
OUTSIDE = ("TO_CLIENT", "TO_STACK")  # rings whose consumer is the host


def sites():
    table = {"stage_%s_run" % name: ("stage", None, 2) for name in program.stages().values()}
    table.update(SITES)
    return table


class Event:
    """One hit of a site. Packet and client are looked up when first asked for."""

    def __init__(self, session, site, arguments, packet):
        self.session, self.kind, self.arguments = session, site.kind, arguments
        self.place = site.place
        self.packet = packet  # address or None
        self._snapshot = self._client = None
        self.reason = self.time_text = ""
        if self.kind == "push":
            session.note_world(arguments[0])
        if site.now_at is not None:
            self.now_ns = arguments[site.now_at]
        elif self.kind in ("fsm", "action", "special_syn"):
            self.now_ns = int(self.work["now_ns"])
        else:
            self.now_ns = session.world().now_ns

    @property
    def snapshot(self):
        if self._snapshot is None and self.packet:
            self._snapshot = program.Snapshot(self.packet)
        return self._snapshot

    def argument(self, index):
        """The argument as a gdb.Value of its type."""
        return gdb.Value(self.arguments[index]).cast(program.function_arguments(self.place)[index][1])

    @property
    def work(self):
        return self.argument(0).dereference()

    @property
    def flow(self):
        return self.argument(1).dereference()

    @property
    def link(self):
        return self.session.world().link_kind(self.arguments[1]) if self.kind == "push" else None

    @property
    def step(self):
        """(state, event, next) of an FSM event."""
        state, event = int(self.flow["state"]), self.arguments[2]
        return state, event, program.fsm_next(state, event)

    @property
    def client(self):
        """The client's endpoint, as far as the event is about one."""
        if self._client is None:
            if self.kind in ("fsm", "action", "special_syn"):
                self._client = program.raw_endpoint(self.flow["client"])
            elif self.kind in ("reply", "submit"):
                op = self.argument(1).dereference()
                self._client = program.raw_endpoint(op["op"]["client"] if self.kind == "reply" else op["client"])
            elif self.packet:
                self._client = self.session.client_of(self.snapshot.ends)
        return self._client

    @property
    def visible(self):
        """False for hits at which nothing happens to the packet: a stage that passes over it, a
        ring between two components, the end of what was delivered."""
        if self.kind == "stage":
            return self.snapshot.fields["fate"] == FORWARD
        if self.kind == "push":
            return self.link in OUTSIDE
        if self.kind == "free":
            return self.snapshot.fields["fate"] != FORWARD
        return True


class Site(gdb.Breakpoint):
    def __init__(self, session, function, description):
        self.session, self.function = session, function
        self.kind, self.packet_at, self.now_at = description
        self.place = function
        self.at_entry = program.is_optimised(function)
        super().__init__(("*" if self.at_entry else "") + function, internal=True)
        self.silent = True
        self.enabled = False

    def arguments(self):
        frame, known = gdb.newest_frame(), program.function_arguments(self.function)
        registers = REGISTERS.get(frame.architecture().name())
        if self.at_entry and registers:
            return [int(frame.read_register(register)) & (1 << 64) - 1 if kind.sizeof == 8
                    else int(frame.read_register(register)) & (1 << 8 * kind.sizeof) - 1
                    for register, (_, kind) in zip(registers, known)]
        return [int(frame.read_var(name)) for name, _ in known]

    def packets(self, arguments):
        if self.packet_at is not None:
            return [arguments[self.packet_at]]
        if self.kind == "stage":
            batch = gdb.Value(arguments[1]).cast(program.function_arguments(self.function)[1][1]).dereference()
            return [int(batch["pkt"][i]) for i in range(int(batch["count"]))]
        if self.kind in ("fsm", "action", "special_syn"):
            work = gdb.Value(arguments[0]).cast(program.function_arguments(self.function)[0][1]).dereference()
            return [int(work["packet"]) or None]
        return [None]

    def stop(self):
        try:
            arguments = self.arguments()
            return any([self.session.handle(Event(self.session, self, arguments, packet))
                        for packet in self.packets(arguments)])
        except (gdb.error, gdb.MemoryError) as problem:
            self.session.complain("%s: %s" % (self.function, problem))
            return False


class Here:
    """Stands for a site where the user stopped by himself."""

    def __init__(self, function):
        self.kind, self.place, self.now_at = "here", function, None


def in_sight(session):
    """An event for the packet that the newest frame works on: its `p`, or the first of its batch `b`."""
    frame = gdb.newest_frame()
    for name, packet in (("p", int), ("b", lambda batch: int(batch.dereference()["pkt"][0]))):
        try:
            value = frame.read_var(name)
            if not value.is_optimized_out:
                event = Event(session, Here(frame.name()), [], packet(value))
                event.time_text = session.history.stamp(event.now_ns)
                return event if event.snapshot.head else None
        except (ValueError, gdb.error, gdb.MemoryError):
            pass
    return None


class Watch:
    """What `mi break` made: stops at events of `kinds` for which `test` holds."""

    def __init__(self, number, text, kinds, test):
        self.number, self.text, self.kinds, self.test = number, text, kinds, test
        self.client = None  # only events about this client
        self.hits = 0

    def wants(self, event):
        return (event.kind in self.kinds and (self.client is None or event.client == self.client)
                and bool(self.test(event)))


class Session:
    """One debugged program: its sites, watches, history, and the stop at hand."""

    def __init__(self):
        self.sites = {}
        self.watches = []
        self.made = 0
        self.history = History()
        self.recording = True
        self.following = None  # ("packet", address) or ("client", endpoint)
        self.current = None  # the Event of the last stop
        self.at = self.servers = None
        self.fresh = True  # the next packet is a new run's first
        self.process = 0
        self.complaints = set()
        self.quiet = False  # a command of ours runs the program, and will tell of the stop itself
        self.on_stop = None

    def connect(self, on_stop):
        self.on_stop = on_stop
        gdb.events.stop.connect(on_stop)
        gdb.events.exited.connect(self.on_exit)
        gdb.events.new_objfile.connect(self.on_objfile)

    def unload(self):
        if self.on_stop:
            gdb.events.stop.disconnect(self.on_stop)
            gdb.events.exited.disconnect(self.on_exit)
            gdb.events.new_objfile.disconnect(self.on_objfile)
        for site in self.sites.values():
            site.delete()
        self.sites = {}

    def on_exit(self, _event):
        self.fresh, self.following = True, None
        self.current = self.at = self.servers = None

    def on_objfile(self, event):
        if event.new_objfile.filename == gdb.current_progspace().filename:
            program.forget()  # rebuilt: types may be others now

    def complain(self, text):
        if text not in self.complaints:
            self.complaints.add(text)
            gdb.write("mi: " + text + "\n", gdb.STDERR)

    def world(self):
        """The world of this run; its values are read anew whenever they are asked for."""
        if self.at is None:
            found = self.find_world()
            if found is None:
                raise program.Missing("the program has no world yet: run to a packet first (mi break, mi run)")
            self.at = program.World(found)
        return self.at

    def client_of(self, ends):
        """Which of a packet's two ends is the client: the one that is neither VIP nor backend."""
        if self.servers is None:
            self.servers = self.world().servers()
        return next((end for end in ends or () if end not in self.servers), None)

    def find_world(self):
        """Up the stack: whoever runs a world has it in a variable."""
        frame = gdb.newest_frame() if gdb.selected_inferior().pid else None
        while frame is not None:
            try:
                value = frame.read_var("w")
                if not value.is_optimized_out and str(value.type.strip_typedefs()) == "struct world *":
                    return int(value)
            except (ValueError, gdb.error):
                pass
            frame = frame.older()
        return None

    # --- sites ---

    def arm(self):
        """Creates the sites once, and enables those that somebody wants."""
        if not self.sites:
            for function, description in sites().items():
                self.sites[function] = Site(self, function, description)
        wanted = set(RECORDED) if self.recording else {"push"} if self.fresh else set()
        for watch in self.watches:
            wanted |= set(watch.kinds)
        if self.following:
            wanted |= set(STEPS)
        for site in self.sites.values():
            if site.enabled != (site.kind in wanted):
                site.enabled = site.kind in wanted

    def add(self, text, kinds, test):
        self.made += 1
        watch = Watch(self.made, text, kinds, test)
        self.watches.append(watch)
        self.arm()
        return watch

    # --- events ---

    def handle(self, event):
        """Records; True if the program is to stop here."""
        if self.recording and event.kind in RECORDED:
            getattr(self, "record_" + event.kind)(event)
        event.reason = self.reason(event)
        if event.reason is None:
            return False
        self.current = event
        event.time_text = self.history.stamp(event.now_ns)
        return True

    def note_world(self, address):
        """Every packet passes here: the run's first one begins a new history."""
        process = gdb.selected_inferior().pid
        if not self.fresh and self.at is not None and (self.at.address, self.process) == (address, process):
            return
        self.at, self.servers = program.World(address), None
        if self.fresh or self.process != process:
            self.history = History()
            self.history.first_ns = self.at.now_ns
            self.fresh, self.process = False, process

    def reason(self, event):
        """Who stops here: "" for `mi next`, a text for a watch, None for nobody."""
        if self.following and event.kind in STEPS and event.visible:
            kind, whom = self.following
            if (event.packet == whom) if kind == "packet" else (event.client == whom):
                return ""
        for watch in self.watches:
            if watch.wants(event):
                watch.hits += 1
                return "break %d" % watch.number
        return None

    def record_push(self, event):
        kind = event.link
        begins = kind in ("FROM_CLIENT", "FROM_STACK")
        new = begins or event.packet not in self.history.stories
        story = self.history.begin(event.packet) if new else self.history.story(event.packet)
        acting = self.history.acting.get(event.client) if new and kind == "FROM_FRONTEND" else None
        made_for = acting[1:] if acting and acting[0] == event.now_ns else None
        story.events.append((event.now_ns, "push", (event.arguments[1], kind, event.snapshot, made_for)))

    def record_free(self, event):
        if event.packet in self.history.stories:
            self.history.story(event.packet).events.append((event.now_ns, "free", event.snapshot))
            self.history.end(event.packet)

    def record_fsm(self, event):
        state, what, following = event.step
        action = program.actions()[program.fsm_cell(state, what)[1]]
        text = program.transition_text(state, what, following) + ("" if action == "NOTHING" else ": " + action)
        if program.events()[what] in ("REQUEST", "REQUEST_HELD"):
            text += " (%s)" % self.world().choice(event.flow)
        story = self.history.story(event.packet) if event.packet else None
        if story:
            story.events.append((event.now_ns, "fsm", text))
        self.history.acting[event.client] = (event.now_ns, story, text)
        if state != following or action != "NOTHING":
            self.history.flow_line(event.client, event.now_ns, text)

    def record_reply(self, event):
        reply = event.argument(1).dereference()
        kind = program.enum("control_kind", "CONTROL_")[int(reply["op"]["kind"])]
        status = program.enum("control_status", "CONTROL_")[int(reply["status"])]
        delay = wire.duration(int(reply["applied_ns"]) - int(reply["asked_ns"]))
        self.history.flow_line(event.client, event.now_ns,
                               "entry: %s %s, %s after it was asked" % (kind, status, delay))


SESSION = Session()


def unload():
    """The helper is loaded anew: nothing of this one may stay."""
    SESSION.unload()
