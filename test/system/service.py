# SPDX-License-Identifier: Apache-2.0
"""The daemon as systemd runs it, in a VM that has booted systemd."""

import os
import pathlib
import subprocess

from conftest import LIMIT, Daemon, assert_no_reports
from twinlib import run, wait_for

UNIT = 'ovs-vdpad.service'
DROP_INS = pathlib.Path('/run/systemd/system')


class HostOvs:
    """Debian's Open vSwitch, where Debian has it."""

    env = dict(os.environ)

    def vsctl(self, *args):
        return run('ovs-vsctl', *args)

    def appctl(self, *args, **kwargs):
        return run('ovs-appctl', *args, **kwargs)


def systemctl(*words, **kwargs):
    kwargs.setdefault('timeout', 2 * LIMIT)
    return run('systemctl', *words, **kwargs)


def show(unit, name):
    """A property of a unit."""
    return systemctl('show', '--value', '-p', name, unit).strip()


def is_active(unit):
    return show(unit, 'ActiveState') == 'active'


class Service(Daemon):
    """ovs-vdpad.service."""

    def __init__(self):
        super().__init__(HostOvs())

    def start(self, *options):
        assert not options
        systemctl('start', UNIT)

    def stop(self, signo=None):
        assert not signo
        systemctl('stop', UNIT)

    def pid(self):
        return int(show(UNIT, 'MainPID'))

    def is_up(self):
        return is_active(UNIT) and not subprocess.run(
            ['ovs-appctl', '-t', 'ovs-vdpad', 'version'],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            check=False).returncode

    def wait_up(self, limit=LIMIT):
        wait_for(self.is_up, UNIT + ' is up', limit)

    def log(self):
        return run('journalctl', '-o', 'cat', '--no-pager', '-u', UNIT)

    def drop_in(self, text, name='90-test.conf', wait=True):
        """Settings for [Service] until the next call; restarts it."""
        path = DROP_INS / (UNIT + '.d') / name
        path.unlink(missing_ok=True)
        if text:
            path.write_text('[Service]\n' + text + '\n')
        systemctl('daemon-reload')
        systemctl('reset-failed', UNIT)
        systemctl('restart', *([] if wait else ['--no-block']), UNIT)

    def assert_no_reports(self):
        """UBSan's are in the journal, ASan's in files (see install)."""
        files = ''.join(p.read_text()
                        for p in pathlib.Path('/run/asan').iterdir())
        assert_no_reports(self.log() + files)
        assert files == ''
