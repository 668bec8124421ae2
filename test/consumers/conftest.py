# SPDX-License-Identifier: Apache-2.0
"""The programs that hand devices to virtual machines, beside the daemon, in
the VM: see test/system/conftest.py for the rest."""

import importlib.util
import pathlib
import sys

import pytest

from peer import Peer, PeerError  # noqa: F401 (tests take it from here)

HERE = pathlib.Path(__file__).parent


def _load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


# Both folders have a "conftest".
system = _load('system_conftest', HERE.parent / 'system/conftest.py')
globals().update({name: value for name, value in vars(system).items()
                  if not name.startswith('_')})


def pytest_configure(config):
    for path in ('/usr/sbin/libvirtd', '/usr/lib/python3/dist-packages/os_vif',
                 '/usr/lib/python3/dist-packages/nova'):
        if not pathlib.Path(path).exists():
            pytest.exit(path + ' is missing: scripts/deps full', 77)


@pytest.fixture(scope='session')
def peer():
    peer = Peer()
    yield peer
    peer.stop()


@pytest.fixture
def two(daemon, ovs, policy):
    """Two ready devices that others attach."""
    ovs.vsctl('--no-wait', 'set', 'Open_vSwitch', '.',
              'external_ids:vdpa-attach=none')
    policy('num-vfs=2 vdpa-type=vhost')
    daemon.wait_ready(2)
    return daemon


def check(daemon, name, device=None):
    """The answer of one check of why."""
    rows = [r for r in daemon.json('why')
            if r['check'] == name and r['device'] == device]
    assert len(rows) == 1, rows
    return rows[0]
