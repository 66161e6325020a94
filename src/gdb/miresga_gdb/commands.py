# SPDX-License-Identifier: BSD-2-Clause
"""commands.py: `mi` and its subcommands. Each reads its words, asks stops.py or views.py, prints.

Bad words are errors that say what would be right; nothing is printed half."""
import difflib
import functools

import gdb

from . import program, stops, views, wire

SESSION = stops.SESSION
PLACES = ("frontend", "ingress", "egress", "fsm")


def meant(word, known):
    """What a mistyped word was meant to be, as the end of a message; or nothing."""
    near = [name for name in difflib.get_close_matches(word, known, 1) if name != word]
    return ": did you mean '%s'?" % near[0] if near else ""


def need_program():
    if not gdb.selected_inferior().pid:
        raise gdb.GdbError("the program is not running: mi run ...")


def need_symbols():
    if gdb.lookup_global_symbol("main") is None:
        raise gdb.GdbError("gdb has no program: file build/miresga")


def need_stop():
    """The event of the stop at hand."""
    need_program()
    if SESSION.current is None:
        raise gdb.GdbError("no packet is at hand: stop with `mi break` or `mi next`")
    return SESSION.current


def need_packet():
    event = need_stop()
    if not event.packet:
        raise gdb.GdbError("this stop is about no packet")
    return event


def parse_client(text):
    try:
        return wire.endpoint_raw(text)
    except ValueError as problem:
        raise gdb.GdbError(str(problem))


def say(lines):
    gdb.write("\n".join(lines) + "\n")


# --- mi break: what its words mean --------------------------------------------------------------

WATCHED = ("frontend", "ingress", "egress", "push", "fsm")


def entering(event):
    """A packet comes into the pipeline, a front-end, an agent, or leaves; a timer of its flow fires."""
    if event.kind == "stage":
        return event.place == "stage_%s_run" % next(iter(program.stages().values()))
    if event.kind == "fsm":
        return event.packet is None
    return event.visible


def at_stage(name):
    function = "stage_%s_run" % name
    return ("stage",), lambda event: event.place == function and event.visible


def at_state(value):
    def enters(event):
        state, _, following = event.step
        return following == value and state != value
    return ("fsm",), enters


def at_event(value):
    return ("fsm",), lambda event: event.arguments[2] == value


def at_action(value):
    return ("action",), lambda event: event.arguments[2] == value


def at_drop(key):
    reasons = {known: value for value, known in program.drop_keys().items()}
    if key == "no_packet":
        return ("alloc",), lambda event: not pool_left(event.argument(0).dereference())
    if key == "agent_map_full":
        return ("push",), lambda event: (event.link == "FROM_WIRE"
                                         and event.snapshot.fields["fate"] == views.fate("REPLY"))
    return ("drop",), lambda event: event.arguments[1] == reasons[key]


def pool_left(pool):
    return any(int(pool["classes"][i]["unused"]) for i in range(pool["classes"].type.range()[1] + 1))


def offloading(event):
    if event.kind == "reply":
        return int(event.argument(1).dereference()["op"]["kind"]) == 0
    return program.events()[event.arguments[2]] == "OFFLOAD"


def has_splice(event, ready):
    agent = event.argument(0).dereference()
    splice = event.session.world().find_splice(int(agent["index"]), event.client) if event.client else None
    return splice is not None and (not ready or int(splice["flags"]) & 1)


def header(event, name, default=0):
    return wire.decode(event.snapshot.head).get(name, default)


def replies_synack(event):
    return (event.place == "stage_header_rewrite_run" and event.visible
            and program.steering_action(event.snapshot.fields["phv.action"]) == "REPLY_SYNACK")


def misses_sack(event):
    return "sack " in header(event, "tcp.options", "") and has_splice(event, True)


def keeps_entry(event):
    flags = header(event, "tcp.flags", "").split()
    return ("FIN" in flags or "RST" in flags) and has_splice(event, False)


def keeps_delta(event):
    return header(event, "tcp.flags", "") == "SYN" and has_splice(event, True)


