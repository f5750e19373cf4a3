"""The version of this package, which each synthetic record carries.

It stands alone here, so that of all stages only those which write it run again for a new one.
"""

VERSION = "0.1.0"
