# SPDX-License-Identifier: Apache-2.0
"""The simulated card does what its README says: knobs that make it slow, full
or broken."""
import errno
import os
import subprocess
import time

import pytest

from twinlib import (CommandError, PCI, VdpaDevice, fails, filters, hw_packets,
                     redirect, run, wait_for)

pytest_plugins = ['twin_fixtures']


def test_rule_knobs(pf, pair):
    rep = pf.rep(0)
    pf.knob('rule_fail', '1 12 no room for this')
    add = 'tc filter add dev %s ingress protocol ip prio %d flower skip_sw ' \
          'dst_ip 10.0.0.%d action drop'
    assert 'twin: no room for this' in fails(add % (rep, 1, 1))
    pf.knob('rule_fail', '1 12')
    assert 'Cannot allocate memory' in fails(add % (rep, 1, 1))
    run(add % (rep, 1, 1))
    assert pf.knob('rule_fail').startswith('0 12')
    pf.knob('rule_limit', 3)
    run(add % (rep, 1, 2))
    run(add % (rep, 1, 3))
    assert 'table is full' in fails(add % (rep, 1, 4))
    assert pf.state()['rules'] == '3'
    run('tc filter del dev %s ingress' % rep)
    wait_for(lambda: pf.state()['rules'] == '0', 'empty table')
    pf.knob('rule_limit', 0)
    # In hardware, and yet everything crosses the representor.
    pf.knob('rule_miss', 'Y')
    for a, b in ((0, 1), (1, 0)):
        redirect(pf.rep(a), pf.rep(b), 'prio', '1', 'protocol', 'all',
                 'flower')
    pair[0].ping('10.0.0.11')
    (f,) = filters(rep)
    assert f['options']['in_hw'] and hw_packets(f) == 0


def test_mode_knobs(pf):
    pf.knob('mode_fail', '1 16 firmware says no')
    error = fails('devlink dev eswitch set %s mode switchdev' % pf.dev)
    assert 'twin: firmware says no' in error
    pf.mode('switchdev')
    pf.mode('legacy')
    pf.knob('mode_order', 'with-vfs')
    assert 'needs VFs' in fails('devlink dev eswitch set %s mode switchdev' %
                                pf.dev)
    pf.numvfs(1)
    pf.mode('switchdev')
    pf.mode('legacy')
    pf.knob('mode_order', 'without-vfs')
    assert 'while VFs' in fails('devlink dev eswitch set %s mode switchdev' %
                                pf.dev)
    pf.numvfs(0)
    pf.knob('mode_delay_ms', 1500)
    start = time.monotonic()
    pf.mode('switchdev')
    assert time.monotonic() - start >= 1.4


def test_vf_knobs(pf):
    pf.knob('numvfs_fail', '1 12')
    with pytest.raises(OSError) as e:
        pf.numvfs(1)
    assert e.value.errno == errno.ENOMEM
    pf.knob('numvfs_delay_ms', 1000)
    start = time.monotonic()
    pf.numvfs(1)
    assert time.monotonic() - start >= 0.9
    pf.numvfs(0)
    pf.knob('numvfs_delay_ms', 0)
    pf.knob('vf_bind_fail', '1 5')
    pf.numvfs(2)
    assert not (PCI / pf.vf(0) / 'driver').exists()
    assert (PCI / pf.vf(1) / 'driver').exists()
    pf.numvfs(0)
    pf.knob('vf_bind_delay_ms', 1500)
    pf.numvfs(1)
    assert not os.path.exists('/sys/class/net/' + pf.nic(0))
    wait_for(lambda: os.path.exists('/sys/class/net/' + pf.nic(0)),
             'late netdev')
    wait_for(lambda: 'pci/' + pf.vf(0) in run('vdpa mgmtdev show'),
             'late management device')


def test_late_representors(pf):
    pf.mode('switchdev')
    pf.knob('rep_delay_ms', 1500)
    pf.numvfs(1)
    assert 'netdev' not in run('devlink port show ' + pf.port(0))
    wait_for(lambda: 'netdev pf0vf0' in run('devlink port show ' +
                                            pf.port(0)), 'representor')
    pf.numvfs(0)
    pf.numvfs(1)
    pf.numvfs(0)


def test_slow_requests(pf):
    pf.mode('switchdev')
    pf.numvfs(1)
    VdpaDevice(pf, 0, 'x')
    pf.knob('devlink_delay_ms', 1000)
    pf.knob('vdpa_delay_ms', 1000)
    for words in ('devlink dev eswitch show ' + pf.dev, 'vdpa dev show'):
        start = time.monotonic()
        run(words)
        assert time.monotonic() - start >= 0.9, words


def test_function_knob(pf):
    pf.mode('switchdev')
    pf.numvfs(1)
    pf.knob('function_fail', '1 1 not yours')
    error = fails('devlink port function set %s hw_addr 02:00:00:00:00:01' %
                  pf.port(0))
    assert 'twin: not yours' in error and 'not permitted' in error


def test_vdpa_knobs(pf):
    pf.mode('switchdev')
    pf.numvfs(1)
    pf.knob('vdpa_add_fail', '1 110')
    with pytest.raises(CommandError, match='timed out'):
        VdpaDevice(pf, 0, 'x')
    dev = VdpaDevice(pf, 0, 'x')
    pf.knob('vdpa_del_block', 1)
    with subprocess.Popen(['vdpa', 'dev', 'del', 'x']) as stuck:
        wait_for(lambda: 'D (disk sleep)' in
                 open('/proc/%d/status' % stuck.pid).read(), 'stuck delete')
        assert dev.sysfs.exists()
        pf.knob('vdpa_del_block', 0)
        assert stuck.wait(60) == 0
    assert not dev.sysfs.exists()
