"""One run as one page of HTML that needs nothing else: no network, no library, no second file.

`page(subject)` reads a history and its verdict, and writes text; it judges nothing itself. The
drawings are SVG made here, so that they can be read without scripts and on paper; scripts only show
details, and draw the diagram of messages around a moment that a reader chooses. The same subject
gives the same bytes. Everything that could grow with the run has a bound, and the page says what it
left out.
"""

from region_sim.report.page import page
from region_sim.report.subject import Subject

__all__ = ["Subject", "page"]
