"""gin files of a run: their order, contradictions between them, and errors in one sentence."""

import subprocess
import sys
from pathlib import Path

import gin
import pytest

from sac_tf.errors import ConfigurationError
from sac_tf.runs import gin_files
from sac_tf.training.train import Training


@pytest.fixture
def write(tmp_path):
    """Returns a function that writes a gin file below `tmp_path` and returns its path."""

    def write_file(name, *lines):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
        return str(path)

    return write_file


def _refusal(files, bindings=()):
    gin.clear_config()
    with pytest.raises(ConfigurationError) as caught:
        gin_files.read(files, bindings)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_files_are_read_from_general_to_special(write):
    base = write("sac.gin", "train.seed = 1", "train.discount = 0.1", "train.batch_size = 1")
    task = write("tasks/toy.gin", "train.environment = 'Toy-v0'", "train.seed = 2")
    first = write("first.gin", "train.discount = 0.3", "train.batch_size = 3")
    gin_files.read([first, task, base], ["train.batch_size = 4"])
    training = Training()
    assert training.seed == 2
    assert training.discount == 0.3
    assert training.batch_size == 4


def test_other_files_are_read_in_the_order_given(write, monkeypatch):
    given = []
    monkeypatch.setattr(gin, "parse_config", lambda source: given.append(source))
    names = [write(name) for name in ("b.gin", "tasks/y.gin", "a.gin", "sac.gin", "tasks/x.gin")]
    b, y, a, base, x = names
    gin_files.read(names, [])
    assert [source.name for source in given[:-1]] == [base, y, x, b, a]


def test_a_file_may_override_the_files_that_it_includes(write):
    base = write("base.gin", "train.seed = 1", "train.discount = 0.5")
    derived = write("derived.gin", f"include '{base}'", "train.seed = 2")
    assert gin_files.bindings_in(derived) == {"train.seed": "2", "train.discount": "0.5"}
    gin_files.read([derived], ["train.environment = 'Toy-v0'"])
    assert Training().seed == 2


def test_a_number_may_replace_the_schedule_of_a_file():
    run = ["train.environment = 'Pendulum-v1'", "adam.learning_rate = 3e-4"]
    gin_files.read(["fast.gin"], run)
    settings = Training().configuration().settings
    assert settings["actor/adam.learning_rate"] == settings["critic/adam.learning_rate"] == "0.0003"
    gin.clear_config()
    gin_files.read(["fast.gin"], [*run, "linear_decay.decay_steps = 5"])
    with pytest.raises(ConfigurationError, match="linear_decay.decay_steps has no effect"):
        Training().configuration()


def test_bindings_are_read_as_text(write):
    file = write(
        "all.gin",
        "SIZE = 3",
        "actor/adam.learning_rate = @cosine_decay()",
        "SacState.actor_optimizer = @actor/adam",
        "critic.ensemble_size = %SIZE",
        "critic.hidden_units = (1_000, %SIZE)",
    )
    assert gin_files.bindings_in(file) == {
        "SIZE": "3",
        "actor/adam.learning_rate": "@cosine_decay()",
        "SacState.actor_optimizer": "@actor/adam",
        "critic.ensemble_size": "%SIZE",
        "critic.hidden_units": "(1000, %SIZE)",
    }


@pytest.mark.parametrize(
    ("here", "there", "name"),
    [
        ("train.seed = 1", "train.seed = 2", "train.seed"),
        (
            "actor/adam.learning_rate = 1e-3",
            "adam.learning_rate = 1e-4",
            "actor/adam.learning_rate",
        ),
        (
            "adam.learning_rate = 1e-4",
            "actor/adam.learning_rate = 1e-3",
            "actor/adam.learning_rate",
        ),
        ("critic.torso = @droq_torso", "critic.torso = @mlp_torso", "critic.torso"),
        ("SEED = 1", "SEED = 2", "SEED"),
    ],
)
def test_contradictory_files_are_refused(write, here, there, name):
    first = write("first.gin", here)
    second = write("second.gin", there)
    message = _refusal([first, second])
    assert message == (
        f"{first} sets {_written(here)} and {second} sets {_written(there)}; leave out one of the "
        f"files, or decide with --gin_bindings='{name} = ...'."
    )


