"""The standard library (specification §12), every function a plain function of a `Run` and its arguments.

Work and memory that grow with the arguments are paid in steps before they are done.
"""

from aster.policy.language.dates import LIBRARY as DATES
from aster.policy.language.library_arguments import Library
from aster.policy.language.library_list import LISTS
from aster.policy.language.library_map import MAPS
from aster.policy.language.library_numbers import NUMBERS
from aster.policy.language.library_option import OPTIONS, RESULTS
from aster.policy.language.library_text import TEXTS

LIBRARY: Library = {**TEXTS, **LISTS, **MAPS, **OPTIONS, **RESULTS, **DATES, **NUMBERS}
