"""The gin files of the repository: every pair of variants composes, or is refused by name."""

import functools
import inspect

import gin
import pytest

from sac_tf.errors import ConfigurationError
from sac_tf.runs import gin_files
from sac_tf.training.train import Training
from tests.configs.pairs import (
    PAIRS,
    SAC,
    SETS_CRITICS,
    TASK_PAIRS,
    TASKS,
    VARIANTS,
    WITH_CLASSIFIER,
    WITHOUT_CRITICS,
    name_of,
    read,
    refusal_of,
)


def _settings(*files) -> dict[str, str]:
    """Returns all settings of a run."""
    read(*files)
    return Training().configuration().settings


def _in_gin(file) -> dict[str, str]:
    """Returns the present values in gin of the bindings of a file."""
    return {name: repr(gin.query_parameter(name)) for name in gin_files.bindings_in(file)}


@functools.cache
def _defaults() -> dict[str, str]:
    return _settings()


@functools.cache
def _bound(file) -> dict[str, str]:
    """Returns the values in gin of the bindings of a file that is read alone."""
    read(file)
    return _in_gin(file)


@functools.cache
def _changes(file) -> tuple[dict[str, str], set[str]]:
    """Returns the settings of a run that a file changes or adds, and the names of those that it
    removes."""
    settings = _settings(file)
    changed = {
        name: value
        for name, value in settings.items()
        if _defaults().get(name) != value or name in _bound(file)
    }
    return changed, _defaults().keys() - settings.keys()


def _composed(*files) -> dict[str, str]:
    """Returns the defaults with the changes of each file in turn."""
    settings = dict(_defaults())
    for file in files:
        changed, absent = _changes(file)
        # A setting of a part that another file has brought in too keeps the value it has there.
        kept = (changed.keys() & settings.keys()) - _defaults().keys() - _bound(file).keys()
        changed = {name: value for name, value in changed.items() if name not in kept}
        settings = {name: settings[name] for name in settings.keys() - absent} | changed
    values = " ".join(settings.values())
    replaced = {name for name in settings.keys() - _defaults().keys() if _part(name) not in values}
    settings = {name: settings[name] for name in settings.keys() - replaced}
    return settings | _of_classifier(*files) if WITH_CLASSIFIER in files else settings


def _part(name) -> str:
    """Returns the part that a setting is of: "adam" for "critic/adam.learning_rate"."""
    return name.rpartition("/")[2].partition(".")[0]


def _of_classifier(*files) -> dict[str, str]:
    """Returns settings of a classifier that other files do not take away, and those of `adam`
    without a scope, which hold for its optimizer too."""
    found = {"observation_inputs.leaves": _defaults()["observation_inputs.leaves"]}
    for file in files:
        shared = {name: value for name, value in _bound(file).items() if name.startswith("adam.")}
        found |= {f"classifier/{name}": value for name, value in shared.items()}
    return found


def _effective(name) -> str:
    """Returns the value that a call in the scope of `name` gets."""
    scope, _, parameter = name.rpartition("/")
    selector, _, parameter = parameter.rpartition(".")
    with gin.config_scope(scope or None):
        return repr(gin.get_bindings(selector, resolve_references=False)[parameter])


@pytest.mark.parametrize("name", gin_files.bindings_in(SAC))
def test_sac_gin_shows_signature_defaults(name):
    selector, _, parameter = name.rpartition(".")
    default = inspect.signature(gin.get_configurable(selector)).parameters[parameter].default
    assert gin_files.bindings_in(SAC)[name] == repr(default)


def test_sac_gin_changes_no_setting():
    assert _settings(SAC) == _defaults()


@pytest.mark.parametrize("variant", VARIANTS, ids=name_of)
def test_sac_gin_first_or_last_gives_the_variant(variant):
    assert _settings(variant) != _defaults()
    assert _settings(SAC, variant) == _settings(variant, SAC) == _settings(variant)


def test_optimizers_of_critics_are_refused_without_critics():
    for files in ((SETS_CRITICS, WITHOUT_CRITICS), (WITHOUT_CRITICS, SETS_CRITICS)):
        with pytest.raises(ConfigurationError, match="critic/adam.learning_rate, .* no effect"):
            _settings(*files)


@pytest.mark.parametrize(
    "pair", [*PAIRS, *TASK_PAIRS], ids=lambda pair: "-".join(map(name_of, pair))
)
def test_a_pair_composes_or_raises_in_both_orders(pair):
    orders = [pair, pair[::-1]]
    refusals = [refusal_of(files) for files in orders]
    if refusals == [None, None]:
        composed = _composed(*pair)
        bound = _bound(pair[0]) | _bound(pair[1])
        for files in orders:
            assert _settings(*files) == composed
            assert _in_gin(pair[0]) | _in_gin(pair[1]) == bound
        return
    for files, refusal in zip(orders, refusals, strict=True):
        first, mine, here, second, theirs, there, _ = refusal.groups()
        assert (first, second) == tuple(sorted(files, key=lambda file: file not in TASKS))
        assert gin_files.bindings_in(first)[mine] == here
        assert gin_files.bindings_in(second)[theirs] == there
        assert here != there
        assert mine.rpartition("/")[2] == theirs.rpartition("/")[2]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "-".join(map(name_of, pair)))
def test_the_binding_named_in_the_message_decides(pair):
    """In favor of the second file, until nothing is left to decide."""
    decided = {}
    expected = {}
    if (refusal := refusal_of(pair)) and refusal[2] == "train.agent":
        assert refusal[7] is None
        return
    while refusal := refusal_of(pair, [f"{name} = {value}" for name, value in decided.items()]):
        _, mine, _, _, theirs, there, name = refusal.groups()
        assert name not in decided
        decided[name] = there
        expected[max(mine, theirs, key=len)] = there
    assert {name: _effective(name) for name in expected} == expected


def test_two_tasks_raise():
    with pytest.raises(ConfigurationError, match="ant.gin sets train.environment = 'Ant-v5' and"):
        read(*TASKS[:2])
