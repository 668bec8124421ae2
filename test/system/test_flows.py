# SPDX-License-Identifier: Apache-2.0
"""Single flows: flow/list against ovs-appctl dpctl/dump-flows, and probes of
filters against what the card does."""

import json
import re

import pytest

from conftest import BUILD
from traffic import spaces
from twinlib import CommandError, Namespace, filters, run, wait_for

PROBE = BUILD / 'test/kernel-probe'
LEFT_HANDLE = 0x76647061


def fields(text):
    """The parts of a match, whatever their order.  Open vSwitch names a MAC
    header of which nothing matters, and leaves out a tunnel's TOS of 0."""
    depth, word, words = 0, '', []
    for c in text + ',':
        depth += (c == '(') - (c == ')')
        if c == ',' and not depth:
            words.append(word.strip())
            word = ''
        else:
            word += c
    return frozenset(w.replace('tos=0,', '') for w in words
                     if w not in ('', 'eth()')
                     and not w.startswith(('ct_state', 'flags:')))


def dumped(ovs):
    """What Open vSwitch shows: by what is matched, in the order of both
    forms of its dump, (ufid, dp, offloaded, actions)."""
    brief = ovs.appctl('dpctl/dump-flows', '--names').splitlines()
    full = ovs.appctl('dpctl/dump-flows', '-m', '--names').splitlines()
    flows = {}
    for line, more in zip(brief, full):
        match, _, rest = line.partition(', packets:')
        found = re.match('ufid:([-0-9a-f]{36})', more)
        actions = rest.partition('actions:')[2]
        if found and actions == more.partition('actions:')[2]:
            flows[found[1]] = (fields(match), 'dp:tc' in more,
                               'offloaded:yes' in more, actions)
    return flows


def shown(daemon):
    """The same of flow/list."""
    flows = daemon.json('flow/list')
    assert flows['next'] is None and flows['kernel_flows_unknown'] is None
    return {f['ufid']: (fields(f['match']), f['dp'] == 'tc', f['offloaded'],
                        f['actions']) for f in flows['flows']}


def compare(daemon, ovs):
    """Those that are in the dumps before and after must be ours as well."""
    before, ours, after = dumped(ovs), shown(daemon), dumped(ovs)
    lasting = {u: f for u, f in before.items() if after.get(u) == f}
    assert lasting
    for ufid, flow in lasting.items():
        # What goes to ovs-vswitchd is for Open vSwitch alone to read.
        flow = flow[:3] + (re.sub(r'userspace\(.*\)', 'userspace',
                                  flow[3]),)
        assert ufid in ours, flow
        mine = ours[ufid][:3] + (re.sub(r'userspace\(.*\)', 'userspace',
                                        ours[ufid][3]),)
        assert mine == flow
    return lasting


def test_list(daemon, ovs, pf, spaces):
    """In hardware, in TC only, in the kernel datapath."""
    ofctl = ['ovs-ofctl', 'add-flow', 'br-int']
    ovs.run(*ofctl, 'priority=9,ip,nw_dst=192.0.2.77,actions=drop')
    ovs.run(*ofctl, 'priority=9,icmp,nw_src=192.0.2.2,actions='
            'mod_dl_src:02:00:00:00:00:aa,mod_nw_ttl:33,output:' + pf.rep(0))
    ovs.run(*ofctl, 'priority=9,udp,actions=controller,output:' + pf.rep(1))
    spaces[0].ip('neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev eth0')
    send = ('import socket;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);'
            's.sendto(b"x",("192.0.2.2",7))')

    def all_kinds():
        spaces[0].ping('192.0.2.2', count=5)
        spaces[0].exec('ping', '-c', '2', '-W', '1', '192.0.2.77',
                       check=False)
        spaces[0].exec('/usr/bin/python3', '-c', send)
        flows = compare(daemon, ovs).values()
        return ([f for f in flows if f[2] and 'set(ipv4(ttl=33))' in f[3]]
                and [f for f in flows if f[3] == 'drop']
                and [f for f in flows if not f[1]])

    daemon.wait(all_kinds, 'flows of all kinds')
    name = 'vdpa:' + pf.vf(0)
    for f in daemon.json('flow/list', name)['flows']:
        assert f['port'] == pf.rep(0) and f['device'] == name
    kernel = daemon.json('flow/list', '--class=kernel')['flows']
    sums = daemon.json('flow/stats', name)['devices'][0]
    assert kernel and 'userspace' in kernel[0]['uses']
    assert sums['kernel_flows'] is not None
    # One by one it is the same list.
    pages, after = [], []
    while True:
        page = daemon.json('flow/list', '--class=hw', '--limit=1', *after)
        pages += page['flows']
        if not page['next']:
            break
        after = ['--after=' + page['next']]
    ufids = [f['ufid'] for f in pages]
    assert len(set(ufids)) == len(ufids) >= 2


