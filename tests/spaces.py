"""Tasks with every kind of space, and tasks that return what their spaces do not say:
`tests.spaces:Tuple-v0` and so on. Each is a point that is moved by the mean of its action."""

import gymnasium
import numpy as np
from gymnasium import spaces

LENGTH = 20


def leaves(value):
    if isinstance(value, dict):
        return [leaf for key in sorted(value) for leaf in leaves(value[key])]
    if isinstance(value, tuple):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


class Base(gymnasium.Env):
    """Observes x, three numbers; the reward is -|x[0]|."""

    observation_space = spaces.Box(-10, 10, (3,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)
    metadata = {"render_modes": []}

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x = self.np_random.uniform(-1, 1, 3).astype(np.float32)
        return self.see(self.x), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        mean = np.mean(np.concatenate([np.ravel(part) for part in leaves(action)]))
        self.x = np.clip(self.x + 0.1 * mean, -10, 10).astype(np.float32)
        return self.see(self.x), self.reward(float(-abs(self.x[0]))), False, False, {}

    @staticmethod
    def see(x):
        return x.copy()

    @staticmethod
    def reward(value):
        return value


def task(name, observation=None, action=None, see=None, reward=None):
    """Registers a `Base` with other spaces, observations or rewards."""
    changes = {
        "observation_space": observation,
        "action_space": action,
        "see": see and staticmethod(see),
        "reward": reward and staticmethod(reward),
    }
    members = {key: value for key, value in changes.items() if value is not None}
    cls = type(name, (Base,), members)
    gymnasium.register(f"{name}-v0", entry_point=cls, max_episode_steps=LENGTH)


BOX = spaces.Box(-10, 10, (3,), np.float32)
UNIT = spaces.Box(-1, 1, (2,), np.float32)

# What is accepted.
task("Float16", spaces.Box(-10, 10, (3,), np.float16), see=np.float16)
task("Float64", spaces.Box(-10, 10, (3,), np.float64), see=np.float64)
task("Integer", spaces.Box(-10, 10, (3,), np.int32), see=lambda x: x.astype(np.int32))
task("Byte", spaces.Box(0, 255, (3,), np.uint8), see=lambda x: np.abs(x).astype(np.uint8))
task("BooleanBox", spaces.Box(0, 1, (3,), bool), see=lambda x: x > 0)
task("Scalar", spaces.Box(-10, 10, (), np.float32), see=lambda x: x[0])
task("Matrix", spaces.Box(-10, 10, (3, 1), np.float32), see=lambda x: x[:, None])
task("Category", spaces.Discrete(4, start=-1), see=lambda x: np.int64(x[0] > 0))
task("MultiDiscrete", spaces.MultiDiscrete([2, 3]), see=lambda x: (x[:2] > 0).astype(int))
task("MultiBinary", spaces.MultiBinary(3), see=lambda x: (x > 0).astype(np.int8))
task("Tuple", spaces.Tuple((BOX, spaces.Discrete(2))), see=lambda x: (x.copy(), int(x[0] > 0)))
task(
    "DictOfAll",
    spaces.Dict(
        {
            "x": BOX,
            "gripper": spaces.Discrete(2),
            "inner": spaces.Dict({"pair": spaces.Tuple((BOX, spaces.MultiBinary(2)))}),
        }
    ),
    see=lambda x: {"x": x, "gripper": 1, "inner": {"pair": (x, np.ones(2, np.int8))}},
)
task("ScalarAction", action=spaces.Box(-2.0, 3.0, (), np.float32))
task("MatrixAction", action=spaces.Box(-1.0, 2.0, (2, 3), np.float32))
task("Float64Action", action=spaces.Box(-1.0, 2.0, (2,), np.float64))
task("TupleAction", action=spaces.Tuple((UNIT, spaces.Box(0, 5, (), np.float32))))
task("DictAction", action=spaces.Dict({"base": UNIT, "arm": spaces.Dict({"1 joint": UNIT})}))

ACCEPTED = (
    "Float16",
    "Float64",
    "Integer",
    "Byte",
    "BooleanBox",
    "Scalar",
    "Matrix",
    "Category",
    "MultiDiscrete",
    "MultiBinary",
    "Tuple",
    "DictOfAll",
    "ScalarAction",
    "MatrixAction",
    "Float64Action",
    "TupleAction",
    "DictAction",
)

KEYS = (
    "joint positions",
    "/joint_states/position",
    "speed (m/s)",
    "H\u00f6he",
    "a.b",
    "cam:0",
    "_private",
    "3d_pose",
    "action",
    "seed",
)
task(
    "Everything",
    spaces.Dict(
        {
            **dict.fromkeys(KEYS, BOX),
            "scalar": spaces.Box(-10, 10, (), np.float64),
            "byte": spaces.Box(0, 255, (3,), np.uint8),
            "gripper": spaces.Discrete(4, start=-1),
            "modes": spaces.MultiDiscrete([2, 3]),
            "pair": spaces.Tuple((BOX, spaces.MultiBinary(2))),
        }
    ),
    action=spaces.Dict(
        {
            "arm (left)": spaces.Tuple((UNIT, spaces.Box(-2.0, 3.0, (), np.float32))),
            "base": spaces.Box(-1.0, 2.0, (2, 3), np.float64),
        }
    ),
    see=lambda x: {
        **dict.fromkeys(KEYS, x),
        "scalar": x[0],
        "byte": np.abs(x).astype(np.uint8),
        "gripper": np.int64(x[0] > 0),
        "modes": (x[:2] > 0).astype(int),
        "pair": (x, np.ones(2, np.int8)),
    },
)

# What is refused when the task is made.
task("Text", spaces.Text(5), see=lambda x: "far")
task("Sequence", spaces.Sequence(BOX), see=lambda x: (x, x))
task(
    "ChannelsFirst",
    spaces.Box(0, 255, (3, 8, 8), np.uint8),
    see=lambda x: np.zeros((3, 8, 8), np.uint8),
)
task("Empty", spaces.Dict({}), see=lambda x: {})
task("DiscreteAction", action=spaces.Discrete(3))
task("IntegerAction", action=spaces.Box(-3, 3, (2,), np.int32))
task("MixedAction", action=spaces.Dict({"arm": UNIT, "gripper": spaces.Discrete(2)}))
task("UnboundedAction", action=spaces.Box(-np.inf, np.inf, (1,), np.float32))
task("HalfOpenAction", action=spaces.Box(np.float32([0.0]), np.float32([np.inf])))
_LARGEST = np.finfo(np.float32).max
task("LargestAction", action=spaces.Box(-_LARGEST, _LARGEST, (1,), np.float32))
task("Largest64Action", action=spaces.Box(-1e300, 1e300, (1,), np.float64))

# What is refused at reset or at the step where it happens.
task("Lists", see=lambda x: x.tolist())  # accepted: numbers of the right shape
task("Longer", see=lambda x: np.append(x, 1).astype(np.float32))
task("Column", see=lambda x: x[:, None])
task("Words", see=lambda x: "far away")
task("ExtraKey", spaces.Dict({"pos": BOX}), see=lambda x: {"pos": x, "debug": x})
task("OtherKey", spaces.Dict({"goal": BOX, "pos": BOX}), see=lambda x: {"pos": x, "zgoal": x})
task("ExtraPart", spaces.Tuple((BOX,)), see=lambda x: (x, x))
task("ArrayForDict", spaces.Dict({"pos": BOX}), see=lambda x: x)
task("OutOfCategories", spaces.Discrete(2), see=lambda x: 2)
task("RewardVector", reward=lambda r: np.array([r]))
task("RewardZeroD", reward=np.array)
task("RewardInteger", reward=int)
task("RewardNone", reward=lambda r: None)
task("RewardPair", reward=lambda r: np.array([r, r]))


class Changing(Base):
    """From the third step on, one number less."""

    def reset(self, **arguments):
        self.steps = 0
        return super().reset(**arguments)

    def step(self, action):
        self.steps += 1
        observation, *rest = super().step(action)
        return (observation if self.steps < 3 else observation[:2]), *rest


class ResetWithoutSeed(Base):
    def reset(self):
        return super().reset()


class OldReset(Base):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0]


