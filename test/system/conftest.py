# SPDX-License-Identifier: Apache-2.0
"""Runs inside the VM: the simulated card, the real Open vSwitch and the real
daemon.  What the daemon did is judged by vdpa, devlink, ip, tc and ovs-vsctl,
not by its own status."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / 'twin'))

import twinlib  # noqa: E402
from twinlib import CommandError, fails, run, wait_for  # noqa: E402

BUILD = pathlib.Path(os.environ['VDPAD_BUILD'])
LIMIT = 120


def assert_no_reports(log):
    """A program and its helper processes have printed no report of ASan, LSan
    or UBSan.  When a helper ends by one nothing else tells: it is replaced."""
    found = re.search('Sanitizer|runtime error: ', log)
    if found:
        raise AssertionError('a sanitizer complains:\n' + log[
            max(found.start() - 2000, 0):found.start() + 20000])


class Daemon:
    """ovs-vdpad beside an OVS."""

    def __init__(self, ovs):
        self.ovs = ovs
        self.process = None

    def spawn(self, *options):
        """Starts it and does not wait until it answers."""
        with open(self.ovs.dir / 'vdpad.out', 'ab') as out:
            self.process = subprocess.Popen(
                [str(BUILD / 'ovs-vdpad'), '--pidfile', '-vconsole:info',
                 *options], env=self.ovs.env, stdout=out, stderr=out)

    def start(self, *options):
        self.spawn(*options)
        wait_for(self.is_up, 'the daemon answers', LIMIT)

    def is_up(self):
        assert self.process.poll() is None, self.log()
        return not subprocess.run(
            ['ovs-appctl', '-t', 'ovs-vdpad', 'version'], env=self.ovs.env,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            check=False).returncode

    def log(self):
        return (self.ovs.dir / 'vdpad.out').read_text()

    def appctl(self, *words, **kwargs):
        kwargs.setdefault('timeout', LIMIT)
        return self.ovs.appctl('-t', 'ovs-vdpad', *words, **kwargs)

    def json(self, *words):
        return json.loads(self.appctl(*words, '--json'))

    def refused(self, *words):
        """A command that has to be answered by an error; its text."""
        return fails('ovs-appctl', '-t', 'ovs-vdpad', *words,
                     env=self.ovs.env, timeout=LIMIT)

    def device(self, name):
        return self.json('device/show', name)

    def states(self):
        return {d['name']: d['state'] for d in self.json('device/list')}

    def wait_ready(self, n):
        """n devices, all of them ready."""
        def ready():
            states = self.states()
            return len(states) == n and set(states.values()) == {'ready'}
        self.wait(ready, '%d ready devices' % n)

    def plan(self):
        """None while the database has not been read."""
        try:
            return self.json('plan')
        except CommandError as e:
            if 'the database has not been read' not in str(e):
                raise
            return None

    def wait_settled(self):
        """Nothing left to do."""
        self.wait(lambda: self.plan() == []
                  and not any(p['state'] in ('applying', 'removing')
                              for p in self.json('pf/list')),
                  'an empty plan')

    def replan(self):
        """Has everything observed anew and failed steps tried again at once;
        returns when it has planned with that and every step that was due has
        been done, or has failed."""
        def plans():
            return self.json('status')['reconcile']['plans']
        before = plans()
        self.appctl('resync')
        self.wait(lambda: plans() > before and not [
            s for s in self.json('plan') if s['when'] != 'later'],
            'another plan, and its steps')

    def wait(self, condition, what, limit=LIMIT):
        try:
            return wait_for(condition, what, limit)
        except AssertionError as e:
            raise AssertionError('%s\n%s\n%s\n%s' % (
                e, self.appctl('device/list'), self.appctl('plan'),
                self.log())) from None

    def stop(self, signo=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signo)
            status = self.process.wait(LIMIT)
            assert signo == signal.SIGKILL or status == 0, self.log()
        self.process = None


@pytest.fixture(scope='session')
def session_ovs():
    ovs = twinlib.Ovs(rundir='/run/openvswitch', hw_offload=False)
    yield ovs
    ovs.stop()


def set_id(ovs, key, value):
    """Sets a key of the Open_vSwitch row's external_ids."""
    ovs.vsctl('--no-wait', 'set', 'Open_vSwitch', '.',
              'external_ids:%s=%s' % (key, value))


def remove_id(ovs, *keys):
    """Removes keys from there, if they exist."""
    ovs.vsctl('--no-wait', 'remove', 'Open_vSwitch', '.', 'external_ids',
              *keys)


def fixtures(scope):
    """The fixtures pf, ovs, daemon and policy.  A file whose tests leave
    everything as they found it may have them with the scope 'module'."""
    @pytest.fixture(scope=scope)
    def pf():
        first = twinlib.Pf(0)
        yield first
        first.defaults()

    @pytest.fixture(scope=scope)
    def ovs(session_ovs):
        """An Open vSwitch without bridges and without keys of ours."""
        yield session_ovs
        for bridge in session_ovs.vsctl('list-br').split():
            session_ovs.vsctl('del-br', bridge)
        session_ovs.vsctl('clear', 'Open_vSwitch', '.', 'external_ids')

    @pytest.fixture(scope=scope)
    def daemon(ovs, pf):
        """The daemon, started, on a bare card."""
        started = Daemon(ovs)
        (ovs.dir / 'ovs-vdpad.record').unlink(missing_ok=True)
        started.start()
        yield started
        started.stop()
        assert_no_reports(started.log())

    @pytest.fixture(scope=scope)
    def policy(ovs, pf):
        """Sets a policy on the first PF."""
        def set_policy(words, name='test', selector=None):
            set_id(ovs, 'vdpa-policy-' + name,
                   'pf=%s %s' % (selector or pf.bdf, words))
        return set_policy

    return pf, ovs, daemon, policy


pf, ovs, daemon, policy = fixtures('function')


def vdpa_dev():
    """vdpa dev show, by name."""
    return json.loads(run('vdpa -j dev show'))['dev']


def vdpa_config(name):
    return json.loads(run('vdpa -j dev config show ' + name))['config'][name]


def driver(name):
    """Bus driver of a vDPA device."""
    link = twinlib.VDPA / 'devices' / name / 'driver'
    return link.resolve().name if link.exists() else None


def link(name):
    """ip link show, of one netdev."""
    return json.loads(run('ip -j -d link show dev ' + name))[0]


def has_offload(name):
    """ethtool's word on hw-tc-offload."""
    return 'hw-tc-offload: on' in run('ethtool -k ' + name)


def interface(ovs, name):
    """external_ids and ofport of an Interface."""
    shown = json.loads(ovs.vsctl(
        '--format=json', '--columns=external_ids,ofport', 'list',
        'Interface', name))['data'][0]
    ofport = shown[1] if isinstance(shown[1], int) else None
    return dict(shown[0][1]), ofport


def ports(ovs):
    """Names of the ports of br-int."""
    if 'br-int' not in ovs.vsctl('list-br').split():
        return []
    return sorted(ovs.vsctl('list-ports', 'br-int').split())


class Holder:
    """Holds a char device, as a VM does."""

    def __init__(self, chardev):
        self.process = subprocess.Popen(
            ['sh', '-c', 'exec 3<>"$1"; echo; exec cat <&0', 'holder',
             chardev], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        self.process.stdout.readline()
        self.pid = self.process.pid

    def leave(self):
        self.process.stdin.close()
        self.process.wait()
