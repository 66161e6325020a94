#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# net.sh: network namespaces for the lab: a client, a load balancer, two backends, wired by veth pairs.
#
#   tests/lab/net.sh up|down|names [PREFIX]        PREFIX: mlab; the namespaces are PREFIX-client, -lb, -be1, -be2
#   . tests/lab/net.sh; net_up PREFIX; trap 'net_down PREFIX' EXIT INT TERM
#
#     client              lb                        be1, be2
#     eth0 10.9.0.2/24 -- client0 10.9.0.1/24
#                         be1 10.9.1.1/24        -- eth0 10.9.1.2/24
#                         be2 10.9.2.1/24        -- eth0 10.9.2.2/24
#
# The VIP, 10.9.0.10, is nobody's address: the switch answers ARP for it. Everybody's way to everybody else
# leads through lb, which forwards nothing by itself.
#
# The backlog of a veth is per CPU, so two CPUs deliver one flow out of order. Hence one CPU handles all that
# arrives in lb (NET_RPS_LB: a hexadecimal mask; 1, the first CPU, where the load balancer should be pinned). What
# arrives elsewhere is handled by whoever sends it, unless NET_RPS_ENDS names a CPU. net_up is all or nothing;
# net_down takes down whatever is there and succeeds if nothing is.

net_names() { # PREFIX
	echo "$1-client $1-lb $1-be1 $1-be2"
}

net_down() { # PREFIX
	for net_ns in $(net_names "$1"); do
		[ -e "/run/netns/$net_ns" ] || continue
		# What still runs in there is the lab's own.
		ip netns pids "$net_ns" | xargs -r kill 2>/dev/null
		ip netns del "$net_ns"
	done
}

# NS INTERFACE MASK: one CPU for what arrives there. (`ip netns exec` shows the namespace's own /sys.)
net_rps() {
	ip netns exec "$1" sh -c "echo $3 > /sys/class/net/$2/queues/rx-0/rps_cpus"
}

net_wire() { # PREFIX NS LB_INTERFACE LB_ADDRESS ADDRESS: a pair between lb and NS
	ip -n "$1-lb" link add "$3" type veth peer name eth0 netns "$1-$2" &&
		ip -n "$1-lb" addr add "$4/24" dev "$3" &&
		ip -n "$1-$2" addr add "$5/24" dev eth0 &&
		ip -n "$1-lb" link set "$3" up &&
		ip -n "$1-$2" link set eth0 up &&
		ip -n "$1-$2" route add default via "$4" &&
		net_rps "$1-lb" "$3" "${NET_RPS_LB:-1}" &&
		net_rps "$1-$2" eth0 "${NET_RPS_ENDS:-0}"
}

net_build() { # PREFIX
	for net_ns in $(net_names "$1"); do
		ip netns add "$net_ns" && ip -n "$net_ns" link set lo up || return 1
	done
	net_wire "$1" client client0 10.9.0.1 10.9.0.2 &&
		net_wire "$1" be1 be1 10.9.1.1 10.9.1.2 &&
		net_wire "$1" be2 be2 10.9.2.1 10.9.2.2 &&
		ip netns exec "$1-lb" sh -c 'echo 0 > /proc/sys/net/ipv4/ip_forward'
}

net_up() { # PREFIX
	net_down "$1"
	net_build "$1" && return 0
	echo "net.sh: the namespaces of $1 could not be made: root, iproute2 and veth are needed" >&2
	net_down "$1"
	return 1
}

# Run, and not read in by another script.
case ${0##*/} in
net.sh)
	case ${1-} in
	up | down | names) "net_$1" "${2:-mlab}" ;;
	*)
		echo "usage: net.sh up|down|names [PREFIX]" >&2
		exit 2
		;;
	esac
	;;
esac
