"""Objects in notebooks: HTML and SVG of what they hold, without JavaScript, for light and dark pages.

Nothing here knows an object of cygd: numbers and texts in, markup out. Every text is escaped here. The names
are imported from their modules, because a run needs none of them: `html` (blocks and tables), `plot`,
`charts`, `heat_map`, `layers` and `axes`.
"""