# Where a quirk acts: id -> (kinds, test). Each holds only while the run has the quirk.
QUIRK_PLACES = {
    "P2": (("stage",), replies_synack),
    "P3": (("stage",), replies_synack),
    "F5": (("fin_to_rst",), lambda event: True),
    "F8": (("drop",), lambda event: program.drop_keys()[event.arguments[1]] == "quirk"),
    "F10": (("special_syn",), lambda event: True),
    "A1": (("ingress", "egress"), keeps_entry),
    "A3": (("ingress",), keeps_delta),
    "A7": (("ingress",), misses_sack),
    "C3": (("submit",), lambda event: int(event.argument(1).dereference()["kind"]) == 0),
}


def at_quirks(ids):
    def acts(event):
        on = event.session.world().quirks()
        return any(event.kind in QUIRK_PLACES[name][0] and name in on and QUIRK_PLACES[name][1](event)
                   for name in ids)
    return tuple({kind for name in ids for kind in QUIRK_PLACES[name][0]}), acts


def break_words():
    """Everything that a single word can mean: word -> function that gives (kinds, test). Of two
    meanings the later one counts: CLIENT_FIN is the state."""
    words = {name: functools.partial(at_event, value) for value, name in program.events().items()}
    for value, name in program.actions().items():
        words[name] = functools.partial(at_action, value)
    for key in program.drop_keys().values():
        if key != "none":
            words[key] = functools.partial(at_drop, key)
    for value, name in program.states().items():
        words[name] = functools.partial(at_state, value)
    for name in program.stages().values():
        words[name] = functools.partial(at_stage, name)
    for name in PLACES:
        words[name] = lambda kind=name: ((kind,), lambda event: True)
    words["out"] = lambda: (("push",), lambda event: event.visible)
    words["offload"] = lambda: (("fsm", "reply"), offloading)
    words["quirk"] = lambda: at_quirks(list(QUIRK_PLACES))
    return words


def take_filter(words):
    """Takes a closing `flow IP:PORT` off; the client's endpoint or None."""
    if len(words) >= 3 and words[-2] == "flow":
        client = parse_client(words[-1])
        del words[-2:]
        return client
    return None


def understand(words):
    """(kinds, test, client) of what `mi break` was given."""
    client = take_filter(words)
    if words[0] == "flow" and len(words) == 2:
        return ("stage",) + WATCHED, entering, parse_client(words[1])
    if words[0] == "packet" and len(words) == 2 and words[1].isdigit() and int(words[1]):
        wanted = int(words[1])
        return ("stage",) + WATCHED, lambda event: (
            event.packet and entering(event) and event.snapshot.frame == wanted), client
    if words[0] == "quirk" and len(words) == 2:
        known = {name.upper(): name for name in program.quirks().values()}
        if words[1].upper() not in known:
            raise gdb.GdbError("no quirk '%s'; there are %s" % (words[1], " ".join(known)))
        return at_quirks([known[words[1].upper()]]) + (client,)
    if words[0] in ("flow", "packet"):
        raise gdb.GdbError("mi break flow IP:PORT, or mi break packet N (frames count from 1)")
    meanings = break_words()
    if len(words) != 1 or words[0] not in meanings:
        raise gdb.GdbError("'%s' is nothing to break at%s" % (
            " ".join(words), meant(words[0], list(meanings) + ["flow", "packet"]) or " (help mi break)"))
    return meanings[words[0]]() + (client,)


# --- the commands -------------------------------------------------------------------------------

class Mi(gdb.Command):
    """Miresga: step packets through switch, front-ends and agents.

mi run REPLAY-ARGS...   start a replay, one packet at a time (--batch 1)
mi break WHAT           stop at a stage, state, drop reason, flow, packet, ...
mi next                 to the next stage of this packet
mi packet, mi flow, mi why, mi table, mi ring, mi time, mi stages   look
mi record on|off        whether history is kept"""

    def __init__(self):
        super().__init__("mi", gdb.COMMAND_RUNNING, prefix=True)

    def invoke(self, argument, from_tty):
        """Not one of the subcommands."""
        if argument in ("", "help"):
            gdb.execute("help mi", from_tty)
            return
        word = argument.split()[0]
        raise gdb.GdbError("there is no `mi %s`%s" % (
            word, meant(word, [name for name, _, _, _ in COMMANDS]) or " (help mi)"))


class Sub(gdb.Command):
    """One subcommand: `mi NAME`, help text `about`, work in `run`."""

    def __init__(self, name, about, run, words=()):
        self.__doc__ = about
        super().__init__("mi " + name, gdb.COMMAND_RUNNING)
        self.run, self.words = run, words

    def invoke(self, argument, from_tty):
        self.run(argument)

    def complete(self, text, word):
        words = self.words() if callable(self.words) else self.words
        return [known for known in words if known.startswith(word)]


