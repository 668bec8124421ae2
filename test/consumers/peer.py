# SPDX-License-Identifier: Apache-2.0
"""os-vif and nova, for tests that run in the VM."""

import json
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent


class PeerError(Exception):
    """What os-vif or nova raised."""


class Peer:
    """os-vif and nova, in a process of their own."""

    def __init__(self):
        self.errors = open('/run/openstack-peer.err', 'wb+')
        self.process = subprocess.Popen(
            ['/usr/bin/python3', str(HERE / 'openstack_peer.py')],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            stderr=self.errors)

    def ask(self, *words):
        """Begins a call whose answer is taken by answer()."""
        json.dump(words, self.process.stdin)
        self.process.stdin.write('\n')
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            raise AssertionError(self.errors.read().decode())
        answer = json.loads(line)
        if 'error' in answer:
            raise PeerError(answer['error'])
        return answer['value']

    def call(self, *words):
        self.ask(*words)
        return self.answer()

    def stop(self):
        self.process.stdin.close()
        self.process.wait(60)
