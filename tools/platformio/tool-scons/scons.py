"""PlatformIO's package tool-scons: SCons as it is installed from PyPI."""

from SCons.Script import main

main()
