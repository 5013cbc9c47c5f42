"""A document as plain HTML that a person can read and go on with: for the switch to HTML, which has no way back."""

import html
import re
from collections.abc import Mapping

from samizdat.core.content.blocks.markup import Markup, Setting, source_of
from samizdat.core.content.blocks.schema import Node
from samizdat.core.content.blocks.styles import PLAIN, BlockStyles
from samizdat.core.content.phrases import PhraseTable
from samizdat.core.content.theme import Theme, ThemePicture


def to_html(
    document: Node, *, language: str = "en", direction: str = "ltr", look: Theme | None = None,
    pictures: Mapping[str, ThemePicture] | None = None, words: PhraseTable | None = None, dress: BlockStyles = PLAIN,
) -> str:  # fmt: skip
    """One line for each block, or as a template has them. Pictures of the library that are not in `pictures` are left
    out.
    """
    setting = Setting(
        look=(look or Theme()).in_design("carbon"),
        words=words or PhraseTable(language),
        pictures=pictures or {},
        language=language,
        direction=direction,
        edges=re.compile("((?!))"),
        clean=lambda source: source,
        fragment="zf",
        dress=dress,
    )
    page, blocks = _Page(setting), document.get("content", ())
    if dress != PLAIN:
        return f"{dress.before}{page._run(blocks)}{dress.after}"
    return "".join(f"{block_html}\n" for block in blocks if (block_html := page._flow(block)))


class _Page(Markup):
    def _of_picture(self, block: Node) -> str:
        if self.set.dress.pictures:
            return super()._of_picture(block)
        attrs = block["attrs"]
        picture = source_of(attrs["src"], self.set.pictures)
        if picture is None:
            return ""
        alt = "" if attrs.get("decorative") else attrs["alt"]
        width = attrs.get("width") or min(picture.width, 540) or 540
        image = (
            f'<img src="{html.escape(picture.url)}" alt="{html.escape(alt)}" width="{width}" '
            'style="max-width:100%;height:auto">'
        )
        linked = _linked(attrs["link"], image)
        return linked if self.set.dress.lines else f"<p>{linked}</p>"

    def _of_video(self, block: Node) -> str:
        attrs = block["attrs"]
        watch = f"<p>{_linked(attrs['link'], '▶ ' + self.set.words.html('block.watch'))}</p>" if attrs["link"] else ""
        return self._of_picture(block) + watch

    def _of_button(self, block: Node) -> str:
        attrs = block["attrs"]
        return f"<p>{_linked(attrs['link'], html.escape(attrs['text']))}</p>" if attrs["text"] else ""

    def _of_columns(self, block: Node) -> str:
        width = 100 // len(block["content"])
        cells = "".join(f'<td width="{width}%" valign="top">{self._all(column)}</td>' for column in block["content"])
        return f'<table role="presentation" width="100%"><tr>{cells}</tr></table>'


def _linked(url: str, inner: str) -> str:
    return f'<a href="{html.escape(url)}">{inner}</a>' if url else inner