def _written(binding):
    """Returns a binding as it is printed."""
    return binding.replace("1e-3", "0.001").replace("1e-4", "0.0001")


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("train.seed = 1", "train.seed = 1"),
        ("train.total_steps = 1_000", "train.total_steps = 1000"),
        ("actor/adam.learning_rate = 1e-3", "critic/adam.learning_rate = 1e-4"),
        ("actor.hidden_units = (8,)", "critic.hidden_units = (16,)"),
    ],
)
def test_files_that_agree_are_read(write, here, there):
    gin_files.read([write("first.gin", here), write("second.gin", there)], [])


def test_a_binding_decides_a_contradiction(write):
    first = write("first.gin", "actor/adam.learning_rate = 1e-3", "train.seed = 1")
    second = write("second.gin", "adam.learning_rate = 1e-4", "train.seed = 2")
    decided = ["actor/adam.learning_rate = 1e-2", "train.seed = 3"]
    gin_files.read([first, second], decided)
    with gin.config_scope("actor"):
        assert gin.get_bindings("adam") == {"learning_rate": 1e-2}
    assert "train.seed = 1" in _refusal([first, second], decided[:1])


def test_a_binding_without_the_scope_decides_nothing(write):
    first = write("first.gin", "actor/adam.learning_rate = 1e-3")
    second = write("second.gin", "adam.learning_rate = 1e-4")
    assert "actor/adam" in _refusal([first, second], ["adam.learning_rate = 1e-2"])


def test_contradictions_in_included_files_are_found(write):
    base = write("base.gin", "train.seed = 1")
    derived = write("derived.gin", f"include '{base}'")
    message = _refusal([derived, write("other.gin", "train.seed = 2")])
    assert f"{derived} sets train.seed = 1" in message


def test_two_tasks_are_refused():
    tasks = [f"gin_configs/tasks/{name}.gin" for name in ("ant", "pendulum")]
    message = _refusal(tasks)
    assert message.startswith("gin_configs/tasks/ant.gin sets train.environment = 'Ant-v5' and")


def test_a_missing_file_is_refused(tmp_path):
    assert _refusal([str(tmp_path)]) == f"--gin_file={tmp_path} does not exist."
    assert _refusal(["nowhere.gin"]) == (
        "--gin_file=nowhere.gin does not exist, neither in the working directory nor among the "
        f"shipped files, which are in {gin_files.SHIPPED}."
    )


