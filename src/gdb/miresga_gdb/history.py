# SPDX-License-Identifier: BSD-2-Clause
"""history.py: what has happened to packets and flows so far, kept here and not in the program.

A packet's story begins when it first enters a ring and ends when it is freed; the story of one
that the front-end made names the packet that it was made for. A descriptor is used again and
again, so stories are kept by number, and by address only while they last. Both are bounded."""
import collections

ENDED_MAX = 4096
FLOW_LINES_MAX = 256
FLOWS_MAX = 65536


class Story:
    """One packet. `events`: (ns, kind, detail), see Session.record_*() in stops.py; `last`: the
    snapshot of the stop before, and where that was."""

    def __init__(self, number):
        self.number = number
        self.events = []
        self.last = self.last_place = None
        self.over = False


class History:
    def __init__(self):
        self.stories = {}  # by address of the descriptor
        self.ended = collections.OrderedDict()  # the same, of those that were freed
        self.flows = collections.OrderedDict()  # by client: deque of (ns, text)
        self.acting = {}  # by client: (ns, story, text) of the FSM's last step
        self.begun = 0
        self.first_ns = None

    def begin(self, address):
        self.begun += 1
        self.stories[address] = Story(self.begun)
        return self.stories[address]

    def story(self, address):
        """The story of the packet at this address; begun if there is none."""
        return self.stories.get(address) or self.begin(address)

    def known(self, address):
        """The story of the packet that stands, or stood last, at this address; None if there is none."""
        return self.stories.get(address) or self.ended.get(address)

    def stamp(self, now_ns):
        """Virtual time since the first packet, in seconds."""
        return "%+.6f" % ((now_ns - (self.first_ns or 0)) / 1e9)

    def flow_line(self, client, now_ns, text):
        lines = self.flows.setdefault(client, collections.deque(maxlen=FLOW_LINES_MAX))
        lines.append((now_ns, text))
        if len(self.flows) > FLOWS_MAX:
            self.flows.popitem(last=False)

    def end(self, address):
        story = self.stories.pop(address, None)
        if story is None:
            return
        story.over = True
        self.ended.pop(address, None)
        self.ended[address] = story
        if len(self.ended) > ENDED_MAX:
            self.ended.popitem(last=False)
