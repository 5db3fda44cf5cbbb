"""HTML as text: nothing that could hold an address is lost, and nothing that a reader sees as one word is parted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcc_relay.core.address import known
from bcc_relay.core.contents.html import visible_and_hidden_text
from bcc_relay.core.contents.text import find_in_text

ANNA, BEN, CEM, DORA = "anna@x.example", "ben@y.example", "cem@z.example", "dora@w.example"
NOBODY = known(frozenset())


def shown_in(html: str) -> set[str]:
    return find_in_text(visible_and_hidden_text(html), NOBODY)


HIDING_PLACES = {
    "text": f"<p>Write to {ANNA}.</p>",
    "no-tag-at-all": f"Write to {ANNA}.",
    "angle-brackets": f"Anna <{ANNA}>",
    "escaped-angle-brackets": f"Anna &lt;{ANNA}&gt;",
    "entity": "anna&#64;x.example",
    "entity-without-semicolon": "anna&#64x.example",
    "entity-hexadecimal": "anna&#X40;x&#x2e;example",
    "entity-named": "anna&commat;x&period;example",
    "entity-in-every-letter": "".join(f"&#{ord(char)};" for char in ANNA),
    "entity-encoded-twice": "anna&amp;#64;x.example",
    "entity-named-encoded-twice": "anna&amp;commat;x&amp;period;example",
    "soft-hyphens": "anna@x.&shy;exam&shy;ple",
    "zero-width": "an&zwnj;na&#8203;@x.exa&#x200b;mple",
    "no-break-space": "anna&nbsp;@&nbsp;x.example",
    "empty-tags": "an<b></b>na@x.<i></i>example",
    "tags-around-pieces": '<span>anna</span><span style="x">@</span><span>x.example</span>',
    "smart-tag": "anna@<st1:place w:st=on>x</st1:place>.example",
    "pieces-of-a-drawing": "<svg><text><tspan>anna</tspan><tspan>@x.example</tspan></text></svg>",
    "pieces-of-a-flat-document": "<text:p>anna<text:span>@x.example</text:span></text:p>",
    "word-break": "anna@<wbr>x.<wbr/>example",
    "comment-within": "anna<!-- not here -->@x.example",
    "office-tags": "anna<o:p></o:p>@x.example",
    "source-line-ends": "anna@\r\nx.example",
    "mailto": f'<a href="mailto:{ANNA}">Anna</a>',
    "mailto-encoded": '<a href="mailto:anna%40x.example">Anna</a>',
    "mailto-cc": f'<a href="mailto:{BEN}?subject=x&amp;cc={ANNA}">Ben</a>',
    "mailto-list": f'<a href="mailto:{BEN},%20{ANNA}">Ben</a>',
    "mailto-single-quotes": f"<a href='mailto:{ANNA}'>Anna</a>",
    "mailto-without-quotes": f"<a href=mailto:{ANNA}>Anna</a>",
    "mailto-in-entities": '<a href="&#109;ailto:anna&#64;x.example">Anna</a>',
    "mailto-full-width": '<a href="mailto:anna%EF%BC%A0x.example">Anna</a>',
    "link-parameter": '<a href="https://club.example/?lang=en&amp;to=anna%40x.example">Club</a>',
    "title": f'<abbr title="{ANNA}">A</abbr>',
    "alt": f'<img src="a.png" alt="Anna, {ANNA}">',
    "data": f'<div data-people=\'[{{"mail":"{ANNA}"}}]\'>x</div>',
    "value": f'<input type="hidden" value="{ANNA}">',
    "value-without-quotes": f"<input type=hidden value={ANNA}>",
    "spelt-out-in-attribute": '<img alt="anna (at) x.example">',
    "meta": f'<meta name="author" content="{ANNA}">',
    "hidden-span": f'<span style="display:none">{ANNA}</span>',
    "comment": f"<p>Hello</p><!-- {ANNA} -->",
    "comment-unclosed": f"<p>Hello</p><!-- {ANNA}",
    "comment-with-tags": "<!-- <b>anna</b>@x.example -->",
    "comment-with-link": f'<!-- <a href="mailto:{ANNA}">x</a> -->',
    "conditional-comment": f"<!--[if mso]><p>{ANNA}</p><![endif]-->",
    "revealed-comment": f"<![if !mso]><p>{ANNA}</p><![endif]>",
    "cdata": f"<![CDATA[{ANNA}]]>",
    "processing-instruction": f"<?xml mail='{ANNA}'?>",
    "doctype": f'<!DOCTYPE html PUBLIC "{ANNA}">',
    "style": f"<style>/* {ANNA} */</style>",
    "script": f"<script>var mail = '{ANNA}';</script>",
    "script-unclosed": f"<p>Hello</p><script>var mail = '{ANNA}';",
    "title-element": f"<head><title>{ANNA}</title></head>",
    "tag-unclosed": f'<p>Hello</p><a href="mailto:{ANNA}"',
    "tag-cut-off-by-another": f'<a title="x <b>" href="mailto:{ANNA}">',
    "greater-than-in-quotes": f'<img alt="a > b" title="{ANNA}">',
    "quote-unclosed": f'<img alt="{ANNA}>',
    "upper-case": f'<A HREF="MAILTO:{ANNA.upper()}">A</A>',
    "less-than-before": f"1 < 2 and {ANNA}",
    "preformatted": f"<pre>\nTo: {BEN}\n{ANNA}\n</pre>",
}


@pytest.mark.parametrize("html", HIDING_PLACES.values(), ids=HIDING_PLACES)
def test_an_address_is_found_wherever_the_source_holds_it(html: str) -> None:
    assert ANNA in shown_in(html)


@pytest.mark.parametrize(
    "html",
    [
        f"<p>{ANNA}</p><p>{BEN}</p>",
        f"<table><tr><td>{ANNA}</td><td>{BEN}</td></tr></table>",
        f"<table><tr><td>{ANNA}<td>{BEN}</table>",
        f"<ul><li>{ANNA}<li>{BEN}</ul>",
        f"{ANNA}<br>{BEN}",
        f"{ANNA}<br/>{BEN}",
        f"<div>{ANNA}</div>{BEN}",
        f"<h1>{ANNA}</h1>{BEN}",
        f"<dl><dt>{ANNA}<dd>{BEN}</dl>",
        f"<select><option>{ANNA}<option>{BEN}</select>",
        f"{ANNA}<hr>{BEN}",
        f"{ANNA}<img src=x>{BEN}",
        f"<p>{ANNA}<!-- - --><br>{BEN}",
        f"<pre>{ANNA}\n{BEN}</pre>",
        f"<p>{ANNA}\n{BEN}</p>",
    ],
)
def test_addresses_in_different_blocks_stay_apart(html: str) -> None:
    assert shown_in(html) == {ANNA, BEN}


@pytest.mark.parametrize("tag", ["a", "span", "b"])
def test_addresses_in_neighbouring_tags_are_both_found(tag: str) -> None:
    assert {ANNA, BEN} <= shown_in(f"<{tag}>{ANNA}</{tag}><{tag}>{BEN}</{tag}>")


def test_all_fields_of_a_mail_link_are_read() -> None:
    link = "mailto:anna@x.example?cc=ben@y.example,cem%40z.example&amp;bcc=dora@w.example&amp;body=Hello"
    assert shown_in(f'<a href="{link}">write</a>') == {ANNA, BEN, CEM, DORA}


def test_header_lines_of_a_quoted_message_become_lines() -> None:
    html = (
        f"<p><b>From:</b> {ANNA}<br><b>Sent:</b> Monday<br>\r\n<b>To:</b> {BEN}<br><b>Subject:</b>&nbsp;Term</p><p>Dear"
    )
    lines = [line.strip() for line in visible_and_hidden_text(html).split("\n")]
    assert lines[1:5] == [f"From: {ANNA}", "Sent: Monday", f"To: {BEN}", "Subject: Term"]


def test_shown_text_comes_first_and_styles_without_addresses_not_at_all() -> None:
    html = "<style>p { margin: 0 }</style><!-- a comment --><p class='x'>Dear all</p>"
    assert visible_and_hidden_text(html).split() == ["Dear", "all", "a", "comment"]


def test_a_number_of_thousands_of_digits_is_no_error() -> None:
    assert ANNA in shown_in("&#" + "1" * 5000 + f"; {ANNA}")


MARKUP = st.sampled_from(
    ["<", ">", "</", "<!--", "-->", "--!>", "<!", "<?", "<a ", "<p>", "</p>", "<b", "<style>", "</style>", "<script", "<title>",
     'href="', "href='", '"', "'", "=", "mailto:", "&", "&#", "&#64;", "&amp;", ";", "%", "%40", "@", " ", "\n", "x", "é", "[if x]>"]
)  # fmt: skip


@given(st.lists(MARKUP, max_size=25), st.lists(MARKUP, max_size=25))
def test_a_whole_address_is_never_lost_in_broken_markup(before: list[str], after: list[str]) -> None:
    html = f"{''.join(before)}, {ANNA} ,{''.join(after)}"
    assert ANNA in find_in_text(visible_and_hidden_text(html), known(frozenset({ANNA})))


@given(st.text(max_size=300))
def test_reading_html_never_raises(html: str) -> None:
    visible_and_hidden_text(html)


@pytest.mark.parametrize(
    "unit",
    ["<", "<a ", "<a <", "<!--", "<!-- -->", "<style>", "<style", "<b>", '="', "='", "=", "<a x='", '<a x="', "&", "&#", "&#x", "&amp;",
     "<a href='mailto:a@x.example'>", "<@", "<a @ =", ">a@x.example", "%40", "<p", " ", "<t@"],
)  # fmt: skip
def test_hostile_html_is_read_in_time_that_grows_with_its_size(unit: str) -> None:
    """A reader that took the square of the size would not come to an end here."""
    visible_and_hidden_text(unit * (500_000 // len(unit)))
    visible_and_hidden_text("<a " + unit * (500_000 // len(unit)) + "@>")