def test_tunnel(daemon, ovs, pf, spaces):
    """VXLAN in both directions."""
    far = Namespace('ffar', pf.wire, '10.0.2.2/24', mtu=1600)
    try:
        run('ip link set %s up mtu 1600' % pf.netdev)
        run('ip addr add 10.0.2.1/24 dev ' + pf.netdev)
        far.ip('link add tun type vxlan id 42 remote 10.0.2.1 dstport 4789')
        far.ip('addr add 192.0.2.9/24 dev tun')
        far.ip('link set tun up')
        ovs.vsctl('add-port', 'br-int', 'vx', '--', 'set', 'Interface', 'vx',
                  'type=vxlan', 'options:remote_ip=10.0.2.2',
                  'options:key=42')
        spaces[0].ip('link set eth0 mtu 1400')

        def both_ways():
            spaces[0].ping('192.0.2.9', count=5)
            flows = compare(daemon, ovs).values()
            return ([f for f in flows if 'set(tunnel(' in f[3]]
                    and [f for f in flows if 'vxlan_sys' in str(f[0])])
        daemon.wait(both_ways, 'flows of both directions')
        uses = {u for f in daemon.json('flow/list')['flows']
                for u in f['uses']}
        assert {'tunnel-set', 'tunnel-key', 'tunnel-unset'} <= uses
    finally:
        run('ip addr flush dev ' + pf.netdev)
        far.delete()


@pytest.fixture
def ports(pf):
    """Two representors with ingress qdiscs and no Open vSwitch."""
    pf.mode('switchdev')
    pf.numvfs(2)
    for i in range(2):
        run('ip link set %s up' % pf.rep(i))
        run('tc qdisc add dev %s ingress' % pf.rep(i))
    return pf.rep(0), pf.rep(1)


def add(dev, prio, words, protocol='ip', handle=1):
    run('tc filter add dev %s ingress prio %d protocol %s handle %d flower %s'
        % (dev, prio, protocol, handle, words))


def probe(dev, prio, protocol=0x0800, handle=1):
    """0, or what the probe says."""
    before = filters(dev)
    ifindex = json.loads(run('ip -j link show dev ' + dev))[0]['ifindex']
    try:
        run(PROBE, 'query', 'probe', 'ifindex=%d' % ifindex,
            'parent=0xfffffff2', 'prio=%d' % prio, 'protocol=%d' % protocol,
            'handle=%d' % handle)
        said = 'taken'
    except CommandError as e:
        said = str(e).partition('query: error ')[2]
    after = filters(dev)
    assert [(f['pref'], f['options']['handle']) for f in after] == [
        (f['pref'], f['options']['handle']) for f in before
        if f['options']['handle'] != LEFT_HANDLE]
    return said


