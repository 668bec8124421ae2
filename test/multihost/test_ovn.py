# SPDX-License-Identifier: Apache-2.0
"""OVN makes a logical switch over the vDPA devices of two hosts.  What happens
inside is ovn_host.py."""

import pytest

from two_hosts import play


@pytest.mark.parametrize('encapsulation', ['geneve', 'vxlan'])
def test_ovn(tmp_path, encapsulation):
    play(tmp_path, 'ovn_host.py', encapsulation, 'moved', 'tracked')
