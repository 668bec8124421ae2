# SPDX-License-Identifier: Apache-2.0
"""A server's life on two hosts, with os-vif, in the order of nova's libvirt
driver.  What happens inside is nova_host.py."""
# level: full

import pathlib

import pytest

from two_hosts import play


def test_nova(tmp_path):
    path = '/usr/lib/python3/dist-packages/os_vif'
    if not pathlib.Path(path).exists():
        pytest.exit(path + ' is missing: scripts/deps full', 77)
    play(tmp_path, 'nova_host.py', 'geneve')