@pytest.mark.parametrize("name", ["gin_configs/tasks/pendulum.gin", "tasks/pendulum.gin"])
def test_shipped_files_are_found_from_anywhere(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    gin_files.read([name], [])
    assert Training().environment == "Pendulum-v1"


def test_shipped_files_include_shipped_files(tmp_path, monkeypatch):
    """From anywhere, and whatever is in the working directory."""
    (tmp_path / "gin_configs").mkdir()
    (tmp_path / "gin_configs/redq.gin").write_text("train.seed = 7\n")
    monkeypatch.chdir(tmp_path)
    gin_files.read(["serl.gin"], ["train.environment = 'Toy-v0'"])
    assert gin.query_parameter("critic.ensemble_size") == 10
    assert Training().seed == 0


@pytest.mark.parametrize("name", ["redq.gin", "gin_configs/redq.gin"])
def test_files_of_the_user_are_found_first(tmp_path, monkeypatch, write, name):
    write(name, "train.seed = 7")
    monkeypatch.chdir(tmp_path)
    assert gin_files.bindings_in(name) == {"train.seed": "7"}
    assert gin_files.bindings_in(write("own.gin", f"include '{name}'")) == {"train.seed": "7"}


@pytest.mark.parametrize("included", ["parts/base.gin", "base.gin", "~/parts/base.gin"])
def test_includes_are_found_from_anywhere(tmp_path, monkeypatch, write, included):
    """Relative to the working directory, to the file that includes them, and to the home."""
    write("parts/base.gin", "include 'more.gin'", "include 'tasks/pendulum.gin'", "train.seed = 3")
    write("parts/more.gin", "train.batch_size = 8")
    derived = write("parts/derived.gin", f"include '{included}'", "train.discount = 0.5")
    folder = tmp_path if included == "parts/base.gin" else "/"
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    gin_files.read([derived], [])
    training = Training()
    assert (training.seed, training.batch_size, training.discount) == (3, 8, 0.5)
    assert training.environment == "Pendulum-v1"
    assert len(gin_files.texts([derived])) == 4


def test_a_binding_may_include_a_file(write):
    base = write("base.gin", "train.seed = 3", "train.environment = 'Toy-v0'")
    gin_files.read([], [f"include '{base}'", "train.batch_size = 8"])
    assert (Training().seed, Training().batch_size) == (3, 8)


def test_a_task_is_recognized_from_its_own_folder(monkeypatch, write):
    """Also where the working directory is that folder."""
    task = write("tasks/toy.gin", "train.environment = 'Toy-v0'", "train.seed = 2")
    variant = write("variant.gin", "train.seed = 3")
    monkeypatch.chdir(Path(task).parent)
    gin_files.read([variant, "toy.gin"], [])
    assert Training().seed == 3


def test_contradictions_in_shipped_files_are_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = _refusal(["droq.gin", "gin_configs/crossq.gin"])
    assert message.startswith("droq.gin sets critic.torso = @droq_torso and gin_configs/crossq.gin")


def test_a_missing_include_is_named_with_its_file(tmp_path, write):
    inner = write("inner.gin", "train.seed = 1", "include 'nowhere.gin'")
    outer = write("outer.gin", f"include '{inner}'")
    expected = (
        f"{inner} includes nowhere.gin, which is neither in {Path.cwd()} nor in {tmp_path} nor in "
        f"{gin_files.SHIPPED}."
    )
    assert _refusal([outer]) == expected
    with pytest.raises(ConfigurationError, match="includes nowhere.gin"):
        gin_files.texts([outer])
    assert _refusal([], ["include 'nowhere.gin'"]).startswith(
        "--gin_bindings includes nowhere.gin, which is neither in"
    )


def test_statements_around_an_include_keep_their_order(write):
    inner = write("inner.gin", "train.seed = 2", "train.discount = 0.2", "train.batch_size = 2")
    outer = write(
        "outer.gin",
        "import sac_tf.replay.prioritized",
        "train.environment = 'Toy-v0'",
        "train.seed = 1",
        "train.batch_size = (",
        "    1)",
        f"include '{inner}'  # overrides the seed",
        "tables.sampler = @Prioritized",
        "train.discount = 0.3",
    )
    gin_files.read([outer], [])
    training = Training()
    assert (training.seed, training.batch_size, training.discount) == (2, 2, 0.3)


def test_dynamic_registration_holds_after_an_include(write):
    inner = write("inner.gin", "train.seed = 2")
    outer = write(
        "outer.gin",
        "from __gin__ import dynamic_registration",
        "import textwrap",
        f"include '{inner}'",
        "textwrap.shorten.width = 7",
    )
    gin_files.read([outer], ["train.environment = 'Toy-v0'"])
    assert gin.query_parameter("textwrap.shorten.width") == 7
    assert Training().seed == 2


def test_files_that_include_each_other_are_refused(write):
    first = write("first.gin", "include 'second.gin'")
    second = write("second.gin", "include 'first.gin'")
    assert _refusal([first]) == (
        f"gin files include each other in a circle: {first} includes {second} includes {first}."
    )


def test_a_syntax_error_names_file_and_line(write):
    inner = write("inner.gin", "train.seed = 1", "train.seed 2")
    message = _refusal([write("outer.gin", f"include '{inner}'")])
    assert f"({inner}, line 2)" in message or "(inner.gin, line 2)" in message


def test_mistakes_in_files_show_without_the_library():
    code = (
        "import sys\n"
        "from sac_tf.runs import gin_files\n"
        "assert 'train.environment' in gin_files.check(['tasks/ant.gin'], ['train.seed=1'])\n"
        "assert not {'tensorflow', 'reverb', 'matplotlib', 'pandas'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("binding", "words"),
    [
        ("train.sed = 1", "doesn't have a parameter named 'sed'"),
        ("trane.seed = 1", "No configurable matching 'trane'"),
        ("critic.torso = @no_torso", "No configurable matching reference '@no_torso'"),
        ("train.seed = ", "Unable to parse value"),
        ("train.seed = x", "malformed"),
        ("import sac_tf.nowhere", "No module named 'sac_tf.nowhere'"),
    ],
)
def test_errors_of_gin_are_one_sentence(write, binding, words):
    for files, bindings in (([], [binding]), ([write("wrong.gin", binding)], [])):
        message = _refusal(files, bindings)
        assert message.startswith("gin cannot use this configuration: ") and words in message


def test_an_error_without_words_names_its_type(monkeypatch):
    def fail(*_):
        raise KeyError

    monkeypatch.setattr(gin, "parse_config", fail)
    assert _refusal([]) == "gin cannot use this configuration: KeyError"
