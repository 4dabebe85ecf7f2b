"""Private interfaces of pinned libraries, which may break with another version.

The rest of the library uses public interfaces only, so this package lists what a move to newer
versions of TensorFlow, Keras, Reverb or gin costs. Each module names its reason.
"""

from types import ModuleType

from sac_tf.errors import ConfigurationError

_TESTED = {"tensorflow": "2.15.", "keras": "2.15.", "tensorflow_probability": "0.23."}


def require_tested(library: ModuleType) -> None:
    """Raises ConfigurationError if this package was not tested with the installed version of
    `library`."""
    tested = _TESTED[library.__name__]
    if not library.__version__.startswith(tested):
        raise ConfigurationError(
            f"{library.__name__} {library.__version__} is installed, and sac_tf uses private "
            f"interfaces of {tested}x; install the version in constraints.txt."
        )
