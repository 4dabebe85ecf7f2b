"""What a run was configured with: written beside it, compared on resume, and free of bindings that
do nothing."""

from pathlib import Path

import gin

from sac_tf import files
from sac_tf.errors import ConfigurationError

FILE_NAME = "config.gin"
_MAY_CHANGE = {"train.total_steps"}
_LONGEST_LINE = 10_000


def operative_bindings(text: str) -> dict[str, str]:
    """Returns {"name.parameter": "value"} of a gin file that has one binding to a line."""
    lines = [
        line.partition(" = ") for line in text.splitlines() if not line.lstrip().startswith("#")
    ]
    return {name.strip(): value.strip() for name, equals, value in lines if equals}


def refuse_idle_bindings() -> None:
    """Raises ConfigurationError if a value was given to something that this run never called.

    References (`@name`) are wiring, not settings: sac.gin wires parts that a variant may leave out.
    """
    given = operative_bindings(gin.config_str(max_line_length=_LONGEST_LINE))
    used = operative_bindings(gin.operative_config_str(max_line_length=_LONGEST_LINE))
    # A binding without a scope also holds in scopes: adam.learning_rate is used by actor/adam.
    settings = [name for name, value in given.items() if "." in name and not value.startswith("@")]
    idle = sorted(
        n for n in settings if n not in used and not any(u.endswith(f"/{n}") for u in used)
    )
    if idle:
        raise ConfigurationError(
            f"The binding of {', '.join(idle)} has no effect: no part of this run uses it."
        )


def refuse_unequal_gammas() -> None:
    """Raises ConfigurationError if parts of this run discount differently: n-step rows and the
    critic's target."""
    used = operative_bindings(gin.operative_config_str(max_line_length=_LONGEST_LINE))
    gammas = {
        name: used.get(value.lstrip("%"), value)
        for name, value in used.items()
        if name.endswith(".gamma")
    }
    if len(set(gammas.values())) > 1:
        listed = ", ".join(f"{name} = {value}" for name, value in sorted(gammas.items()))
        raise ConfigurationError(
            f"A run has one discount, not {listed}; with n_step.gin bind GAMMA, which sets them "
            f"all."
        )


def refuse_other_configuration(root_dir: Path) -> None:
    """Raises ConfigurationError if `root_dir` holds a run whose settings are not those now given to
    gin.

    Looks at what was given only, so it can run before anything is built; `save_or_compare` also
    knows the defaults.
    """
    path = root_dir / FILE_NAME
    if path.exists():
        given = operative_bindings(gin.config_str(max_line_length=_LONGEST_LINE))
        then = operative_bindings(path.read_text())
        both = then.keys() & given.keys()
        _compare(
            root_dir, {name: then[name] for name in both}, {name: given[name] for name in both}
        )


def save_or_compare(root_dir: Path) -> None:
    """Writes the operative configuration to `root_dir`; raises ConfigurationError if another one is
    there."""
    path = root_dir / FILE_NAME
    text = gin.operative_config_str(max_line_length=_LONGEST_LINE)
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("# ==="))
    if path.exists():
        _compare(root_dir, operative_bindings(path.read_text()), operative_bindings(text))
    files.write_at_once(path, text)


def _compare(root_dir: Path, then: dict[str, str], now: dict[str, str]) -> None:
    names = sorted(
        name for name in then | now if then.get(name) != now.get(name) and name not in _MAY_CHANGE
    )
    if names:
        changes = "; ".join(
            f"{name} was {then.get(name, 'not set')}, now {now.get(name, 'not set')}"
            for name in names
        )
        raise ConfigurationError(
            f"--root_dir={root_dir} holds a run with another configuration ({changes}). "
            "Use a new --root_dir, or the same settings."
        )
