# SPDX-License-Identifier: Apache-2.0
"""The conformance cases on the real kernel: what the fake kernel pretends is
what this one does."""

import os
import pathlib
import subprocess

BUILD = pathlib.Path(os.environ['VDPAD_BUILD'])


def test_conformance():
    done = subprocess.run([str(BUILD / 'test' / 'conformance-real')],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0