def test_probe(pf, ports):
    """Taken or not, nothing is left behind, and the card's words arrive."""
    rep, other = ports
    to = 'action mirred egress redirect dev ' + other
    add(rep, 2, 'skip_hw dst_mac 02:00:00:00:00:02 ' + to)
    assert probe(rep, 2) == 'taken'
    pf.knob('rule_fail', '1 28 no room for a test')
    assert '-28: ' in probe(rep, 2) and pf.knob('rule_fail')[0] == '0'
    pf.knob('rule_fail', '1 95 not this one')
    said = probe(rep, 2)
    assert said.startswith('-95: ') and 'not this one' in said
    # Errors that mean something else between us.
    pf.knob('rule_fail', '1 2 nothing there')
    assert probe(rep, 2).startswith('-121: ')
    pf.knob('rule_limit', '1')
    add(rep, 3, 'dst_mac 02:00:00:00:00:03 ' + to, protocol='ipv6')
    assert 'flow table is full' in probe(rep, 2)
    pf.knob('rule_limit', '0')
    assert probe(rep, 3, 0x86dd).startswith('-17: ')
    assert probe(rep, 3, 0x86dd, handle=9).startswith('-2: ')
    assert probe(rep, 4).startswith('-2: ')
    add(rep, 2, 'ip_proto tcp action ct zone 3 pipe ' + to, handle=2)
    assert 'twin: action ct unsupported' in probe(rep, 2, handle=2)
    add(rep, 4, 'vlan_id 5 action vlan pop pipe action pedit ex munge eth '
        'dst set 02:00:00:00:00:0a munge ip ttl set 17 pipe action csum ip '
        'pipe action mirred egress mirror dev %s pipe action mirred egress '
        'redirect dev lo' % other, protocol='802.1q')
    assert 'lo is not on this switch' in probe(rep, 4, 0x8100)


def test_probe_leaves_shared_actions_alone(ports):
    """A meter is shared by filters: its cookie must not become ours."""
    rep, other = ports
    run('tc actions add action police rate 1mbit burst 10k index 268435456 '
        'cookie 0123456789abcdef')
    try:
        add(rep, 2, 'ip_proto udp action police index 268435456 pipe action '
            'mirred egress redirect dev ' + other)
        assert probe(rep, 2) != 'taken'
        assert 'cookie 0123456789abcdef' in run('tc actions list action '
                                                'police')
    finally:
        run('tc qdisc del dev %s ingress' % rep)
        run('tc actions flush action police')


def test_probe_without_a_priority(ports):
    rep, other = ports
    to = 'action mirred egress redirect dev ' + other
    add(rep, 2, 'skip_hw ' + to)
    for prio in range(5, 17):
        add(rep, prio, 'skip_hw ' + to, handle=7)
    assert probe(rep, 2).startswith('-16: ')


def test_what_a_killed_probe_left(ports):
    """It is removed, wherever it is; what only looks like it stays."""
    ours, theirs = (b'ovs-vdpad probe' + bytes([end]) for end in (0, 1))
    rep, other = ports
    to = 'action mirred egress redirect dev %s cookie %s'
    add(rep, 2, 'skip_hw action drop')
    for dev, prio, flags, cookie in (
            (rep, 16, 'skip_sw', ours), (rep, 15, 'skip_sw', theirs),
            (rep, 14, 'skip_hw', ours), (other, 16, 'skip_sw', ours),
            (other, 4, 'skip_sw', ours)):
        add(dev, prio, '%s dst_mac 02:00:00:00:00:%02x %s' % (
            flags, prio, to % ('lo' if flags == 'skip_hw' else
                               (other if dev == rep else rep), cookie.hex())),
            handle=LEFT_HANDLE)

    def left():
        return sorted((dev, f['pref']) for dev in (rep, other)
                      for f in filters(dev))
    before = left()
    assert len(before) == 6
    run(PROBE, 'query', 'probe', 'ifindex=1', 'parent=0xfffffff2', 'prio=1',
        'handle=1', check=False)
    wait_for(lambda: left() == sorted(set(before) - {(rep, 16), (other, 16)}),
             'only those without proof')
