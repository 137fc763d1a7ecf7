import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.grammar import Grammar, Limits

HEADER = "#JSGF V1.0 UTF-8 en;\n"


def sentences(rules: str) -> set[str]:
    return set(Grammar.parse(f"{HEADER}grammar test;\n{rules}").sentences(100))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("go left", {"go left"}),
        ("go | stop", {"go", "stop"}),
        ("go left | stop", {"go left", "stop"}),
        ("go (left | right)", {"go left", "go right"}),
        ("go [left]", {"go", "go left"}),
        ("/10/ go | /2.5/ stop", {"go", "stop"}),
        ("go <way> ; <way> = left | right", {"go left", "go right"}),
        ("go <test.way> ; <way> = left", {"go left"}),
        ('"New York" now', {"new york now"}),
        ("double-shot", {"double shot"}),
        ("I'd like", {"i'd like"}),
        ("go <NULL>", {"go"}),
        ("go | stop <VOID>", {"go"}),
        ("go // all the rest ; is comment\n left /* and | this */ now", {"go left now"}),
        ("go {way:left}", {"go"}),
        ("go <GARBAGE>", {"go"}),
        ("[go] [left]", {"go", "left", "go left"}),
        ("é", {"é"}),
    ],
)
def test_what_a_rule_lets_be_said(rule: str, expected: set[str]) -> None:
    assert sentences(f"public <a> = {rule};") == expected


def test_repetitions() -> None:
    star = Grammar.parse(f"{HEADER}grammar g; public <a> = go on*;")
    plus = Grammar.parse(f"{HEADER}grammar g; public <a> = go on+;")
    assert star.read("go")
    assert star.read("go on on on on")
    assert not plus.read("go")
    assert plus.read("go on on on on")


def test_a_byte_order_mark_and_line_ends_of_windows() -> None:
    text = "\ufeff#JSGF V1.0;\r\ngrammar g;\r\npublic <a> = go;\r\n"
    assert Grammar.parse(text).sentences(5) == ["go"]


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("public <a> = go;", "line 1, column 1", "#JSGF V1.0;"),
        ("#JSGF V1.0;\npublic <a> = go;", "line 2, column 1", "grammar name;"),
        ("#JSGF V1.0;\ngrammar g;\nimport <b.c>;", "line 3, column 1", "imports are not supported"),
        ("#JSGF V1.0;\ngrammar g;\npublic <a> = go <b>;", "line 3, column 17", "no rule <b>"),
        ("#JSGF V1.0;\ngrammar g;\npublic <a> = go;\n<c> = <b>;", "line 4, column 7", "no rule <b>"),
        ("#JSGF V1.0;\ngrammar g;\npublic <a> = go <b>;\n<b> = x [<a>];", "line 4, column 10", "(<a> → <b> → <a>)"),
        ("#JSGF V1.0;\ngrammar g;\npublic <a> = go;\n<a> = stop;", "line 4, column 1", "already, on line 3"),
        ("#JSGF V1.0;\ngrammar g;\npublic <a> = (go | );", "line 3, column 20", "<NULL> for nothing"),
        ("#JSGF V1.0;\ngrammar g;\npublic <a> = ;", "line 3, column 14", "missing"),
        ("#JSGF V1.0;\ngrammar g;\npublic <a> = (go;", "line 3, column 14", "no ) closes"),
        ("#JSGF V1.0;\ngrammar g;\npublic <a> = [go);", "line 3, column 14", "no ] closes"),
        ("#JSGF V1.0;\ngrammar g;\npublic <a> = go)", "line 3, column 16", "; is missing"),
        ("#JSGF V1.0;\ngrammar g;\npublic <a> = go", "line 3, column 16", "; is missing"),
        ("#JSGF V1.0;\ngrammar g;\npublic <a> = go {x;", "line 3, column 17", "tag that no } closes"),
        ("#JSGF V1.0;\ngrammar g;\npublic <a> = go {this.$=1};", "line 3, column 17", "{slot:value}"),
        ("#JSGF V1.0;\ngrammar g;\npublic <a> = go {intent};", "line 3, column 17", "{intent:name}"),
        ("#JSGF V1.0;\ngrammar g;\npublic <a> = {x} go;", "line 3, column 14", "behind what it tags"),
        ('#JSGF V1.0;\ngrammar g;\npublic <a> = "go;', "line 3, column 14", "quoted word"),
        ("#JSGF V1.0;\ngrammar g;\npublic <a> = go / b;", "line 3, column 17", "/2.5/"),
        ("#JSGF V1.0;\ngrammar g;\npublic <a> = /0/ go | b;", "line 3, column 14", "between"),
        ("#JSGF V1.0;\ngrammar g;\npublic <a> = /1e/ go | b;", "line 3, column 14", "not a number"),
        ("#JSGF V1.0;\ngrammar g;\npublic <a> = go ...;", "line 3, column 17", "cannot be said"),
        ("#JSGF V1.0;\ngrammar g;\npublic <NULL> = go;", "line 3, column 8", "fixed meaning"),
        ("#JSGF V1.0;\ngrammar g;\n/* b\n */ public <a> = go <b>;", "line 4, column 21", "no rule <b>"),
    ],
)
def test_errors_name_the_place(text: str, place: str, hint: str) -> None:
    with pytest.raises(WavelaneError) as raised:
        Grammar.parse(text)
    assert raised.value.code is ErrorCode.INVALID_CONFIG
    assert raised.value.message.startswith(f"grammar: {place}: ")
    assert hint in raised.value.message