class OldStep(Base):
    def step(self, action):
        observation, reward, terminated, _, info = super().step(action)
        return observation, reward, terminated, info


class NoInfo(Base):
    def step(self, action):
        return *super().step(action)[:4], None


class RaisesInClose(Base):
    closed = 0

    def close(self):
        type(self).closed += 1
        raise AttributeError("'NoneType' object has no attribute 'shutdown'")


class NoRenderMode(Base):
    def __init__(self):
        self.render_mode = None


class MissingAsset(Base):
    def __init__(self, render_mode=None):
        raise FileNotFoundError(2, "No such file or directory", "robot.xml")


class NeedsArgument(Base):
    """Multiplies what is observed."""

    def __init__(self, gain, render_mode=None):
        self.gain = gain

    def step(self, action):
        observation, *rest = super().step(action)
        return observation * np.float32(self.gain), *rest


for _class in (
    Base,
    Changing,
    ResetWithoutSeed,
    OldReset,
    OldStep,
    NoInfo,
    RaisesInClose,
    NoRenderMode,
    MissingAsset,
    NeedsArgument,
):
    gymnasium.register(f"{_class.__name__}-v0", entry_point=_class, max_episode_steps=LENGTH)


def make_point(gain=1.0):
    """A function instead of an id."""
    return gymnasium.wrappers.TimeLimit(NeedsArgument(gain), LENGTH)


def not_an_environment():
    return "point"


def channels_last(environment):
    """Moves the channels of images to the end."""
    space = spaces.Box(0, 255, (8, 8, 3), np.uint8)
    return gymnasium.wrappers.TransformObservation(
        environment, lambda image: np.moveaxis(image, 0, -1), space
    )


def bounded(environment):
    """Gives an unbounded action bounds."""
    box = spaces.Box(-1, 1, environment.action_space.shape, np.float32)
    return gymnasium.wrappers.TransformAction(environment, lambda action: action, box)


def continuous(environment):
    """Makes a discrete action of three from a number in [-1, 1]."""
    box = spaces.Box(-1, 1, (1,), np.float32)
    return gymnasium.wrappers.TransformAction(
        environment, lambda action: int(np.round(action[0])) + 1, box
    )


def numbers(environment):
    """Returns two numbers for a text or a sequence."""
    box = spaces.Box(0, 9, (2,), np.float32)
    return gymnasium.wrappers.TransformObservation(
        environment, lambda observation: np.full(2, len(observation), np.float32), box
    )


class Scaled(gymnasium.ObservationWrapper):
    """A user's wrapper with an argument."""

    def __init__(self, environment, gain):
        super().__init__(environment)
        self._gain = gain

    def observation(self, observation):
        return observation * np.float32(self._gain)
