"""Declares a py_test for each pytest file: a new test file needs no BUILD edit."""

def pytest_tests(data = [], deps = []):
    """Declares //tests:<folder>/test_<name> for every test_<name>.py below this package.

    Args:
      data: files that tests read, in addition to those of this package.
      deps: libraries that tests import.
    """
    native.py_library(
        name = "support",  # conftest.py, helpers and recorded data
        srcs = native.glob(["**/*.py"], exclude = ["**/test_*.py"]),
        data = data + native.glob(["**"], exclude = ["BUILD", "**/*.bzl", "**/*.py", "**/*.pyc"]),
        deps = deps,
    )
    for src in native.glob(["**/test_*.py"]):
        native.py_test(
            name = src[:-len(".py")],
            srcs = [src, "bazel_runner.py"],
            main = "bazel_runner.py",
            args = [native.package_name() + "/" + src],
            # Bazel would add an __init__.py to every folder, gin_configs and tests included.
            legacy_create_init = False,
            timeout = "long",  # 15 minutes: some tests train
            # Tests of the documentation read the whole source tree, which is not declared.
            tags = ["external", "local"] if src.startswith("docs/") else [],
            deps = [":support"],
        )
