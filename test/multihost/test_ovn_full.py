# SPDX-License-Identifier: Apache-2.0
"""More of OVN on two hosts: ports that are plugged on both, and a card that
does not take tunnels."""
# level: full

import pytest

from two_hosts import play


@pytest.mark.parametrize('encapsulation', ['geneve', 'vxlan'])
def test_refused_tunnel(tmp_path, encapsulation):
    play(tmp_path, 'ovn_host.py', encapsulation, 'refused')


def test_requested_chassis(tmp_path):
    play(tmp_path, 'ovn_host.py', 'geneve', 'requested')
