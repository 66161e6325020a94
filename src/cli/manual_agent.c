/* SPDX-License-Identifier: BSD-2-Clause */
/* manual_agent.c: miresga-agent(8), for whoever operates a backend. Options and counters are those of the rows that
 * the command uses. */
#include "agent_cli.h"
#include "manual.h"

struct item {
	const char *tag, *text;
};

static const struct item actions[] = {
	{ "attach IFACE -f FILE",
	  "Loads the programs and puts them on the interface: XDP for what comes in, native if the driver can, else "
	  "generic (slower; a note says so); TC for what goes out, by TCX if the kernel has it (6.6), else as a filter "
	  "of "
	  "clsact. Where libxdp's dispatcher has the interface (xdp-loader, xdp-filter), the XDP program joins what is "
	  "in "
	  "there, with priority 60. Where an agent is attached already, the programs are replaced in place: its flows "
	  "live on, and the "
	  "hooks stay what they are. The ports are `agent.ports` of the file, the secret is that of "
	  "`agent.secret_file`. A first attachment ends connections of the ports that are there already, which might "
	  "be "
	  "those of an agent whose maps were lost, unless `--connections=keep` says that they are not." },
	{ "detach IFACE",
	  "Ends the connections that go through the agent, takes off what attach put there, and removes what it "
	  "pinned. "
	  "Let the "
	  "front-ends send no new ones before, and wait until `status` shows no pairs but ended ones." },
	{ "status [IFACE]", "Hooks, ports, pairs and counters of one interface, or of all that have an agent." },
	{ "dump [IFACE]",
	  "A line for each pair: both ends, whether it is announced, ready or ended, L (what the client was shown), "
	  "delta (what is added to an ACK on its way in), window scales, time since its last packet." },
};

static const struct item files[] = {
	{ "/sys/fs/bpf/miresga/IFACE@NUMBER/",
	  "Maps and links of the agent of that interface, in the network namespace of that number. As long as they are "
	  "there the agent works; no process is needed." },
	{ "/sys/fs/bpf/xdp/", "libxdp's own: dispatchers and what is in them, the agent's program included. "
			      "LIBXDP_BPFFS in the environment "
			      "names another BPF file system." },
};

static const struct item diagnostics[] = {
	{ "is no BPF file system",
	  "`mount -t bpf bpf /sys/fs/bpf`. `ip netns exec` hides it: `nsenter --net=/run/netns/NAME` does not." },
	{ "has an XDP program already",
	  "XDP runs one program on an interface. The one that is there stays; the message says how it is taken off." },
	{ "has libxdp's dispatcher",
	  "The agent would join it, but cannot: this miresga was built without libxdp, or what is in the dispatcher "
	  "cannot be read, because a newer libxdp made it, or because its pins are not below /sys/fs/bpf, or where "
	  "LIBXDP_BPFFS says. `xdp-loader unload IFACE --all` takes it off." },
	{ "connections that the agent does not shift could not be ended",
	  "The kernel lacks CONFIG_INET_DIAG_DESTROY. Restart the server: its clients might take bytes for others." },
	{ "the driver takes no native XDP",
	  "A note, not an error: generic XDP works as well, at more cost for each packet. Large MTUs need a driver "
	  "with "
	  "fragments in XDP and Linux 5.18; large receive offload must be off (`ethtool -K IFACE lro off`)." },
	{ "has another shape",
	  "The agent that is attached is of another version, or has another `agent.entries`. Its flows cannot be taken "
	  "over: detach when they have ended, then attach." },
	{ "the kernel does not let us load BPF programs",
	  "Root, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, are needed." },
};

static void items(struct roff *r, const struct item *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		roff_literal_tag(r, list[i].tag);
		roff_text(r, list[i].text);
	}
}

void manual_agent(FILE *out)
{
	struct roff roff = { .out = out }, *r = &roff;

	roff_begin(r, &(struct roff_title){ "miresga-agent", "8", "the sequence number agent of a Miresga backend" });
	roff_section(r, "SYNOPSIS");
	roff_synopsis(r, "miresga agent", cli_agent.usage);
	roff_section(r, "DESCRIPTION");
	roff_text(r,
		  "The agent stands between a backend's network interface and its TCP. It shifts sequence numbers of "
		  "connections that a front-end of the load balancer announced by a tagged SYN, and of no other: what "
		  "else goes through the interface (ssh, health checks, the host's own connections) passes untouched. "
		  "It needs Linux 5.15 or later (it was tested on 6.1 and 6.18), no process, and no change of the "
		  "server.");
	roff_section(r, "ACTIONS");
	items(r, actions, ARRAY_LEN(actions));
	roff_section(r, "OPTIONS");
	for (size_t i = 0; i < cli_agent.option_count; i++)
		manual_option(r, &cli_agent.options[i]);
	roff_section(r, "COUNTERS");
	for (size_t i = 0; i < agent_counter_count; i++) {
		roff_literal_tag(r, agent_counters[i].key);
		roff_text(r, agent_counters[i].help);
	}
	roff_paragraph(r);
	roff_text(r, "The time per packet is counted while the sysctl kernel.bpf_stats_enabled is 1.");
	roff_section(r, "FILES");
	items(r, files, ARRAY_LEN(files));
	roff_section(r, "DIAGNOSTICS");
	items(r, diagnostics, ARRAY_LEN(diagnostics));
	roff_section(r, "EXIT STATUS");
	roff_text(r, "0 success, 1 failure, 2 wrong usage.");
	roff_section(r, "EXAMPLES");
	roff_text(r, "Put the agent on an interface, watch it, take it off:");
	roff_example(r, cli_agent.examples);
	roff_see_also(r, "miresga(1), miresga.yaml(5), bpftool(8), tc-bpf(8)");
}
