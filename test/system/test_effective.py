# SPDX-License-Identifier: Apache-2.0
"""Whether hw-offload is in effect in the ovs-vswitchd that runs, judged by
what ovs-appctl shows."""

import os

from twinlib import wait_for


def switch(ovs, value):
    ovs.vsctl('remove', 'Open_vSwitch', '.', 'other_config', 'hw-offload')
    if value:
        ovs.vsctl('set', 'Open_vSwitch', '.',
                  'other_config:hw-offload=' + value)


def restart(ovs):
    pid = (ovs.dir / 'ovs-vswitchd.pid').read_text().strip()
    ovs.appctl('-t', 'ovs-vswitchd', 'exit')
    wait_for(lambda: not os.path.exists('/proc/' + pid),
             'the end of ovs-vswitchd')
    ovs.start()


def told(daemon, configured, effective, remedy=''):
    def is_so():
        o = daemon.json('status')['hw_offload']
        return (o['configured'] is configured
                and o['effective'] is effective
                and bool(remedy) == bool(o['remedy'])
                and remedy in (o['remedy'] or '') and o)
    return daemon.wait(is_so, 'hw-offload configured %s, effective %s'
                       % (configured, effective))


def offloads(ovs):
    """What this release lets one see of it."""
    return 'offloaded flows' in ovs.appctl('upcall/show')


def test_whole_life(ovs, pf, daemon, policy):
    """Off from the start, on, off, restarted, on from the start."""
    ovs.vsctl('set', 'Open_vSwitch', '.',
              'external_ids:vdpa-hw-offload=false')
    switch(ovs, None)
    restart(ovs)
    policy('num-vfs=1 vdpa-type=virtio')
    daemon.wait_ready(1)
    assert told(daemon, False, False)['told_by'] == 'upcall/show'
    assert not offloads(ovs)

    switch(ovs, 'true')
    told(daemon, True, True)
    assert offloads(ovs)

    switch(ovs, 'false')
    o = told(daemon, False, True, 'until it is restarted')
    assert o['remedy'] in daemon.json('status')['problems']
    assert offloads(ovs)

    restart(ovs)
    told(daemon, False, False)
    assert not offloads(ovs)

    switch(ovs, 'true')
    restart(ovs)
    told(daemon, True, True)
    assert offloads(ovs)