# Of miresga, with a world of their own: `mi run` starts them as they are.
OTHER_COMMANDS = ("script", "sim", "explain")


def mi_run(argument):
    """Starts over; without arguments, with those of the last time."""
    if not argument and not gdb.parameter("args"):
        raise gdb.GdbError("what to play is missing: mi run -f CONFIG TRACE")
    if argument:
        command, _, rest = argument.partition(" ")
        if command in OTHER_COMMANDS:
            gdb.execute("set args " + argument)
        else:
            gdb.execute("set args replay --batch 1 " + (rest if command == "replay" else argument))
    SESSION.fresh = True
    SESSION.current = None
    SESSION.arm()
    go("run")


def go(how):
    """Lets the program run until somebody stops it; prints why, or what gdb says of the end."""
    SESSION.current, SESSION.quiet = None, True
    try:
        said = gdb.execute(how, to_string=True)
    finally:
        SESSION.quiet = False
    if SESSION.current is not None and gdb.selected_inferior().pid:
        gdb.write(views.stop_line(SESSION.current) + "\n")
    else:
        gdb.write(said)


def mi_break(argument):
    words = argument.split()
    if not words:
        say(["%d  %s  stopped %d times" % (w.number, w.text, w.hits) for w in SESSION.watches]
            or ["nothing to stop at"])
        return
    need_symbols()
    kinds, test, client = understand(list(words))
    watch = SESSION.add(argument.strip(), kinds, test)
    watch.client = client
    gdb.write("break %d: %s\n" % (watch.number, watch.text))


def mi_delete(argument):
    numbers = argument.split()
    if not all(number.isdigit() for number in numbers):
        raise gdb.GdbError("mi delete [NUMBER...]")
    gone = {int(number) for number in numbers} or {watch.number for watch in SESSION.watches}
    missing = gone - {watch.number for watch in SESSION.watches}
    if missing:
        raise gdb.GdbError("there is no break %d" % min(missing))
    SESSION.watches = [watch for watch in SESSION.watches if watch.number not in gone]
    SESSION.arm()


def mi_continue(argument):
    need_program()
    remember()
    SESSION.arm()
    go("continue")


def remember():
    """The packet as it stands is what the next stop's changes are counted from."""
    event = SESSION.current
    story = SESSION.history.known(event.packet) if event and event.packet else None
    if story:
        story.last, story.last_place = program.Snapshot(event.packet), views.place_of(event)


def mi_next(argument):
    event = need_stop()
    left = event.kind in ("push", "free")
    if not event.packet or left:
        if event.client is None:
            raise gdb.GdbError("this stop is about no packet and no flow")
        following = ("client", event.client)
    else:
        following = ("packet", event.packet)
    remember()
    SESSION.following = following
    SESSION.arm()
    try:
        go("continue")
    finally:
        SESSION.following = None
        SESSION.arm()
    event = SESSION.current
    story = SESSION.history.known(event.packet) if event and event.packet else None
    if story and story.last:
        say(["  " + line for line in views.changes(story.last, program.Snapshot(event.packet))]
            or ["  nothing changed"])


def mi_packet(argument):
    event = need_packet()
    place = views.place_of(event)
    say(views.packet(program.Snapshot(event.packet), place, SESSION.history.known(event.packet)))


def mi_why(argument):
    event = need_packet()
    if SESSION.history.known(event.packet) is None:
        raise gdb.GdbError("nothing was recorded of this packet (mi record on)")
    say(views.why(SESSION, event))


def mi_flow(argument):
    need_program()
    world = SESSION.world()
    if argument.strip() == "all":
        say(views.brief(world.flows(), world))
        return
    if argument.strip():
        client = parse_client(argument.strip())
    else:
        client = need_stop().client
        if client is None:
            raise gdb.GdbError("this stop is about no flow: mi flow IP:PORT, or mi flow all")
    say(views.flow(SESSION, client))


def mi_table(argument):
    words = argument.split(None, 1)
    if not words or words[0] not in views.TABLES:
        raise gdb.GdbError("mi table %s [MATCH]%s" % (
            "|".join(views.TABLES), meant(words[0], list(views.TABLES)) if words else ""))
    need_program()
    say(views.table(SESSION.world(), words[0], words[1].strip() if len(words) > 1 else ""))


