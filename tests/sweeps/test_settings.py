"""Settings of a sweep, parsed from --sweep and --variant, and their errors."""

import pytest

from sac_tf.errors import ConfigurationError
from sac_tf.sweeps import settings


@pytest.mark.parametrize(
    ("sweeps", "expected"),
    [
        (
            ["critic.ensemble_size=[2, 5,10]"],
            [
                ("ensemble_size=2", "ensemble_size=2", ["critic.ensemble_size = 2"]),
                ("ensemble_size=5", "ensemble_size=5", ["critic.ensemble_size = 5"]),
                ("ensemble_size=10", "ensemble_size=10", ["critic.ensemble_size = 10"]),
            ],
        ),
        (
            ["critic_step.tau=(1e-3,)", "actor.hidden_units=[(8,), (256, 256)]"],
            [
                (
                    "tau=0.001, hidden_units=(8,)",
                    "tau=0.001,hidden_units=8,",
                    ["critic_step.tau = 0.001", "actor.hidden_units = (8,)"],
                ),
                (
                    "tau=0.001, hidden_units=(256, 256)",
                    "tau=0.001,hidden_units=256,256",
                    ["critic_step.tau = 0.001", "actor.hidden_units = (256, 256)"],
                ),
            ],
        ),
        (
            ["sac.alpha_step=[@alpha_step, None]"],
            [
                (
                    "alpha_step=@alpha_step",
                    "alpha_step=@alpha_step",
                    ["sac.alpha_step = @alpha_step"],
                ),
                ("alpha_step=None", "alpha_step=None", ["sac.alpha_step = None"]),
            ],
        ),
        (
            ["actor/adam.learning_rate=[%rate]", "critic/adam.learning_rate=[3e-4]", "a.b=['x y']"],
            [
                (
                    "actor/adam.learning_rate=%rate, critic/adam.learning_rate=0.0003, b='x y'",
                    "actor_adam.learning_rate=_rate,critic_adam.learning_rate=0.0003,b=x_y",
                    [
                        "actor/adam.learning_rate = %rate",
                        "critic/adam.learning_rate = 0.0003",
                        "a.b = 'x y'",
                    ],
                )
            ],
        ),
    ],
)
def test_a_grid_has_every_combination(sweeps, expected):
    found = settings.grid(sweeps)
    assert [(s.name, s.folder, list(s.gin_bindings)) for s in found] == expected
    assert all(s.gin_files == () for s in found)


def test_two_sweeps_multiply_and_the_last_varies_fastest():
    names = [s.name for s in settings.grid(["a.x=[1, 2]", "a.y=[3, 4, 5]"])]
    assert names == ["x=1, y=3", "x=1, y=4", "x=1, y=5", "x=2, y=3", "x=2, y=4", "x=2, y=5"]


def test_variants_are_bindings_and_files():
    found = settings.variants(
        ["SAC:", "no entropy: T.initial_alpha=1e-6; s.alpha_step=None", "REDQ: a/redq.gin; b.c=@d"]
    )
    assert found == [
        ("SAC", (), ()),
        ("no entropy", (), ("T.initial_alpha = 1e-06", "s.alpha_step = None")),
        ("REDQ", ("a/redq.gin",), ("b.c = @d",)),
    ]
    assert [s.folder for s in found] == ["SAC", "no_entropy", "REDQ"]


@pytest.mark.parametrize(
    ("make", "texts", "words"),
    [
        (
            settings.grid,
            ["critic.ensemble_size=2"],
            "must give a list of values, critic.ensemble_size=",
        ),
        (settings.grid, ["critic.ensemble_size=[]"], "must give a list of values"),
        (settings.grid, ["critic.ensemble_size=[2"], "is not a gin binding: EOF in multi-line"),
        (settings.grid, ["critic"], "--sweep: 'critic' is not a gin binding: Couldn't parse"),
        (settings.grid, [""], "--sweep: '' is not a gin binding"),
        (settings.grid, ["include 'x.gin'"], "is not a gin binding"),
        (settings.grid, ["a.b=[1]\nc.d=[2]"], "is not a gin binding"),
        (settings.grid, ["a.b=[1]", "a.b=[2]"], "--sweep names a parameter twice: a.b, a.b"),
        (settings.grid, ["a.b=[1, 1]"], "'b=1' needs a unique name of at most 255 bytes"),
        (settings.grid, ["a.b=['x', x]"], "is not a gin binding"),
        (settings.grid, ["train.seed=[1]"], "cannot set train.seed; use --seeds"),
        (settings.variants, ["a.b=1"], "must be a name, a colon and bindings"),
        (settings.variants, ["a.b='x:y'"], "must be a name, a colon and bindings"),
        (settings.grid, [f"a.{'b' * 254}=[1]"], "needs a unique name of at most 255 bytes"),
        (settings.variants, [": a.b=1"], "'' needs a unique name"),
        (settings.variants, ["..:"], r"'\.\.' needs a unique name"),
        (settings.variants, ["x:", "x: a.b=1"], "'x' needs a unique name"),
        (
            settings.variants,
            ["x: a.b=1 c.d=2"],
            "'a.b=1 c.d=2' is not a gin binding: Expected newline",
        ),
        (settings.variants, ["x: train.seed=1"], "cannot set train.seed"),
    ],
)
def test_an_invalid_setting_raises(make, texts, words):
    with pytest.raises(ConfigurationError, match=words):
        make(texts)
