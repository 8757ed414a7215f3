"""labels.csv and the sets' own lists, as spreadsheets, editors and people write them."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

import pytest

from mmadfer.data.adapters.sets import list_clips
from tests.support import made_trees as trees

ROWS = (
    ("path", "label", "start", "end", "speaker"),
    ("a.mp4", "Happy", "", "", "Zoë"),
    ("b ü.mp4", "sad", "1.5", "3", "Ben"),
)


def lines(rows=ROWS, delimiter=",", end="\n"):
    return "".join(delimiter.join(row) + end for row in rows)


def read(root: Path, data: bytes | str, name="labels.csv"):
    (root / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return list_clips("folder", root)


def found(listing):
    return [(c.clip_id, c.label, c.start, c.end, c.speaker) for c in listing.clips]


def said(listing):
    return {finding.kind: finding.detail for finding in listing.findings}


EXPECTED = [("a.mp4", "happiness", 0.0, None, "Zoë"), ("b ü.mp4@1.5-3", "sadness", 1.5, 3.0, "Ben")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-16-le", b""),
        ("utf-16-be", b""),
        ("utf-32-le", codecs.BOM_UTF32_LE),
        ("utf-32-be", codecs.BOM_UTF32_BE),
    ],
)
def test_unicode_in_every_form_is_read(tmp_path, encoding, mark, delimiter, end):
    assert found(read(tmp_path, mark + lines(ROWS, delimiter, end).encode(encoding))) == EXPECTED


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("form", ["sep={}\n", '"sep={}"\r\n', "SEP={}\r\n"])
def test_excels_first_line_names_the_delimiter(tmp_path, form, delimiter):
    rows = [("path", "label"), ("a.mp4", "happy")]
    assert [entry[:2] for entry in found(read(tmp_path, form.format(delimiter) + lines(rows, delimiter)))] == [
        ("a.mp4", "happiness")
    ]
    with pytest.raises(ValueError, match=r"labels\.csv, line 3: a path and a label are needed"):
        read(tmp_path, form.format(delimiter) + lines([("path", "label"), ("a.mp4", "")], delimiter))


# --- encodings that are not Unicode


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("cp1252", "Jérôme.mp4"), ("cp1252", "Größe – €.mp4"), ("mac_roman", "Ångström.mp4"), ("cp1251", "Анна.mp4"),
     ("cp932", "表情.mp4"), ("gb18030", "高兴.mp4"), ("cp949", "기쁨.mp4"), ("cp1250", "Łódź.mp4")],
)  # fmt: skip
def test_other_encodings_are_read_where_the_files_prove_them(tmp_path, encoding, name):
    trees.text(tmp_path / name, "")
    listing = read(tmp_path, f"path,label\n{name},anger\nb.mp4,fear\n".encode(encoding))
    assert [clip.video for clip in listing.clips] == [name, "b.mp4"]
    assert encoding in said(listing)["table not in UTF-8"]


def test_bytes_that_are_the_files_own_name_are_read(tmp_path):
    """A table and a disk that both hold Latin-1 bytes."""
    name = b"caf\xe9.mp4"
    (tmp_path / os.fsdecode(name)).write_bytes(b"")
    listing = read(tmp_path, b"path,label\n" + name + b",anger\n")
    assert os.fsencode(listing.clips[0].video) == name


def test_words_nobody_uses_need_no_proof(tmp_path):
    listing = read(tmp_path, "path,label,remark\na.mp4,anger,schön\nb.mp4,fear,\n".encode("cp1252"))
    assert [clip.video for clip in listing.clips] == ["a.mp4", "b.mp4"]


@pytest.mark.parametrize(
    ("data", "files", "says"),
    [
        (
            "path,label\na.mp4,wütend\n".encode("cp1252"),
            ["a.mp4"],
            r"\(line 2, byte 0xfc\), perhaps Windows-1252 \(cp1252\)",
        ),
        ("path,label,speaker\na.mp4,fear,Zoë\n".encode("cp1252"), ["a.mp4"], r"\(cp1252\)"),
        ("path,label\né.mp4,fear\n".encode("cp1252"), [], r"\(cp1252\), which the file names in it do not prove"),
        # Both readings name files, with different meanings.
        (b"path,label\n\xf1.mp4,fear\n", ["ñ.mp4", "ń.mp4"], "may be cp1252 or cp1250, which differ"),
        # The name is proven, but the label could be one word or another.
        (b"path,label\n\xe9.mp4,\xf1\n", ["é.mp4"], "may be cp1252 or cp1250"),
        (b"path,label\na\x81.mp4,fear\n", [], "in an encoding not known"),
    ],
)
def test_an_encoding_that_is_not_certain_is_refused_in_words(tmp_path, data, files, says):
    for name in files:
        trees.text(tmp_path / name, name)
    with pytest.raises(ValueError, match=rf"labels\.csv is not in UTF-8 .*{says}.*; save it again as 'CSV UTF-8'$"):
        read(tmp_path, data)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"PK\x03\x04rest", r"no text but a workbook \(\.xlsx or \.ods\)"),
        (b"\xd0\xcf\x11\xe0rest", r"a workbook \(\.xls\)"),
        (codecs.BOM_UTF16_LE + b"p\0a", "marked as UTF-16, but its byte"),
        (b"path,label\na.mp4,fear\n" + b"\0" * 100, "zero"),
        (b"", "it is empty"),
        (b"\n\n", "it is empty"),
    ],
)
def test_what_is_no_table_is_refused_in_words(tmp_path, data, says):
    with pytest.raises(ValueError, match=rf"labels\.csv .*{says}") as error:
        read(tmp_path, data)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["labels.xlsx", "Labels.XLS", "labels.ods", "labels.csv.txt", "labels.tsv"])
def test_a_table_of_another_kind_is_named(tmp_path, name):
    trees.own_folder(tmp_path)
    with pytest.raises(ValueError, match=rf"{name} cannot be read; save it as 'CSV UTF-8' under the name labels\.csv"):
        read(tmp_path, b"PK\x03\x04", name)


@pytest.mark.parametrize("name", ["Labels.csv", "LABELS.CSV"])
def test_capitals_of_the_tables_name_do_not_matter(tmp_path, name):
    assert len(read(tmp_path, lines(), name).clips) == 2
    trees.text(tmp_path / "labels.csv", "")
    with pytest.raises(ValueError, match=f"has several tables, {name}, labels.csv; keep one"):
        list_clips("folder", tmp_path)


@pytest.mark.parametrize("target", ["nowhere.csv", "."])
def test_a_table_that_is_no_file_is_not_passed_over(tmp_path, target):
    trees.own_folder(tmp_path)
    (tmp_path / "labels.csv").symlink_to(target)
    with pytest.raises(ValueError, match=r"labels\.csv is no file, or a link to nothing"):
        list_clips("folder", tmp_path)


def test_a_table_one_level_down_is_pointed_at(tmp_path):
    trees.text(tmp_path / "own/labels.csv", "path,label\n")
    with pytest.raises(ValueError, match=r"own/labels\.csv is a table, and .* has none; give the folder .*own"):
        list_clips("folder", tmp_path)


# --- headings


@pytest.mark.parametrize(
    ("heading", "path", "label"),
    [
        ("PATH,Label", 0, 1),
        ("file,emotion", 0, 1),
        ("Emotion,File name", 1, 0),
        ("filename,class", 0, 1),
        ("# path,label", 0, 1),
        (" path , label ", 0, 1),
        ('"path","label"', 0, 1),
        (",path,label", 1, 2),
        ("class,path,label", 1, 2),
        ("\u200bpath,label", 0, 1),
    ],
)
def test_columns_are_known_by_more_than_one_name(tmp_path, heading, path, label):
    cells = [""] * (heading.count(",") + 1)
    cells[path], cells[label] = "a.mp4", "fear"
    listing = read(tmp_path, f"{heading}\n{','.join(cells)}\n")
    assert [(clip.video, clip.label) for clip in listing.clips] == [("a.mp4", "fear")]


@pytest.mark.parametrize(
    ("heading", "says"),
    [
        ("path,label,label", "has several columns that may be label: 'label', 'label'"),
        ("file,video,label", "has several columns that may be path: 'file', 'video'"),
        ("path,label,actor,subject", "has several columns that may be speaker"),
        ("path,label,speakr", "has the column 'speakr', which may be meant as speaker"),
        ("path,label,Splitt", "has the column 'Splitt', which may be meant as split"),
        ("path,label,start_ms", "has the column 'start_ms', which may be meant as start; call it so and give seconds"),
        ("a.mp4,fear", "must start with the line path,label .* it starts with 'a.mp4,fear'"),
    ],
)
def test_columns_that_are_not_certain_are_refused(tmp_path, heading, says):
    with pytest.raises(ValueError, match=rf"labels\.csv {says}"):
        read(tmp_path, f"{heading}\na.mp4,fear{',' * (heading.count(',') - 1)}\n")


def test_columns_that_are_not_used_are_named(tmp_path):
    listing = read(tmp_path, "id,path,label,start (s),end [s],age\n7,a.mp4,fear,1,2,30\n")
    assert said(listing)["columns that are not used"] == "id, age" and listing.clips[0].end == 2


# --- rows


def test_blank_lines_and_comments_are_no_rows(tmp_path):
    table = "# made by hand\n\npath,label,split\n\n  \n,,\na.mp4,fear,train\n# b.mp4,fear,train\n#1.mp4,anger,test\n"
    trees.text(tmp_path / "#1.mp4", "")
    listing = read(tmp_path, table)
    assert [clip.video for clip in listing.clips] == ["a.mp4", "#1.mp4"]
    assert said(listing)["comment"] == "line 8: # b.mp4"


@pytest.mark.parametrize(
    ("row", "video"),
    [
        ('"a,b.mp4",fear', "a,b.mp4"),
        ('"say ""hi"".mp4",fear', 'say "hi".mp4'),
        ('"two\nlines.mp4",fear', "two\nlines.mp4"),
        ("😀.mp4,fear", "😀.mp4"),
        ("-rf.mp4,fear", "-rf.mp4"),
        ("10:30:00.mp4,fear", "10:30:00.mp4"),
        ('" led by a space.mp4",fear', " led by a space.mp4"),
        ("sub\\a.mp4, fear ", "sub/a.mp4"),
        ("cafe\u0301.mp4,fear", "café.mp4"),
        ("B.mp4,fear", "b.MP4"),
        ('a.mp4,"fear",,', "a.mp4"),
    ],
)
def test_names_of_any_characters_are_found(tmp_path, row, video):
    trees.text(tmp_path / video, "")
    assert [(clip.video, clip.label) for clip in read(tmp_path, f"path,label\n{row}\n").clips] == [(video, "fear")]


def test_tables_that_were_joined_are_read(tmp_path):
    listing = read(tmp_path, "\ufeffpath,label\na.mp4,fear\nPath,Label\nb.mp4,fear\n\x1a")
    assert [clip.video for clip in listing.clips] == ["a.mp4", "b.mp4"]
    assert said(listing)["heading again"] == "line 3"


def test_a_name_that_is_spelt_otherwise_is_told(tmp_path):
    trees.text(tmp_path / "Anna.MP4", "")
    assert said(read(tmp_path, "path,label\nanna.mp4,fear\n"))["file name spelt otherwise"] == "anna.mp4 in the table"
    trees.text(tmp_path / "ANNA.mp4", "")  # which of them?
    assert read(tmp_path, "path,label\nanna.mp4,fear\n").clips[0].video == "anna.mp4"


def test_cells_that_are_missing_are_told(tmp_path):
    listing = read(tmp_path, "path,label,split,speaker\na.mp4,fear\nb.mp4,fear,train,Ann\n")
    assert said(listing)["row with too few cells"] == "line 2: 2 of 4; the others count as empty"
    assert [clip.splits for clip in listing.clips] == [{}, {"1": "train"}]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("a.mp4\n", "line 2: a path and a label are needed, got 'a.mp4' and ''"),
        (",fear\n", "line 2: a path and a label are needed, got '' and 'fear'"),
        ("a.mp4,NaN\n", "line 2: a path and a label are needed, got 'a.mp4' and 'NaN'"),
        (
            "a.mp4,fear,,,,note\n",
            "line 2: 6 cells where the heading has 5; put cells with ',' in them in quotation marks",
        ),
        ('a.mp4,fear\n\n"b.mp4,fear\nc.mp4,fear\n', "line 4: a quotation mark is opened and not closed"),
        ('"a.mp4"x,fear\n', "line 2: more follows a closing quotation mark"),
        ('"two\nlines",fear\nb.mp4,\n', "line 4: a path and a label"),
        ("a.mp4,\nb.mp4,fear\nc.mp4,\nd.mp4,\n", r"line 2: .*got 'a.mp4' and '' \(also wrong: line 4, 5\)"),
        ("a.mp4,fear,eval\n", "line 2: the split is 'eval'; allowed are train, validation, test"),
    ],
)
def test_a_wrong_row_is_refused_with_its_line(tmp_path, rows, says):
    with pytest.raises(ValueError, match=rf"labels\.csv, {says}") as error:
        read(tmp_path, f"path,label,split,start,end\n{rows}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("column", ["start", "end"])
@pytest.mark.parametrize(
    "cell", ["nan", "NaN", "inf", "-inf", "Infinity", "-1", "1e999", "1_0", "00:01", "1 s", "#N/A"]
)
def test_a_time_that_is_none_is_refused_with_its_line(tmp_path, column, cell):
    with pytest.raises(ValueError, match=r"labels\.csv, line 3: start .*must be .* got .*"):
        read(tmp_path, f"path,label,{column}\nb.mp4,fear,\na.mp4,fear,{cell}\n")


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_decimal_commas_are_read_where_cells_are_not_parted_by_commas(tmp_path, delimiter):
    rows = (("path", "label", "start", "end"), ("a.mp4", "fear", "1,5", "2,25"))
    assert [(clip.start, clip.end) for clip in read(tmp_path, lines(rows, delimiter)).clips] == [(1.5, 2.25)]
    with pytest.raises(ValueError, match=r"must be seconds, such as 2\.5, got '1,5' as start"):
        read(tmp_path, 'path,label,start\na.mp4,fear,"1,5"\n')


def test_times_that_differ_little_make_clips_that_differ(tmp_path):
    listing = read(tmp_path, "path,label,start,end\na.mp4,fear,1000.121,1001\na.mp4,anger,1000.124,1001\n")
    assert [clip.clip_id for clip in listing.clips] == ["a.mp4@1000.121-1001", "a.mp4@1000.124-1001"]


@pytest.mark.parametrize("column", ["path", "audio"])
@pytest.mark.parametrize(
    "name",
    ["../secret.mp4", "sub/../../secret.mp4", "/etc/passwd", "{outside}", "..", "/", ".", "./", "..\\secret.mp4",
     "C:\\clips\\a.mp4", "\\\\server\\a.mp4", "https://example.org/a.mp4", "{root}-2/a.mp4"],
)  # fmt: skip
def test_a_path_that_leaves_the_folder_is_refused_with_its_line(tmp_path, column, name):
    root = tmp_path / "own"
    (root / "sub").mkdir(parents=True)
    outside = trees.text(tmp_path / "secret.mp4", "")
    trees.text(tmp_path / "own-2/a.mp4", "")
    cell = name.format(outside=outside, root=root)
    row = f"{cell},fear," if column == "path" else f"a.mp4,fear,{cell}"
    with pytest.raises(
        ValueError, match=r"labels\.csv, line 2: .*(lies outside|leads out|itself|no file of this folder)"
    ):
        read(root, f"path,label,audio\n{row}\n")


def test_an_absolute_path_into_the_folder_and_a_link_out_of_it_are_the_users_own(tmp_path):
    root, linked = tmp_path / "own", tmp_path / "linked"
    trees.text(root / "a.mp4", "a")
    trees.text(tmp_path / "far/b.mp4", "b")
    (root / "far").symlink_to(tmp_path / "far")
    linked.symlink_to(root)
    trees.text(root / "labels.csv", f"path,label\n{root}/a.mp4,fear\nfar/b.mp4,anger\n")
    for folder in (root, linked):
        assert [clip.video for clip in list_clips("folder", folder).clips] == ["a.mp4", "far/b.mp4"]


def test_clips_that_the_table_does_not_name_are_counted(tmp_path):
    trees.own_folder(tmp_path)
    listing = read(tmp_path, "path,label\nHappy/a.mp4,happy\nanger/c.mp4,anger\n")
    assert said(listing)["in no list"] == "2 clips, such as Happy/b.mp4"


# --- the lists of known sets


LISTS = {
    "dfew": "EmoLabel_DataSplit/train(single-labeled)/set_1.csv",
    "mafw": "Train & Test Set/single/no_caption/set_1/train.txt",
    "ferv39k": "4_setups/All_scenes/train_All.csv",
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("form", ["utf-8-sig", "utf-16", "utf-16-le", "crlf", "cr"])
def test_lists_of_known_sets_are_read_in_every_form(tmp_path, name, form):
    before = list_clips(name, getattr(trees, name)(tmp_path))
    path = tmp_path / LISTS[name]
    text = path.read_text()
    ends = {"crlf": "\r\n", "cr": "\r"}
    path.write_bytes(text.replace("\n", ends[form]).encode() if form in ends else text.encode(form))
    assert list_clips(name, tmp_path) == before


def test_dfews_list_saved_by_a_spreadsheet_is_read(tmp_path):
    before = list_clips("dfew", trees.dfew(tmp_path))
    path = tmp_path / LISTS["dfew"]
    path.write_text("sep=;\n" + path.read_text().replace(",", ";"))
    assert list_clips("dfew", tmp_path) == before


@pytest.mark.parametrize("name", LISTS)
def test_a_list_in_another_encoding_is_named(tmp_path, name):
    path = getattr(trees, name)(tmp_path) / LISTS[name]
    path.write_bytes(path.read_bytes() + "wütend\n".encode("cp1252"))
    with pytest.raises(ValueError, match=r"(set_1\.csv|train\.txt|train_All\.csv) is not in UTF-8 .*cp1252"):
        list_clips(name, tmp_path)
