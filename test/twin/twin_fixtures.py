# SPDX-License-Identifier: Apache-2.0
"""The card for its own tests, taken down after each: a plugin of pytest."""
import pathlib

import pytest

from twinlib import Pf, make_pair, run


@pytest.fixture(scope='session', autouse=True)
def modules():
    run('modprobe -a vhost_vdpa virtio_vdpa virtio_net cls_flower act_mirred '
        'act_vlan act_tunnel_key act_pedit act_csum act_gact sch_ingress '
        'vxlan geneve bonding')


@pytest.fixture(name='pf')
def fixture_pf():
    pf = Pf(0)
    yield pf
    pf.defaults()


@pytest.fixture(name='pfs')
def fixture_pfs():
    pfs = [Pf(0), Pf(1)]
    yield pfs
    for pf in pfs:
        pf.defaults()


@pytest.fixture(name='cleanup')
def fixture_cleanup():
    """Functions to call, last first, before the card is taken down."""
    calls = []
    yield calls.append
    for call in reversed(calls):
        call()


@pytest.fixture(name='pair')
def fixture_pair(pf, cleanup):
    """Two virtio netdevs in two namespaces, behind VFs 0 and 1."""
    return make_pair(pf, cleanup)


@pytest.fixture(name='guest', scope='session')
def fixture_guest(tmp_path_factory):
    """The compiled guest-like program."""
    program = tmp_path_factory.mktemp('guest') / 'vdpa-guest'
    source = pathlib.Path(__file__).parent.parent / 'tools/vdpa-guest.c'
    run('cc', '-std=gnu11', '-O1', '-o', program, source)
    return str(program)
