"""Frozen graphs: TensorFlow functions compiled with their variables as constants.

Reason: TensorFlow 2 has no public function that turns variables into constants. Constants make an
exported policy faster, and its signatures independent of the object that they were loaded with.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from sac_tf.pinned import require_tested


def freeze(
    function: Callable[..., dict[str, tf.Tensor]], inputs: Sequence[tf.TensorSpec]
) -> tf.types.experimental.GenericFunction:
    """Compiles `function` with its variables as constants.

    Args:
      function: f(*tensors) -> {output name: tensor}.
      inputs: a named spec for each argument.

    Raises:
      ConfigurationError: this package was not tested with the installed TensorFlow.
    """
    require_tested(tf)
    # Imported after the check, because another version may not have this module.
    from tensorflow.python.framework import convert_to_constants

    concrete = tf.function(function, autograph=False).get_concrete_function(*inputs)
    frozen = convert_to_constants.convert_variables_to_constants_v2(concrete)
    graph = frozen.graph.as_graph_def()
    _hide_constants(graph)
    input_names = [tensor.name for tensor in frozen.inputs]
    output_names = [tensor.name for tensor in frozen.outputs]
    keys = sorted(concrete.structured_outputs)  # the order of `frozen.outputs`

    def call(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        input_map = dict(zip(input_names, tensors, strict=True))
        outputs = tf.graph_util.import_graph_def(graph, input_map, output_names, name="")
        return dict(zip(keys, outputs, strict=True))

    return tf.function(call, input_signature=inputs, autograph=False)


def _hide_constants(graph: tf.compat.v1.GraphDef) -> None:
    """Puts each constant matrix and each constant scale behind a `PlaceholderWithDefault`, in
    place.

    TensorFlow repacks weights that it knows to be constant, and the repacked matrix product rounds
    differently, which changes the return of a long episode. Where it uses oneDNN, it also replaces
    Keras' LayerNormalization with a constant scale by an operation with an epsilon of 0.001,
    whatever the layer has. With the placeholder, an exported policy acts exactly as in training,
    bit for bit.
    """
    scales = _constant_scales(graph)
    constants = [node for node in graph.node if node.op == "Const"]
    for node in constants:
        shape = node.attr["value"].tensor.tensor_shape
        if len(shape.dim) < 2 and node.name not in scales:
            continue
        value = graph.node.add()
        value.CopyFrom(node)
        value.name = f"{node.name}/value"
        placeholder = tf.compat.v1.NodeDef(
            name=node.name, op="PlaceholderWithDefault", input=[value.name]
        )
        placeholder.attr["dtype"].CopyFrom(node.attr["dtype"])
        placeholder.attr["shape"].shape.CopyFrom(shape)
        node.CopyFrom(placeholder)


def _constant_scales(graph: tf.compat.v1.GraphDef) -> set[str]:
    """Returns the names of the float vectors that `graph` multiplies, also through an identity."""
    vectors = {
        node.name
        for node in graph.node
        if node.op == "Const"
        and len(node.attr["value"].tensor.tensor_shape.dim) == 1
        and tf.as_dtype(node.attr["dtype"].type).is_floating
    }
    sources = {node.name: node.input[0] for node in graph.node if node.op == "Identity"}
    factors = {name for node in graph.node if node.op == "Mul" for name in node.input}
    return vectors & {sources.get(name, name) for name in factors}
