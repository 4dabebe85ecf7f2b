"""Private interfaces of pinned libraries: everything here may break with another version.

The rest of the library uses public interfaces only, so the modules of this package list what a move
to newer versions of TensorFlow, Keras, Reverb or gin costs. Each names its reason.
"""

from types import ModuleType

from sac_tf.errors import ConfigurationError

_TESTED = {"tensorflow": "2.15.", "keras": "2.15.", "tensorflow_probability": "0.23."}


def require_tested(library: ModuleType) -> None:
    """Raises ConfigurationError if `library` is not of the version that this package was tested
    with."""
    tested = _TESTED[library.__name__]
    if not library.__version__.startswith(tested):
        raise ConfigurationError(
            f"{library.__name__} {library.__version__} is installed, and sac_tf uses private "
            f"interfaces "
            f"of {tested}x; install requirements.txt."
        )