@pytest.mark.parametrize(
    ("rules", "hint"),
    [
        ("<a> = go;", "no rule is public"),
        ("public <a> = go <VOID>;", "nothing can be said"),
        ("public <a> = <NULL>;", "nothing to say"),
    ],
)
def test_errors_of_the_whole(rules: str, hint: str) -> None:
    with pytest.raises(WavelaneError, match=hint):
        Grammar.parse(f"{HEADER}grammar g;\n{rules}")


def test_limits_name_their_settings() -> None:
    with pytest.raises(WavelaneError, match=r"grammar\.max_characters"):
        Grammar.parse(f"{HEADER}grammar g; public <a> = go;", Limits(characters=40))
    doubling = "".join(f"<r{i}> = <r{i + 1}> <r{i + 1}>;\n" for i in range(40))
    with pytest.raises(WavelaneError, match=r"grammar\.max_states"):
        Grammar.parse(f"{HEADER}grammar g; public <a> = <r0>;\n{doubling}<r40> = go;")
    exponential = "public <a> = (a | b)* a " + "(a | b) " * 30 + ";"
    with pytest.raises(WavelaneError, match=r"grammar\.max_states"):
        Grammar.parse(f"{HEADER}grammar g; {exponential}")
    optional = "public <a> = " + " ".join(f"[w{i}]" for i in range(900)) + ";"
    with pytest.raises(WavelaneError, match="optional parts in a row"):
        Grammar.parse(f"{HEADER}grammar g; {optional}")
    with pytest.raises(WavelaneError, match="nested"):
        Grammar.parse(f"{HEADER}grammar g; public <a> = {'(' * 5000}go{')' * 5000};")


@pytest.mark.parametrize(
    ("rules", "hint"),
    [
        ("public <a> = <r0> go;\n" + "".join(f"<r{i}> = <r{i + 1}> <r{i + 1}>;\n" for i in range(60)), "no rule <r60>"),
        ("public <a> = <r0>;\n" + "".join(f"<r{i}> = <r{i + 1}> x;\n" for i in range(1500)), "nested"),
        ("public <a> = go;\n" + "".join(f"<r{i}> = <r{i + 1}> x;\n" for i in range(1500)), "nested"),
        (f"public <a> = go{'*' * 2000};", "nested"),
        (f"public <a> = go{'{x}' * 2000};", "nested"),
        (f"public <a> = go {{a{' ' * 60_000}!}};", "the tag"),
        (f"public <a> = {'go' * 60};", "more than 100 letters"),
        ("public <a> = " + "[go] " * 300 + ";", "optional parts"),
    ],
)
def test_a_small_text_takes_little_time_to_refuse(rules: str, hint: str) -> None:
    begin = time.perf_counter()
    with pytest.raises(WavelaneError, match=hint):
        Grammar.parse(f"{HEADER}grammar g;\n{rules}")
    assert time.perf_counter() - begin < 5


def test_rules_of_nothing_are_written_out_no_more_than_others() -> None:
    nothing = "".join(f"<r{i}> = <r{i + 1}> <r{i + 1}>;\n" for i in range(60)) + "<r60> = <NULL>;"
    with pytest.raises(WavelaneError, match=r"grammar\.max_states"):
        Grammar.parse(f"{HEADER}grammar g; public <a> = go <r0>;\n{nothing}")
    # Rules that nothing leads to are looked at, each once.
    long = f"<long> = {'go ' * 3000};\n" + "".join(f"<s{i}> = <long>;\n" for i in range(2000))
    assert Grammar.parse(f"{HEADER}grammar g; public <a> = go;\n{nothing}\n{long}").sentences(3) == ["go"]


def test_a_header_without_an_end() -> None:
    with pytest.raises(WavelaneError, match="begins with the header"):
        Grammar.parse(f"#JSGF V{'1' * 60_000}")


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet=st.sampled_from('#JSGFV1.0; grammarpublic<a>=|()[]{}*+/"\\:\n <NULL>x'), max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    for candidate in (text, f"{HEADER}grammar g;\npublic <a> = {text};"):
        with contextlib.suppress(WavelaneError):
            assert Grammar.parse(candidate).sentences(3)
