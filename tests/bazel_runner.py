"""Runs pytest on the files given as arguments: the main program of each Bazel test (see
pytest.bzl)."""

import atexit
import os
import pathlib
import shutil
import sys
import tempfile

if __name__ == "__main__":
    # As `python -m pytest` does. Python puts this script's folder there, with links resolved: the
    # source tree's tests/.
    sys.path[0] = str(pathlib.Path.cwd())
    # Bazel sets no HOME. Its own TEST_TMPDIR is too long a path for the Unix sockets of
    # multiprocessing.
    scratch = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    os.environ.update(HOME=scratch, TMPDIR=scratch)
    tempfile.tempdir = None  # forget the folder chosen above

    import pytest

    code = pytest.main(sys.argv[1:])
    # A file whose tests are all skipped or deselected is no failure, as in a run over the whole
    # tree.
    sys.exit(0 if code == pytest.ExitCode.NO_TESTS_COLLECTED else code)
