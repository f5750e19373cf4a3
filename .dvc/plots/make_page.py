"""Write page.html, the page of `dvc plots show`, with the Vega that vl-convert-python bundles."""

from __future__ import annotations

from pathlib import Path

import vl_convert

FOLDER = Path(__file__).parent
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'unsafe-inline' 'unsafe-eval'",
        "style-src 'unsafe-inline'",
        "img-src data: file:",
    )
)


def make_page() -> str:
    """Return the page; DVC puts its plots where `{plot_divs}` stands."""
    versions = f"Vega {vl_convert.get_vega_version()}, Vega-Embed {vl_convert.get_vega_embed_version()}"
    licence = (FOLDER / "vega-licence.txt").read_text(encoding="utf-8")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<!-- Written by make_page.py. It holds {versions} and Vega-Lite:

{licence}-->
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
{{refresh_tag}}
<title>DVC plots</title>
<script>{vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")}</script>
</head>
<body>
{{plot_divs}}
</body>
</html>
"""


if __name__ == "__main__":
    (FOLDER / "page.html").write_text(make_page(), encoding="utf-8")
