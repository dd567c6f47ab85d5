"""What a user writes to build a module that calls cygd: no include folder, no flag, no library."""

from Cython.Build import cythonize
from setuptools import setup

setup(name="user", ext_modules=cythonize("user.pyx", language_level=3))
