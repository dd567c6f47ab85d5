"""The documentation site: ``sphinx-build -W docs site`` (see CONTRIBUTING.md)."""

import sys
from pathlib import Path

import cygd

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "cygd"
author = "The cygd developers"
project_copyright = author
version = release = cygd.__version__

extensions = [
    "sphinx.ext.autodoc",
    "numpydoc",
    "myst_nb",
    "sphinx_design",
    "sphinx_copybutton",
    "cygd_site",
]
exclude_patterns = ["_ext", "_static"]
nitpicky = True
default_role = "code"
smartquotes = False  # quotes in messages and mappings are to be copied

# Markdown and notebooks; notebooks have tests of their own and show the outputs that they store
myst_enable_extensions = ["colon_fence", "dollarmath", "amsmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"

# types are in the docstrings, with shapes
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False  # those of other libraries link to their own pages
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
add_module_names = False

html_theme = "pydata_sphinx_theme"
html_title = f"cygd {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "collapse_navigation": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}
html_context = {"default_mode": "auto"}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# links to other sites are checked by `sphinx-build -b linkcheck`, which needs a network
linkcheck_timeout = 20
