"""The metadata that is read is the one that onnx reads, and what is no whole ONNX file is refused."""

import re

import onnx
import pytest
from onnx import helper

from mmadfer.graphs.metadata import read_metadata

METADATA = {"format": "some-1", "spec": '{"image_size": 32}', "empty": "", "word": "größe", "long": "x" * 70_000}


@pytest.fixture
def file(tmp_path):
    """Return an ONNX file with metadata before, and every kind of field around it."""
    node = helper.make_node("Identity", ["x"], ["y"])
    value = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    model = helper.make_model(helper.make_graph([node], "graph", value[:1], value[1:]), producer_name="test")
    model.model_version = 2**40
    helper.set_model_props(model, METADATA)
    onnx.save(model, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def test_it_is_what_onnx_reads(file):
    assert read_metadata(file) == METADATA
    assert {entry.key: entry.value for entry in onnx.load(file).metadata_props} == METADATA


def test_fields_of_fixed_size_are_stepped_over(file):
    # Fields 100 (eight bytes) and 101 (four bytes), which a later version of ONNX may have.
    file.write_bytes(b"\xa1\x06" + b"\xff" * 8 + b"\xad\x06" + b"\xff" * 4 + file.read_bytes())
    assert read_metadata(file) == METADATA


def test_a_file_cut_short_anywhere_is_refused_or_lacks_its_metadata(file):
    whole = file.read_bytes()
    refused = 0
    for length in range(0, len(whole), 97):
        file.write_bytes(whole[:length])
        try:
            assert read_metadata(file) != METADATA, f"cut after {length} of {len(whole)} bytes"
        except ValueError:
            refused += 1
    assert refused > 700


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "there is no graph in it"),
        (b"no graph", "a field is of the unknown kind 6"),
        (b"\x3a\x05abc", "it is cut short"),
        (b"\x3a", "it is cut short"),
        (b"\xff" * 11, "a number in it has no end"),
        (b"\x3a\x00\x72\x04\x0a\x02\xff\xfe", "codec can't decode"),
    ],
)
def test_what_is_no_onnx_file_is_refused(file, contents, message):
    file.write_bytes(contents)
    with pytest.raises(ValueError, match=re.escape(message)):
        read_metadata(file)
