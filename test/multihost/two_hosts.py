# SPDX-License-Identifier: Apache-2.0
"""Two machines, each with a simulated card, with a cable between the cards and
another one for the databases."""

import os
import pathlib
import shlex
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TWIN = HERE.parent.parent / 'scripts/twin'
LIMIT = 840
# Geneve options trip a warning in the kernel's own code, which has a compiler
# believe that there is no room for them behind a structure.
GENEVE = r'field-spanning write .* at include/net/ip_tunnels\.h:'


def cable(directory, name, side, mac):
    """Options of QEMU for one end of a cable: a network card that exchanges
    datagrams with its peer."""
    other = 'b' if side == 'a' else 'a'
    netdev = ('dgram,id={0},local.type=unix,local.path={1}/{0}.{2},'
              'remote.type=unix,remote.path={1}/{0}.{3}').format(
                  name, directory, side, other)
    device = 'virtio-net-pci,netdev=%s,mac=%s' % (name, mac)
    return ['--qemu', '-netdev', '--qemu', netdev,
            '--qemu', '-device', '--qemu', device]


def start(directory, side, program, words):
    number = 'ab'.index(side) + 1
    words = [str(TWIN), '--timeout', str(LIMIT), '--cpus', '1',
             '--mem', '1536', '--share', '%s=/run/meet' % (directory / 'meet'),
             '--env', 'ASAN_OPTIONS', '--env', 'LSAN_OPTIONS',
             '--env', 'UBSAN_OPTIONS',
             *(['--allow-warning', GENEVE] if 'geneve' in words else []),
             *cable(directory, 'wire', side, '52:54:00:00:01:0%d' % number),
             *cable(directory, 'db', side, '52:54:00:00:02:0%d' % number),
             sys.executable, str(HERE / program), side, *words]
    with open(directory / side, 'wb') as out:
        return subprocess.Popen(words, stdout=out, stderr=out)


def play(tmp_path, program, *words):
    """Runs a program of this folder on both machines, as "PROGRAM a|b WORD
    ..."; both have to end well."""
    # The path of a Unix socket has 107 bytes at most.
    directory = pathlib.Path(os.path.relpath(tmp_path))
    directory = min(tmp_path, directory, key=lambda p: len(str(p)))
    (tmp_path / 'meet').mkdir()
    hosts = {side: start(directory, side, program, words) for side in 'ab'}
    try:
        status = {side: hosts[side].wait(LIMIT + 60) for side in 'ab'}
    finally:
        for host in hosts.values():
            host.kill()
    for side in 'ab':
        print('--- host %s (%s)' % (side, shlex.join(hosts[side].args)))
        print((tmp_path / side).read_text(errors='replace'))
    assert status == {'a': 0, 'b': 0}
