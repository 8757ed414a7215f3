"""The encoder graph without its sound: for OpenVINO, cut out of the whole graph, whose weights it shares."""

from __future__ import annotations

from typing import Any

import numpy as np

INPUTS = ("frames", "audio_means")
OUTPUTS = ("cls", "means")


def without_sound(model: Any) -> Any:
    """Return the `openvino.Model` that does what `MMADFER.encode_faces` does, made from the encoder graph ``model``.

    The frames take the sound's mean of each block from a new input ``audio_means`` ``(depth, K)``, and not from the
    sound's own branch, which thereby falls away. ``model`` is changed and must not be used afterwards.
    Raises ValueError where it is not the encoder graph of this version.
    """
    import openvino
    from openvino import opset8 as ops

    stack = _stack_of_means(model)
    depth = len(stack.inputs())
    width = stack.get_output_partial_shape(0)[-1].get_length()
    given = ops.parameter([depth, width], np.float32, name=INPUTS[1])
    given.output(0).set_names({INPUTS[1]})
    axis = np.int64(0)
    for index, place in enumerate(stack.inputs()):
        kept = place.get_source_output().get_node()  # one block's mean with an axis more, for the stack
        mean = kept.input_value(0)
        ours = ops.gather(given, np.array([index], np.int64), axis)
        for target in mean.get_target_inputs():
            if target.get_node().get_friendly_name() != kept.get_friendly_name():
                target.replace_source_output(ours.output(0))
    frames = model.input(INPUTS[0]).get_node()
    return openvino.Model([model.output(name).get_node() for name in OUTPUTS], [frames, given], "faces")


def _stack_of_means(model: Any) -> Any:
    """Return the node that stacks the sound's means of all blocks."""
    node = model.output("audio_means").get_node() if _has_means(model) else None
    while node is not None and node.get_type_name() != "Concat":
        node = node.input_value(0).get_node() if node.inputs() else None
    if node is None:
        raise ValueError("the encoder graph lacks the output audio_means; export it again with mmadfer export onnx")
    return node


def _has_means(model: Any) -> bool:
    return any("audio_means" in output.get_names() for output in model.outputs)
