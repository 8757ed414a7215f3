"""What pyproject.toml cannot say: demo, train and export lie at the root of a checkout, and in a wheel inside mmadfer.

Nobody's site-packages should get packages of such common names. Their files are the same in both places, as they import
each other by relative names.
"""

from setuptools import find_packages, setup

PROGRAMS = ("demo", "train", "export")

setup(
    packages=[
        *find_packages(include=["mmadfer", "mmadfer.*"]),
        *(f"mmadfer._app.{name}" for program in PROGRAMS for name in find_packages(include=[program, f"{program}.*"])),
    ],
    package_dir={f"mmadfer._app.{program}": program for program in PROGRAMS},
)