def mi_ring(argument):
    need_program()
    say(views.rings(SESSION))


def mi_time(argument):
    need_program()
    say(views.time(SESSION))


def mi_stages(argument):
    need_symbols()
    say(views.stages(SESSION))


def mi_record(argument):
    if argument.strip() not in ("on", "off", ""):
        raise gdb.GdbError("mi record on|off")
    if argument.strip():
        SESSION.recording = argument.strip() == "on"
        SESSION.arm()
    gdb.write("history is %s\n" % ("kept" if SESSION.recording else "not kept"))


def on_stop(event):
    """Every stop, by whatever command. A breakpoint of the user's own may be in sight of a packet."""
    points = event.breakpoints if isinstance(event, gdb.BreakpointEvent) else []
    ours = any(isinstance(point, stops.Site) for point in points)
    if points and not ours:
        SESSION.current = stops.in_sight(SESSION)
    if SESSION.current is None or not points:
        return
    gdb.set_convenience_variable("world", SESSION.world().value.address)
    if SESSION.current.packet:
        gdb.set_convenience_variable("packet", program.packet_value(SESSION.current.packet))
    if SESSION.current.kind in ("fsm", "action", "special_syn"):
        gdb.set_convenience_variable("flow", SESSION.current.argument(1))
    if ours and not SESSION.quiet:
        gdb.write(views.stop_line(SESSION.current) + "\n")


COMMANDS = (
    ("run", mi_run, (), """Start a replay that can be stepped: mi run [REPLAY-ARGS...]
The arguments are those of `miresga replay`; --batch 1 is added, so that a stage sees one packet
at a time. `mi run script FILE.pkt` and other commands of miresga that play packets work as well.
Without arguments: once more, as before."""),
    ("break", mi_break, lambda: list(break_words()) + ["flow", "packet"],
     """Stop somewhere: mi break WHAT [flow IP:PORT]
  STAGE          a packet gets to this stage of the switch (mi stages); also frontend, fsm, ingress,
                 egress, out
  STATE          a flow changes to this state of the FSM (OFFLOADED, LINGER, ...)
  EVENT, ACTION  the FSM is told of this (HANDSHAKE, ...), does this (CONNECT, MOVE, ...)
  DROP-REASON    a packet is dropped for it (bad_cookie, no_route, ...)
  flow IP:PORT   a packet of this client enters switch, front-end or agent, or leaves
  packet N       the same for frame N of the trace
  offload        an entry is asked for; it takes effect, or found no place
  quirk [ID]     a quirk that the run has on acts
A closing `flow IP:PORT` limits any of them to one client. Without arguments: what there is."""),
    ("delete", mi_delete, (), "Delete breaks by number, or all: mi delete [NUMBER...]"),
    ("continue", mi_continue, (), "Run to the next `mi break`; prints only where and why."),
    ("next", mi_next, (), """Run to the next stage of this packet, and print what has changed.
After its end: to the next packet of the same flow."""),
    ("packet", mi_packet, (), "The packet at hand: headers, PHV, what changed since the last stop, hexdump."),
    ("why", mi_why, (), "The chain of decisions about the packet at hand, from the start up to here."),
    ("flow", mi_flow, ("all",), """A flow: state, both sequence spaces, Δ, timers, history: mi flow [IP:PORT|all]
Without arguments: that of the packet at hand."""),
    ("table", mi_table, tuple(views.TABLES), """The switch's tables: mi table vip|dip|offload|steering [MATCH]
MATCH: only lines that contain it."""),
    ("ring", mi_ring, (), """The packet rings between the components, and what waits in them.
Before each packet stands its turn: in which order all of them will be handled."""),
    ("time", mi_time, (), "Virtual time, and when each component has work next."),
    ("stages", mi_stages, (), "Where packets can be stopped, in their order; => is where this one is."),
    ("record", mi_record, ("on", "off"), """Keep history, or do not: mi record [on|off]
It is what `mi why` and the histories of `mi flow` come from; without it long runs are faster."""),
)


def register():
    Mi()
    for name, run, words, about in COMMANDS:
        Sub(name, about, run, words)
    SESSION.connect(on_stop)
