"""Main program of each Bazel test: runs pytest on the files given as arguments (see pytest.bzl)."""

import atexit
import os
import pathlib
import shutil
import sys
import tempfile

if __name__ == "__main__":
    # As `python -m pytest` does. Python sets it to the folder of this script with links resolved,
    # tests/ in the source tree.
    sys.path[0] = str(pathlib.Path.cwd())
    # Bazel sets no HOME. The path of its TEST_TMPDIR is too long for the Unix sockets of
    # multiprocessing.
    scratch = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    os.environ.update(HOME=scratch, TMPDIR=scratch)
    tempfile.tempdir = None  # reset the folder cached by mkdtemp

    import pytest

    code = pytest.main(sys.argv[1:])
    # A file whose tests are all skipped or deselected does not fail, as in a run of all tests.
    sys.exit(0 if code == pytest.ExitCode.NO_TESTS_COLLECTED else code)
