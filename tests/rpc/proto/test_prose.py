import ast

import pytest

from mainstay.rpc.proto.prose import docstring


@pytest.mark.parametrize(
    "text",
    [
        "Plain.",
        'Ends with "quotes"',
        '"starts" so',
        'a """ b',
        "back\\slash \\n",
        "two\n\nlines \n  in",
    ],
)
def test_a_docstring_says_what_was_given(text: str) -> None:
    """Whatever quotes and backslashes are in it; blanks at the ends of lines go."""
    written = "\n".join(docstring(text, 80))
    said = ast.literal_eval(written)
    wanted = "\n".join(line.rstrip() for line in text.strip().splitlines())
    assert said.strip() == wanted


def test_it_stands_on_one_line_where_that_fits() -> None:
    """Otherwise the closing quotes have a line of their own."""
    assert list(docstring("1234", 10)) == ['"""1234"""']
    assert list(docstring("12345", 10)) == ['"""12345', '"""']
